"""What a verdict means in Redis: which tag is done with, and what is moved or pushed for it.

Used by ``redis_intake``; it decides, ``redis_lease`` runs.  Nothing is asked of the server here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from taskq.adapters.broker.redis_lease import Lease
from taskq.adapters.broker.redis_letters import letter_head
from taskq.adapters.broker.redis_loose import Loose
from taskq.adapters.broker.redis_operations import (
    Growth,
    Held,
    Level,
    Operation,
    Tag,
    bury,
    lease_entry,
    park,
)
from taskq.adapters.broker.redis_parking import DueDates, wait_ms
from taskq.adapters.broker.redis_recovery import DAMAGED
from taskq.adapters.broker.redis_routes import Push, Routes
from taskq.adapters.broker.redis_wire import read_envelope, returned, task_id_of
from taskq.adapters.results.redis import RedisStore
from taskq.ports import ChordEnding, ChordPart, Clock, Completion, Settlement, Verdict

REJECTED: Final = "rejected"


class Settling:
    """Verdicts as operations, for one intake."""

    def __init__(
        self,
        *,
        lease: Lease,
        loose: Loose,
        due_dates: DueDates,
        routes: Routes,
        clock: Clock,
        node: str,
        queue_of: Callable[[str], str],
    ) -> None:
        self._lease, self._loose, self._due_dates = lease, loose, due_dates
        self._routes, self._clock, self._node = routes, clock, node
        self._queue_of = queue_of

    def is_out(self, settlement: Settlement | None) -> bool:
        """Whether there is anything to settle, and it is still ours."""
        return settlement is None or (
            settlement.tag in self._lease.held or settlement.tag in self._loose.out
        )

    def operation(self, settlement: Settlement) -> Operation:
        """Say what is to be done with one tag; nothing is pushed for what is not ours any more."""
        tag, verdict = settlement.tag, settlement.verdict
        if tag in self._loose.out:
            return self._without_lease(settlement)
        if verdict is Verdict.CLAIM:
            return Operation("C", tag)
        operation = Operation(self._lease.mode(tag), tag)
        held = self._lease.held.get(tag)
        if verdict is not Verdict.ACK and held is not None:
            operation.pushes = (self._push(settlement, held),)
        return operation

    def completion(self, completion: Completion, store: RedisStore | None) -> Operation:
        """Say what an ended task asks for."""
        settlement = completion.settlement
        operation = Operation("N") if settlement is None else self.operation(settlement)
        if completion.follow_ups:
            operation.outgoing = completion.follow_ups
            operation.texts = tuple(self._routes.envelope(one) for one in completion.follow_ups)
            operation.begins = completion.begins
        if completion.result is not None:
            assert store is not None, "results ride only with the store at this place"
            operation.results = (store.write_of(completion.result),)
        if completion.growth is not None:
            assert store is not None, "chords grow only in the store at this place"
            grown = completion.growth
            operation.growth = Growth(store.group_key(grown.group_id), grown.mark, grown.by)
        if completion.chord is not None:
            assert store is not None, "chords are counted only in the store at this place"
            operation.levels = tuple(
                self._level(part, ending, store) for part, ending in completion.levels
            )
        return operation

    def _level(self, part: ChordPart, ending: ChordEnding | None, store: RedisStore) -> Level:
        level = store.level_of(part)
        if ending is not None:
            level.ends = True
            level.outgoing = ending.follow_ups
            level.texts = tuple(self._routes.envelope(one) for one in ending.follow_ups)
            level.results = tuple(store.write_of(record) for record in ending.results)
        return level

    def settled(self, settlements: Iterable[Settlement | None]) -> None:
        """Note what has been carried out; only of what has no lease is there anything to note."""
        out = self._loose.out
        for one in settlements if out else ():
            if one is None or one.tag not in out or one.verdict is Verdict.CLAIM:
                continue
            if one.verdict in {Verdict.PARK, Verdict.REQUEUE}:
                now = self._clock.read()
                due_s = now.wall_s if one.due_s is None else one.due_s
                self._loose.keep(one.tag, now.elapsed_s + wait_ms(due_s, now.wall_s) / 1000)
            else:
                self._loose.settle((one.tag,))

    def handing_back(self, tag: Tag, held: Held) -> Operation:
        """Say what is to be done with what this worker was given and has not begun."""
        if not held.key:
            return Operation("D", tag, pushes=(self._letter(DAMAGED, held),))
        text = _marked(held.raw, counted=False)
        life_ms = self._routes.life_ms(self._queue_of(held.key))
        return Operation("D", tag, pushes=(Push("RPUSH", held.key, text, life_ms),))

    def _push(self, settlement: Settlement, held: Held) -> Push:
        if settlement.verdict is Verdict.REJECT or not held.key:
            return self._letter(settlement.reason or REJECTED, held)
        queue = self._queue_of(held.key)
        if settlement.verdict is Verdict.PARK:
            for_ms = wait_ms(_due_s(settlement), self._clock.read().wall_s)
            self._due_dates.expect(for_ms)
            return park(queue, _task_id(held.raw), for_ms)
        text = _marked(held.raw, counted=settlement.attempted)
        return Push("LPUSH", held.key, text, self._routes.life_ms(queue))

    def _letter(self, reason: str, held: Held) -> Push:
        queue = self._queue_of(held.key) if held.key else ""
        return bury(letter_head(reason, held.lost_by or self._node, queue))

    def _without_lease(self, settlement: Settlement) -> Operation:
        if settlement.verdict is not Verdict.REJECT:
            return Operation("N")
        given = self._loose.out[settlement.tag]
        head = letter_head(settlement.reason or REJECTED, self._node, given.queue)
        # It came from no list, so it cannot be put into one again.
        letter = head + lease_entry(Held(given.raw, ""))
        return Operation("N", pushes=(bury(letter, whole=True),))


def _due_s(settlement: Settlement) -> float:
    assert settlement.due_s is not None, "PARK says until when"
    return settlement.due_s


def _task_id(raw: bytes) -> str:
    try:
        return task_id_of(read_envelope(raw))
    except ValueError:
        return ""


def _marked(raw: bytes, *, counted: bool) -> str | bytes:
    """Mark a message as given out before; what cannot be read goes back as it came."""
    try:
        return returned(read_envelope(raw), counted=counted)
    except ValueError:
        return raw
