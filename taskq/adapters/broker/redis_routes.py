"""Where a message goes in Redis: from exchange and routing key to lists and channels.

Used by the broker for what clients publish and by the intake for what follows an ended task.
Owned here: bindings (written as kombu writes them) and which queues expire.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from taskq.adapters.broker.redis_layout import BINDING_LIVES, SHORTEST_BINDING_MS, Layout
from taskq.adapters.broker.redis_link import Command, Link
from taskq.adapters.broker.redis_scripts import BIND_FOR_A_TIME
from taskq.adapters.broker.redis_wire import envelope
from taskq.ports import ExchangeSpec, Outgoing, QueueSpec, Randomness

# How exchanges for replies to commands are named.  Who asked may be gone when the reply comes, and
# who replies does not know for how long a queue of it is good: so its list has this life.
REPLIES: Final = ("reply.", ".pidbox")
REPLY_LIFE_MS: Final = 300_000

Route: TypeAlias = tuple[ExchangeSpec, str]


@dataclass(frozen=True, slots=True)
class Push:
    """One message for one list or channel; or a move that only the script of an intake can make."""

    command: str  # LPUSH, RPUSH or PUBLISH; HAND, BURY, PARK or ADOPT
    key: str
    value: str | bytes
    life_ms: int = 0  # of the list, where its queue expires; of PARK and ADOPT: see there


class UnroutableError(Exception):
    """A message that must arrive has no queue to go to."""


class Routes:
    """Bindings, and what they mean for a message.  Safe to use from many threads."""

    def __init__(self, layout: Layout, randomness: Randomness) -> None:
        self._layout = layout
        self._randomness = randomness
        # What was declared since the connection was last lost, and lives of expiring queues.
        self._declared: set[tuple[str, str, str]] = set()
        self._lives_ms: dict[str, int] = {}
        # Types of exchanges as they were declared here: who publishes later may not say.
        self._types: dict[str, str] = {}

    def forget(self) -> None:
        """Declare everything anew: the server may have lost it."""
        self._declared.clear()

    def envelope(self, outgoing: Outgoing) -> str:
        """Write a message as it will stand in a list."""
        return envelope(
            outgoing.message, outgoing.exchange, outgoing.routing_key, self._randomness.uuid()
        )

    def is_direct(self, outgoing: Outgoing) -> bool:
        """Whether it goes to one list, known without asking the server."""
        return (
            not outgoing.exchange
            and not outgoing.declare
            and outgoing.routing_key not in self._lives_ms
        )

    def list_of(self, outgoing: Outgoing) -> str:
        """Return the list of a direct message."""
        return self._layout.list_of(
            outgoing.routing_key, outgoing.message.properties.get("priority")
        )

    def pushes(self, link: Link, outgoing: Sequence[Outgoing], texts: Sequence[str]) -> list[Push]:
        """Make sure of what messages declare, and say where each goes."""
        for one in outgoing:
            if one.declare:
                self._note_exchanges(one.declare)
                self.declare(link, [spec for spec in one.declare if isinstance(spec, QueueSpec)])
        tables = self._tables(link, outgoing)
        return [
            push
            for one, text in zip(outgoing, texts, strict=True)
            for push in self._pushes_of(one, text, tables)
        ]

    def life_ms(self, queue: str) -> int:
        """How long a queue lives unused; 0: for ever."""
        return self._lives_ms.get(queue, 0)

    def queues_of(self, link: Link, exchange: str, routing_key: str) -> list[str]:
        """Return where a message goes; where nothing is bound, the queue that its key names."""
        members = link.ask("SMEMBERS", self._layout.bindings(exchange)) if exchange else ()
        kind = self._types.get(exchange, "direct")
        return self._layout.queues_bound(list(members), kind, routing_key) or [routing_key]

    def declare(self, link: Link, queues: Iterable[QueueSpec]) -> None:
        """Write bindings that were not written yet."""
        for queue in queues:
            life_ms = queue_life_ms(queue)
            if life_ms:
                self._lives_ms[queue.name] = life_ms
            else:
                self._lives_ms.pop(queue.name, None)
            for exchange, routing_key in routes_of(queue):
                self._types[exchange.name] = exchange.type
                mark = (queue.name, exchange.name, routing_key)
                if mark not in self._declared:
                    self.bind(link, queue, exchange, routing_key)
                    self._declared.add(mark)

    def bind(self, link: Link, queue: QueueSpec, exchange: ExchangeSpec, routing_key: str) -> None:
        """Write one binding; that of an expiring queue lapses unless it is written again."""
        layout = self._layout
        member = layout.member(queue, exchange.type, routing_key)
        key = layout.bindings(exchange.name)
        life_ms = queue_life_ms(queue)
        if not life_ms:
            lasting = layout.permanent_bindings(exchange.name)
            link.ask_many([("SADD", key, member), ("SADD", lasting, member)])
            return
        binding_ms = max(life_ms * BINDING_LIVES, SHORTEST_BINDING_MS)
        link.run(
            BIND_FOR_A_TIME,
            [key, layout.binding_deadlines],
            [member, exchange.name, binding_ms],
        )

    def commands(self, pushes: Iterable[Push]) -> list[Command]:
        """Return pushes as commands; neighbours on one list share one."""
        commands: list[Command] = []
        lives: dict[str, int] = {}
        batch: list[Any] = []
        for push in pushes:
            if push.life_ms:
                lives[push.key] = push.life_ms
            if batch and batch[0] == push.command != "PUBLISH" and batch[1] == push.key:
                batch.append(push.value)
                continue
            if batch:
                commands.append(tuple(batch))
            batch = [push.command, push.key, push.value]
        if batch:
            commands.append(tuple(batch))
        commands.extend(("PEXPIRE", key, life_ms) for key, life_ms in lives.items())
        return commands

    def _tables(self, link: Link, outgoing: Sequence[Outgoing]) -> dict[str, list[bytes]]:
        names = sorted({one.exchange for one in outgoing if self._needs_table(one)})
        if not names:
            return {}
        replies = link.ask_many([("SMEMBERS", self._layout.bindings(name)) for name in names])
        return {name: list(reply) for name, reply in zip(names, replies, strict=True)}

    def _note_exchanges(self, specs: Iterable[QueueSpec | ExchangeSpec]) -> None:
        for spec in specs:
            if isinstance(spec, ExchangeSpec):
                self._types[spec.name] = spec.type

    def _type_of(self, one: Outgoing) -> str:
        return self._types.get(one.exchange, one.exchange_type)

    def _needs_table(self, one: Outgoing) -> bool:
        return bool(one.exchange) and self._type_of(one) != "fanout"

    def _pushes_of(
        self, one: Outgoing, text: str, tables: dict[str, list[bytes]]
    ) -> Iterator[Push]:
        if one.exchange and self._type_of(one) == "fanout":
            yield Push("PUBLISH", self._layout.channel(one.exchange, one.routing_key), text)
            return
        queues = [one.routing_key]
        if one.exchange:
            queues = self._layout.queues_bound(
                tables[one.exchange], self._type_of(one), one.routing_key
            )
        if not queues and one.options.mandatory:
            raise UnroutableError(
                f"no queue is bound to exchange {one.exchange!r} for {one.routing_key!r}"
            )
        priority = one.message.properties.get("priority")
        is_reply = one.exchange.startswith(REPLIES[0]) and one.exchange.endswith(REPLIES[1])
        for queue in queues:
            life_ms = self.life_ms(queue) or (REPLY_LIFE_MS if is_reply else 0)
            yield Push("LPUSH", self._layout.list_of(queue, priority), text, life_ms)


def routes_of(queue: QueueSpec) -> Iterator[Route]:
    """Every exchange and key that a queue is bound to; the nameless exchange needs no binding."""
    for exchange, routing_key in ((queue.exchange, queue.routing_key), *queue.bindings):
        if exchange.name:
            yield exchange, routing_key


def is_fanout(queue: QueueSpec) -> bool:
    """Whether its messages come by a channel; of such a queue there is no list."""
    return queue.exchange.type == "fanout" and bool(queue.exchange.name)


def queue_life_ms(queue: QueueSpec) -> int:
    """How long a queue lives unused, as it was declared; 0: for ever."""
    if queue.expires_s:
        return int(queue.expires_s * 1000)
    return int(queue.arguments.get("x-expires") or 0)
