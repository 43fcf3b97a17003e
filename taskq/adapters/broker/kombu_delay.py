"""Messages that wait on RabbitMQ until their time: the delayed delivery that kombu defines.

28 queues, one for each bit of a number of seconds.  A message's routing key begins with the bits
of its delay, highest first; it waits in the queue of each bit that is set, and ends up in one
exchange for all, ``celery_delayed_delivery``.  Names and arguments are those of kombu's
``native_delayed_delivery``, so that Celery's programs and taskq's share the queues.

From there each queue takes what was parked for it, and nothing else: its binding has a star for
each bit, its own name, and a last word that no binding of Celery's matches.

Owned here: the topology, and the keys.  Not owned: what is sent there (``kombu_intake``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from hashlib import sha256
from math import ceil
from typing import Any, Final

from amqp.exceptions import NotFound, PreconditionFailed
from kombu.transport.native_delayed_delivery import (
    CELERY_DELAYED_DELIVERY_EXCHANGE,
    MAX_LEVEL,
    MAX_NUMBER_OF_BITS_TO_USE,
    level_name,
)

from taskq.adapters.broker.kombu_entities import is_quorum, to_queue
from taskq.adapters.broker.kombu_links import Link
from taskq.ports import QueueSpec

BITS: Final[int] = MAX_NUMBER_OF_BITS_TO_USE
LONGEST_DELAY_S: Final[int] = (
    2**BITS - 1
)  # eight and a half years; what waits longer is parked again
DELIVERY_EXCHANGE: Final = CELERY_DELAYED_DELIVERY_EXCHANGE

QUORUM, CLASSIC = "quorum", "classic"
# Ends the key of what taskq parks.
OWN_WORD: Final = "taskq"
MOST_KEY_BYTES: Final = 255
_WILD: Final = frozenset("*#")

_BITS_OF_KEY: Final = re.compile(rf"^(?:[01]\.){{{BITS}}}")


def seconds_until(due_s: float, now_s: float) -> int:
    """Return whole seconds, so that it never comes too early."""
    return min(max(1, ceil(due_s - now_s)), LONGEST_DELAY_S)


def delayed_route(seconds: int, queue: str) -> tuple[str, str]:
    """Return exchange and routing key for a message that comes to a queue after some seconds."""
    # It may begin with the highest bit that is set: the exchanges before it would pass it on.
    exchange = level_name(seconds.bit_length() - 1)
    return exchange, ".".join(f"{seconds:0{BITS}b}") + "." + _word_of(queue)


def delivery_binding(queue: str) -> str:
    """Return the key with which a queue takes what was parked for it."""
    return "*." * BITS + _word_of(queue)


def undelayed_key(routing_key: str) -> str:
    """Take the bits off the key of a message that Celery has delayed."""
    return _BITS_OF_KEY.sub("", routing_key, count=1)


def _word_of(queue: str) -> str:
    words = f"{queue}.{OWN_WORD}"
    fits = len(words.encode()) + 2 * BITS <= MOST_KEY_BYTES
    if fits and not _WILD.intersection(queue.split(".")):
        return words
    return f"{sha256(queue.encode()).hexdigest()}.{OWN_WORD}"


class Delays:
    """The topology, made once for each connection that needs it."""

    def __init__(self, queue_type: str = QUORUM) -> None:
        self._types = (queue_type, CLASSIC if queue_type == QUORUM else QUORUM)

    def ready(self, link: Link, queues: Iterable[str]) -> None:
        """Make sure that what is parked for these queues will come back to them."""
        link.once("delays", lambda: self._declare(link))
        for queue in queues:
            link.once(("delays", queue), partial(_bind, link.channel, queue))

    def begin(self, link: Link, queues: Iterable[QueueSpec]) -> None:
        """Bind the queues of a worker that begins, where there may be something for them.

        Messages may be parked for a queue that was deleted and is new now.  And clients of
        Celery's delay by themselves when their queue is a quorum queue: they expect the topology
        to be there, and the exchange of the queue to be bound.
        """
        quorum = [queue for queue in queues if is_quorum(queue)]
        if not quorum and not exists(link):
            return
        self.ready(link, [queue.name for queue in queues])
        for queue in quorum:
            _bind_as_celery_does(link.channel, queue)

    def _declare(self, link: Link) -> None:
        """Declare it; who was first has decided on the type of the queues."""
        first, second = self._types
        try:
            with link.side_channel() as channel:
                declare_topology(channel, first)
        except PreconditionFailed:
            with link.side_channel() as channel:
                declare_topology(channel, second)


def exists(link: Link) -> bool:
    """Whether somebody has declared the topology."""
    try:
        with link.side_channel() as channel:
            channel.exchange_declare(DELIVERY_EXCHANGE, "topic", passive=True)
    except NotFound:
        return False
    return True


def declare_topology(channel: Any, queue_type: str) -> None:
    """Declare exchanges, queues and bindings, each after what it names."""
    _declare_exchange(channel, DELIVERY_EXCHANGE)
    below = DELIVERY_EXCHANGE
    for level in range(BITS):
        name, stars = level_name(level), "*." * (MAX_LEVEL - level)
        _declare_exchange(channel, name)
        channel.queue_declare(
            name,
            durable=True,
            exclusive=False,
            auto_delete=False,
            arguments=_arguments(queue_type, level, below),
        )
        channel.queue_bind(name, name, f"{stars}1.#")
        channel.exchange_bind(below, name, f"{stars}0.#")
        below = name


def _declare_exchange(channel: Any, name: str) -> None:
    channel.exchange_declare(name, "topic", durable=True, auto_delete=False)


def _arguments(queue_type: str, level: int, below: str) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "x-queue-type": queue_type,
        "x-overflow": "reject-publish",
        "x-message-ttl": 2**level * 1000,
        "x-dead-letter-exchange": below,
    }
    if queue_type == QUORUM:
        # A message stays where it is until the next queue has it.
        arguments["x-dead-letter-strategy"] = "at-least-once"
    return arguments


def _bind(channel: Any, queue: str) -> None:
    channel.queue_bind(queue, DELIVERY_EXCHANGE, delivery_binding(queue))


def _bind_as_celery_does(channel: Any, queue: QueueSpec) -> None:
    """Let what Celery's clients have delayed go through the queue's own exchange."""
    native: Any = to_queue(queue)
    exchange = native.exchange
    if not exchange or not exchange.name or exchange.type == "direct":
        return  # Celery does not delay what goes there
    key = native.routing_key or ""
    key = key if key.startswith("#") else f"#.{key}"
    channel.exchange_bind(exchange.name, DELIVERY_EXCHANGE, key)
    channel.queue_bind(queue.name, exchange.name, key)
