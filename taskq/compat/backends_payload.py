"""Compressed payloads, as stores of keys and values keep them."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from taskq.adapters.results.packing import Packing

__all__ = ["compress_payload", "decompress_payload", "pending_results_t"]

# Results that somebody waits for, held strongly and weakly.
pending_results_t = namedtuple("pending_results_t", ("concrete", "weak"))  # noqa: PYI024 - Celery's


def compress_payload(payload: Any, compression: str | None) -> Any:
    """Return what is kept of a payload."""
    if not compression:
        return payload
    return Packing(compression).pack(payload.encode() if isinstance(payload, str) else payload)


def decompress_payload(payload: Any) -> Any:
    """Return what was stored; what is not compressed is returned as it is."""
    return Packing().unpack(payload) if isinstance(payload, bytes) else payload
