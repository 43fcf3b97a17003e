"""Small things that Celery has and taskq itself does not need."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final, NoReturn

from kombu.entity import Exchange, Queue

UNREGISTERED_FMT: Final = (
    "Task of kind {0} is not registered; make sure that the module that defines it is imported."
)

EVENT_EXCHANGE: Final = "celeryev"
DIRECT_EXCHANGE: Final = "C.dq2"

# Where events go, as monitors declare it.
event_exchange: Final = Exchange(EVENT_EXCHANGE, type="topic")


def get_exchange(conn: Any, name: str = EVENT_EXCHANGE) -> Any:
    """Return the exchange of events for a connection.

    Brokers behind kombu's own Redis transport need fan-out: there a topic costs a scan.
    """
    found = Exchange(name, type="topic")
    if conn.transport.driver_type == "redis":
        found.type = "fanout"
    return found


def worker_direct(hostname: Any) -> Any:
    """Return the queue that belongs to one worker alone."""
    if isinstance(hostname, Queue):
        return hostname
    return Queue(
        f"{hostname}.dq2",
        Exchange(DIRECT_EXCHANGE),
        routing_key=hostname,
    )


def reraise(
    tp: type[BaseException],  # noqa: ARG001 - Celery's signature
    value: BaseException,
    tb: TracebackType | None = None,
) -> NoReturn:
    """Raise an exception again, with another traceback."""
    raise value if value.__traceback__ is tb else value.with_traceback(tb)
