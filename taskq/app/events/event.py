"""One event as a dictionary, as handlers and cameras get it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taskq import current

__all__ = ["Event", "group_from"]


def Event(  # noqa: N802 - Celery's name
    type: str,  # noqa: A002 - Celery's name
    _fields: Mapping[str, Any] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """Make an event of now, unless it says when it was."""
    event = {**(_fields or {}), **fields, "type": type}
    if "timestamp" not in event:
        event["timestamp"] = current.app_or_default().ports.clock.read().wall_s
    return event


def group_from(type: str) -> str:  # noqa: A002 - Celery's name
    """Return what a type of events is about: ``task-sent`` is about a task."""
    return type.partition("-")[0]
