"""Which attributes of a task are options of each of its calls."""

from __future__ import annotations

from typing import Final

__all__ = ["EXEC_OPTIONS"]

EXEC_OPTIONS: Final = (
    "queue",
    "routing_key",
    "exchange",
    "exchange_type",
    "priority",
    "expires",
    "serializer",
    "delivery_mode",
    "compression",
    "time_limit",
    "soft_time_limit",
    "immediate",
    "mandatory",
)
