"""Exchanges, bindings, queues: where a message goes, and in which order it waits.

Part of the model of a broker.  It holds messages and moves none by itself.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from taskq.ports import ExchangeSpec, Message, Outgoing, QueueSpec
from taskq_testing.sim.profiles import Profile


@dataclass(slots=True, eq=False)  # two messages may say the same
class Held:
    """A message in the broker, with what the broker knows of it."""

    number: int  # order of arrival in the whole broker
    message: Message
    queue: str
    exchange: str
    routing_key: str
    redelivered: bool = False
    attempts: int = 0  # how often it was given out before
    expires_at_s: float | None = None
    rank: int = 0  # which of the queue's lists it stands in
    uncounted: bool = False  # it came again, and its count does not say so yet
    malformed: str = ""  # why it is no message; its body is what came
    arrived_at_s: float = 0.0  # elapsed time of the world
    returned: int = 0  # how often the broker took it back from who was gone

    @classmethod
    def malformed_one(cls, number: int, queue: str, raw: bytes, reason: str) -> Held:
        """Something that is no message."""
        return cls(number, Message({}, raw, "", ""), queue, "", queue, malformed=reason)

    @property
    def task_id(self) -> Any:
        """The task that it is about."""
        return self.message.headers.get("id")

    @property
    def task(self) -> Any:
        """The name of that task."""
        return self.message.headers.get("task")

    @property
    def retries(self) -> Any:
        """Which attempt of it."""
        return self.message.headers.get("retries", 0)

    def copy(self) -> Held:
        """The same message once more."""
        return replace(self)


class Queue:
    """Messages that wait, in lists by priority."""

    def __init__(self, spec: QueueSpec, profile: Profile) -> None:
        self.spec = spec
        self._profile = profile
        self._lists: dict[int, deque[Held]] = {}
        self._ranks: list[int] = []
        self.length = 0
        self.goes_at_s: float | None = None  # nobody is left that it is for

    def put(self, held: Held) -> None:
        """Behind all of its priority."""
        held.rank = self._rank(held.message)
        self._list(held.rank).append(held)
        self.length += 1

    def put_back(self, held: Held) -> None:
        """Where it was; ahead of what came after it."""
        waiting = self._list(held.rank)
        place = 0
        while place < len(waiting) and waiting[place].number < held.number:
            place += 1
        waiting.insert(place, held)
        self.length += 1

    def take(self) -> Held | None:
        """The next one."""
        if not self.length:
            return None
        for rank in self._ranks:
            waiting = self._lists[rank]
            if waiting:
                self.length -= 1
                return waiting.popleft()
        raise AssertionError(f"queue {self.spec.name} counts {self.length} and holds none")

    def clear(self) -> list[Held]:
        """Throw away everything; returns it."""
        gone = [held for rank in self._ranks for held in self._lists[rank]]
        for waiting in self._lists.values():
            waiting.clear()
        self.length = 0
        return gone

    def remove(self, unwanted: Callable[[Held], bool]) -> list[Held]:
        """Take some out, in order."""
        gone = [held for held in self.peek() if unwanted(held)]
        for held in gone:
            self._lists[held.rank].remove(held)
        self.length -= len(gone)
        return gone

    def peek(self) -> list[Held]:
        """What waits, in order."""
        return [held for rank in self._ranks for held in self._lists[rank]]

    def is_over(self, now_s: float) -> bool:
        """Nobody has listened for as long as it was to be kept."""
        return self.goes_at_s is not None and self.goes_at_s <= now_s

    def _list(self, rank: int) -> deque[Held]:
        waiting = self._lists.get(rank)
        if waiting is None:
            waiting = self._lists[rank] = deque()
            self._ranks = sorted(self._lists)
        return waiting

    def _rank(self, message: Message) -> int:
        """The smaller, the sooner."""
        priority = int(message.properties.get("priority") or 0)
        steps = self._profile.priority_steps
        if steps is not None:
            return steps[max(bisect_right(steps, priority) - 1, 0)]
        most = self.spec.max_priority or self.spec.arguments.get("x-max-priority")
        return -min(priority, most) if most else 0


class Topology:
    """What was declared."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self.queues: dict[str, Queue] = {}
        self._bindings: dict[str, dict[tuple[str, str], None]] = {}
        self._types: dict[str, str] = {}
        self._declared: dict[int, QueueSpec | ExchangeSpec] = {}

    def declare(self, spec: QueueSpec | ExchangeSpec) -> None:
        """Make sure that it exists."""
        # Senders declare with each message, and always by the same object.
        if self._declared.get(id(spec)) is spec:
            return
        self._declared[id(spec)] = spec
        if isinstance(spec, ExchangeSpec):
            self._exchange(spec)
            return
        if spec.name not in self.queues:
            self.queues[spec.name] = Queue(spec, self._profile)
        for exchange, key in ((spec.exchange, spec.routing_key), *spec.bindings):
            if exchange.name:
                self._exchange(exchange)
                self._bindings[exchange.name][key, spec.name] = None

    def remove(self, name: str) -> None:
        """A queue goes, with its bindings and what it holds."""
        self.queues.pop(name, None)
        for bound in self._bindings.values():
            for key in [key for key in bound if key[1] == name]:
                del bound[key]
        for number, spec in list(self._declared.items()):
            if isinstance(spec, QueueSpec) and spec.name == name:
                del self._declared[number]

    def route(self, outgoing: Outgoing, now_s: float) -> list[str]:
        """The queues that a message goes to, in the order in which they were bound."""
        for name in [name for name, queue in self.queues.items() if queue.is_over(now_s)]:
            self.remove(name)
        if not outgoing.exchange:
            return self._direct_to_queue(outgoing.routing_key)
        bound = self._bindings.get(outgoing.exchange)
        if not bound:
            unknown = outgoing.exchange not in self._types
            if unknown and self._profile.default_route_without_exchange:
                return self._direct_to_queue(outgoing.routing_key)
            return []
        kind = self._types[outgoing.exchange]
        match = _MATCHERS.get(kind, _equal)
        found = [queue for key, queue in bound if match(key, outgoing.routing_key)]
        return list(dict.fromkeys(found))

    def queue(self, name: str) -> Queue:
        """Return a queue; a list that nobody declared exists as soon as it is written to."""
        if name not in self.queues:
            self.queues[name] = Queue(QueueSpec(name, ExchangeSpec(""), name), self._profile)
        return self.queues[name]

    def _direct_to_queue(self, name: str) -> list[str]:
        # A Redis list needs no declaration; an AMQP queue does.
        return [name] if self._profile.leases or name in self.queues else []

    def _exchange(self, spec: ExchangeSpec) -> None:
        self._types.setdefault(spec.name, spec.type)
        self._bindings.setdefault(spec.name, {})


def _equal(key: str, routing_key: str) -> bool:
    return key == routing_key


def _any(_key: str, _routing_key: str) -> bool:
    return True


def _topic(key: str, routing_key: str) -> bool:
    words = [_TOPIC_WORDS.get(word, re.escape(word)) for word in key.split(".")]
    pattern = (
        r"\.".join(words).replace(r"\.(?:.*)", r"(?:\..*)?").replace(r"(?:.*)\.", r"(?:.*\.)?")
    )
    return re.fullmatch(pattern, routing_key) is not None


_TOPIC_WORDS: Final = {"*": r"[^.]+", "#": r"(?:.*)"}
_MATCHERS: Final = {"direct": _equal, "fanout": _any, "topic": _topic}
