"""What waits for its time in Redis: moved back when it is due, listed, thrown away.

A message that is parked is in no worker's lease and in no list.  Whoever takes from its queue
looks for what is due once in a second, or at the very moment that it knows of.  Busy or idle, that
is one command more in a second, and none for each message.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any, Final

from taskq.adapters.broker.redis_calling import Caller
from taskq.adapters.broker.redis_layout import Layout
from taskq.adapters.broker.redis_letters import letter_head
from taskq.adapters.broker.redis_link import Link
from taskq.adapters.broker.redis_operations import read_lease_entry, split_name
from taskq.adapters.broker.redis_routes import Routes
from taskq.adapters.broker.redis_scripts_parking import DUE, PURGE, UNPARK
from taskq.adapters.broker.redis_wire import delivery_of
from taskq.ports import Clock, Delivery, Parked

# How late a message may come that another worker has parked.
LOOK_S: Final = 1.0
# Messages moved by one script: the server does nothing else meanwhile.
MOVED_AT_ONCE: Final = 500
PURGED_AT_ONCE: Final = 1000
IDS_PER_CALL: Final = 200
# Beyond this a moment cannot be told from never, and numbers in scripts lose their last digits.
LONGEST_MS: Final = 10**13
DAMAGED: Final = "what was parked here is damaged"


def wait_ms(due_s: float, now_s: float) -> int:
    """How long from now until a moment, rounded up: never too early."""
    left_ms = (due_s - now_s) * 1000
    if left_ms <= 0:
        return 0
    return ceil(left_ms) if left_ms < LONGEST_MS else LONGEST_MS


class DueDates:
    """When one intake looks for what is due."""

    def __init__(
        self, layout: Layout, routes: Routes, clock: Clock, node: str, most_letters: int
    ) -> None:
        self._layout, self._routes, self._clock = layout, routes, clock
        self._most_letters = most_letters
        self._letter = letter_head(DAMAGED, node, "")
        self._look_at_s = 0.0

    @property
    def wait_s(self) -> float:
        """How long until there is something to do."""
        return max(0.0, self._look_at_s - self._clock.read().elapsed_s)

    def expect(self, wait_ms: int) -> None:
        """Something was parked here: look when it is due."""
        at_s = self._clock.read().elapsed_s + wait_ms / 1000
        self._look_at_s = min(self._look_at_s, at_s)

    def look(self, link: Link, queues: Sequence[str]) -> None:
        """Move what is due to its lists, if it is time to look."""
        now_s = self._clock.read().elapsed_s
        if now_s < self._look_at_s or not queues:
            return
        layout = self._layout
        keys: list[Any] = [layout.parked_tasks, layout.dead, layout.letters]
        arguments: list[Any] = [MOVED_AT_ONCE, self._most_letters, self._letter]
        for queue in queues:
            keys += (layout.parked(queue), layout.parked_messages(queue))
            arguments += (queue, self._routes.life_ms(queue))
        _, next_ms = link.run(DUE, keys, arguments)
        next_s = LOOK_S if next_ms < 0 else min(LOOK_S, next_ms / 1000)
        self._look_at_s = now_s + next_s


class ParkedMessages:
    """All that is parked, as it is seen from outside."""

    def __init__(self, caller: Caller, layout: Layout) -> None:
        self._caller, self._layout = caller, layout

    def some(self, queues: Sequence[str], limit: int) -> Sequence[Parked]:
        """Return what waits for some queues, the earliest first."""
        if limit <= 0:
            return []
        found = [parked for queue in queues for parked in self._of(queue, limit)]
        return sorted(found, key=lambda parked: parked.due_s)[:limit]

    def _of(self, queue: str, limit: int) -> list[Parked]:
        found: list[Parked] = []
        listed = self._caller.ask("ZRANGE", self._layout.parked(queue), 0, limit - 1, "WITHSCORES")
        pairs = _pairs(listed)
        for at in range(0, len(pairs), IDS_PER_CALL):
            some = pairs[at : at + IDS_PER_CALL]
            ids = [name for name, _ in some]
            records = self._caller.ask("HMGET", self._layout.parked_messages(queue), *ids)
            for (_, due_ms), record in zip(some, records, strict=True):
                found += _read(record, queue, float(due_ms) / 1000)
        return found

    def hasten(self, task_ids: Sequence[str]) -> int:
        """Let what is parked of some tasks be due now."""
        layout, count = self._layout, 0
        prefix = layout.parked("")
        for at in range(0, len(task_ids), IDS_PER_CALL):
            some = task_ids[at : at + IDS_PER_CALL]
            # What cannot be written is no task's id; it comes from whoever may send a command.
            arguments = [prefix, *(task_id.encode(errors="replace") for task_id in some)]
            count += int(self._caller.run(UNPARK, [layout.parked_tasks], arguments))
        return count

    def purge(self, queue: str) -> int:
        """Throw away what is parked of a queue."""
        layout, count = self._layout, 0
        keys = [layout.parked_tasks, layout.parked(queue), layout.parked_messages(queue)]
        while gone := int(self._caller.run(PURGE, keys, [queue, PURGED_AT_ONCE])):
            count += gone
        return count


def _pairs(listed: Sequence[Any]) -> list[tuple[bytes, Any]]:
    """Read names and scores: one after the other, or, by the newer protocol, in pairs."""
    if listed and isinstance(listed[0], list):
        return [(name, score) for name, score in listed]
    return list(zip(listed[::2], listed[1::2], strict=True))


def _read(record: bytes | None, queue: str, due_s: float) -> list[Parked]:
    """Read one; nothing where it left meanwhile, or is no message."""
    if record is None:
        return []
    try:
        raw = read_lease_entry(split_name(record)[1]).raw
    except ValueError:
        return []
    read = delivery_of(0, raw, queue)
    return [Parked(read.message, queue, due_s)] if isinstance(read, Delivery) else []
