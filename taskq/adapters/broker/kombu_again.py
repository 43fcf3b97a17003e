"""Messages that are published a second time: to be counted, parked, given back or buried.

Used by the ends of a worker.  A broker reads and writes some headers and properties itself, and
would do so again: it would send copies to those in ``CC``, refuse another's ``user_id``, expire
what waits for its time, and take a message that went through a delay twice for one that goes in
circles.  So these travel in one header of ours, ``taskq-came``, together with where the message
came from, and are put back when it is delivered.  Celery's workers pay no heed to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from struct import error as StructError  # noqa: N812 - it is a class
from typing import Any, Final

from amqp.exceptions import AMQPError
from amqp.serialization import dumps

from taskq.ports import Delivery, Message

CAME: Final = "taskq-came"
ATTEMPTS: Final = "taskq-attempts"

# What RabbitMQ says of a message's life so far; it goes on from there.
_COUNTED: Final = frozenset({"x-delivery-count", "x-acquired-count"})
_DEATHS: Final = frozenset(
    {
        "x-death",
        *(
            f"x-{which}-death-{what}"
            for which in ("first", "last")
            for what in ("reason", "queue", "exchange")
        ),
    }
)
_COPIES: Final = frozenset({"CC", "BCC"})
_SET_ASIDE: Final = _DEATHS | _COPIES
_PROPERTIES: Final = ("expiration", "user_id", "message_id")

# Headers travel in one frame, with properties beside them; RabbitMQ's frames have 131,072 bytes.
ROOM_BYTES: Final = 120_000
# More attempts than any limit: a number that a stranger wrote is not believed beyond it.
MOST_ATTEMPTS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message as it first came, and how often it was begun since."""

    message: Message
    exchange: str
    routing_key: str
    attempts: int | None


def sendable(delivery: Delivery, attempts: int | None) -> Message:
    """Make the message that stands for this delivery when it is published again."""
    message = delivery.message
    headers = {name: value for name, value in message.headers.items() if name not in _COUNTED}
    aside = {name: headers.pop(name) for name in _SET_ASIDE & headers.keys()}
    properties = dict(message.properties)
    kept = {name: properties.pop(name) for name in _PROPERTIES if name in properties}
    headers[CAME] = {
        "exchange": delivery.exchange,
        "routing_key": delivery.routing_key,
        "headers": aside,
        "properties": kept,
    }
    if attempts:
        headers[ATTEMPTS] = attempts
    return replace(message, headers=headers, properties=properties)


def arrived(message: Message, exchange: str, routing_key: str) -> Arrived:
    """Undo ``sendable``; whatever was not published again stays as it is."""
    headers = message.headers
    if CAME not in headers and ATTEMPTS not in headers:
        return Arrived(message, exchange, routing_key, None)
    plain = {name: value for name, value in headers.items() if name not in {CAME, ATTEMPTS}}
    attempts = count_in(headers, ATTEMPTS)
    came = headers.get(CAME)
    if not isinstance(came, Mapping):
        return Arrived(replace(message, headers=plain), exchange, routing_key, attempts)
    for name in _DEATHS:
        plain.pop(name, None)  # those of the way through the delay
    return Arrived(
        replace(
            message,
            headers=plain | _table(came.get("headers")),
            properties={**message.properties, **_texts(came.get("properties"))},
        ),
        _text(came.get("exchange"), exchange),
        _text(came.get("routing_key"), routing_key),
        attempts,
    )


def count_in(headers: Mapping[str, Any], name: str) -> int | None:
    """Read a count, which anybody may have written."""
    value = headers.get(name)
    if type(value) is not int or not 0 <= value <= MOST_ATTEMPTS:
        return None
    return value


def can_travel(message: Message) -> bool:
    """Whether AMQP has a form and the room for these headers and properties."""
    try:
        size = len(dumps("F", [{**message.properties, **message.headers}]))
    except (AMQPError, StructError, ValueError, TypeError, AttributeError, RecursionError):
        return False
    return size <= ROOM_BYTES


def _table(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _texts(value: Any) -> dict[str, Any]:
    found = _table(value)
    return {name: found[name] for name in _PROPERTIES if isinstance(found.get(name), str)}


def _text(value: Any, otherwise: str) -> str:
    return value if isinstance(value, str) else otherwise
