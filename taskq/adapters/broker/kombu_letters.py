"""Dead letters over kombu: the message that was given up, and one header that says why.

Made from an errand of a worker's, read by whoever looks into the queue of them (``kombu_dead``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from taskq.adapters.broker.kombu_again import arrived, can_travel, count_in, sendable
from taskq.adapters.broker.kombu_verdicts import Errand
from taskq.ports import DeadLetter, Delivery, Message, Outgoing

QUEUE: Final = "taskq.dead"
ABOUT: Final = "taskq-dead"

# What is kept of headers that have no room in a letter.
SHOWN_CHARACTERS: Final = 10_000
PERSISTENT: Final = 2


def write(errand: Errand, letter_id: str, at_s: float) -> Outgoing:
    """Make the letter for a delivery that was rejected."""
    given = errand.given
    taken, message = given.taken, given.message
    about = {
        "reason": errand.settlement.reason,
        "queue": given.queue.name,
        "exchange": taken.exchange if isinstance(taken, Delivery) else "",
        "routing_key": taken.routing_key if isinstance(taken, Delivery) else given.queue.name,
        "node": given.node,
        "at": at_s,
        "attempts": taken.attempts if isinstance(taken, Delivery) else None,
        "is_message": isinstance(taken, Delivery),
    }
    if isinstance(taken, Delivery):
        message = sendable(taken, None)
        if not can_travel(message):
            message, about["headers"] = _shown(taken.message)
    else:
        about["malformed"] = taken.reason
    properties = {**message.properties, "message_id": letter_id, "delivery_mode": PERSISTENT}
    headers = {**message.headers, ABOUT: about}
    return Outgoing(replace(message, headers=headers, properties=properties), "", QUEUE)


def _shown(message: Message) -> tuple[Message, str]:
    """Leave away headers that cannot be sent, and say what they were."""
    kept = {name: message.headers.get(name) for name in ("id", "task")}
    bare = replace(message, headers={name: str(value)[:255] for name, value in kept.items()})
    return replace(bare, properties={}), repr(dict(message.headers))[:SHOWN_CHARACTERS]


def read(message: Message) -> DeadLetter:
    """Tell what is in a letter; anybody may have put anything into the queue."""
    found = message.headers.get(ABOUT)
    about: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    headers = {name: value for name, value in message.headers.items() if name != ABOUT}
    letter_id = message.properties.get("message_id")
    properties = {name: value for name, value in message.properties.items() if name != "message_id"}
    inside = arrived(
        replace(message, headers=headers, properties=properties),
        _text(about, "exchange"),
        _text(about, "routing_key"),
    )
    at_s = about.get("at")
    is_message = about.get("is_message", True) is not False
    return DeadLetter(
        letter_id=letter_id if isinstance(letter_id, str) else _name_of(message),
        message=inside.message if is_message else None,
        queue=_text(about, "queue"),
        exchange=inside.exchange,
        routing_key=inside.routing_key,
        reason=_text(about, "reason"),
        node=_text(about, "node"),
        at_s=float(at_s) if isinstance(at_s, int | float) else 0.0,
        attempts=count_in(about, "attempts"),
        raw=b"" if is_message else message.body,
    )


def _text(about: Mapping[str, Any], name: str) -> str:
    value = about.get(name)
    return value if isinstance(value, str) else ""


def _name_of(message: Message) -> str:
    """Name a letter that nobody named: the same each time."""
    return sha256(message.body + repr(sorted(message.headers)).encode()).hexdigest()[:32]


def replayed(letter: DeadLetter) -> Outgoing:
    """Make what goes into the queue again."""
    assert letter.message is not None, "what is no message is not sent again"
    delivery = Delivery(0, letter.message, letter.queue, letter.exchange, letter.routing_key)
    return Outgoing(sendable(delivery, None), "", letter.queue)
