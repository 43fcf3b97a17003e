"""Events: what workers and clients tell about tasks and themselves.

A record, its form on the wire, and back.  Nobody is told anything here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

from taskq.errors import DecodeError

__all__ = ["BATCH_ROUTING_KEY", "Event", "batch_body", "event_body", "read_events", "routing_key"]

BATCH_ROUTING_KEY: Final = "task.multi"
_FRAME: Final = frozenset({"hostname", "utcoffset", "pid", "clock", "timestamp", "type"})


@dataclass(frozen=True, slots=True)
class Event:
    """One event.  ``fields`` are what its type adds, in the order in which they are sent."""

    type: str
    hostname: str
    timestamp: float
    clock: int = 0
    pid: int | None = None
    utcoffset: float = 0.0
    fields: Mapping[str, Any] = field(default_factory=dict)


def routing_key(event_type: str) -> str:
    """Where an event that travels alone goes: ``task-sent`` to ``task.sent``."""
    return event_type.replace("-", ".")


def event_body(event: Event) -> dict[str, Any]:
    """Build the body of one event."""
    return {
        "hostname": event.hostname,
        "utcoffset": event.utcoffset,
        "pid": event.pid,
        "clock": event.clock,
        **event.fields,
        "timestamp": event.timestamp,
        "type": event.type,
    }


def batch_body(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Build the body of several task events that travel together."""
    return [event_body(event) for event in events]


def read_events(body: Any) -> list[Event]:
    """Read the body of an event message: one event or a batch."""
    return [_read(each) for each in body] if isinstance(body, list) else [_read(body)]


def _read(body: Any) -> Event:
    if not isinstance(body, Mapping) or not isinstance(body.get("type"), str):
        raise DecodeError(f"not an event, it has no 'type': {type(body).__name__}")
    return Event(
        type=body["type"],
        hostname=str(body.get("hostname")),
        timestamp=_number(body.get("timestamp"), 0.0),
        clock=int(_number(body.get("clock"), 0)),
        pid=None if body.get("pid") is None else int(_number(body["pid"], 0)),
        utcoffset=_number(body.get("utcoffset"), 0.0),
        fields={name: value for name, value in body.items() if name not in _FRAME},
    )


def _number(value: Any, default: float) -> float:
    """Return a number; the default where a stranger says something else."""
    if type(value) not in (int, float):
        return default
    return value if isfinite(value) else default
