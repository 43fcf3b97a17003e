"""What goes between the prefork pool and its processes: jobs there, news back.

``prefork.py`` calls it when there is something to give, or something may have come.  Owned here:
what is written and read (by ``handle.py``, which has the pipes), endings that are taken out of a
child before it sends them, and recalls that are not answered yet.  Not owned: the lives of the
processes (``lives.py``), which are told when one is ready or writes nonsense.
"""

from __future__ import annotations

import logging
import signal as signals
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from taskq.adapters.pools.frames import (
    CANNOT_PICKLE,
    ENDING,
    BrokenFrameError,
    News,
    Row,
    ending_of,
)
from taskq.adapters.pools.handle import READ_AT_ONCE_BYTES, ChildHandle
from taskq.adapters.pools.ledger import SETTLES_S
from taskq.adapters.pools.limits import warn_of_limit
from taskq.adapters.pools.lives import Lives
from taskq.adapters.pools.slot import Slot, State, Word
from taskq.ports import Ending, EndingKind, Job, JobsReturned, JobStarted, SlotLost

log = logging.getLogger(__name__)

# How often the parent looks for endings that wait in a child for a long body to end.
PEEK_EVERY_S: Final = 0.05


class Traffic:
    """Both ways, for all slots."""

    def __init__(self, lives: Lives) -> None:
        self._lives, self._watcher, self._events = lives, lives.watcher, lives.events
        # Whether a child may hold the ending of one job while it runs the next one.
        self._batched = False
        self._peek_at_s = 0.0
        self._recalled: dict[int, float] = {}  # slot -> when to look what it has not begun
        self.batches: Counter[int] = Counter()  # how many each process was given

    @property
    def patience_s(self) -> float | None:
        """When to look though nothing became readable; None: never."""
        waits = [PEEK_EVERY_S] if self._batched else []
        if self._recalled:
            waits.append(max(0.0, min(self._recalled.values()) - self._lives.now_s()))
        return min(waits, default=None)

    def spread(self, pids: Sequence[int]) -> Mapping[str, Any]:
        """Say how many batches went to each process, as Celery's monitors show it."""
        counts = [count for pid in pids if (count := self.batches[pid])]
        total = sum(counts)
        busy = sum(bool(child.account.tokens) for _, child in self._lives.children)
        return {
            "total": total,
            "avg": f"{1 / max(1, len(counts)):.2f}",
            "all": ", ".join(f"{count / total:.2f}" for count in counts),
            "raw": ", ".join(map(str, counts)),
            "strategy": "fair",
            "inqueues": {"total": len(pids), "active": busy},
        }

    # -- there ---------------------------------------------------------------------------------

    def submit(self, number: int, jobs: Sequence[Job]) -> None:
        """Write the jobs to the child, or as much of them as its pipe takes now."""
        slot = self._lives.slots.get(number)
        if slot is None or slot.child is None:
            tokens = tuple(job.token for job in jobs)
            self._events.append(SlotLost(number, (), tokens, "has no process", expected=True))
            return
        child = slot.child
        if child.closing or slot.state is State.DYING:
            child.account.give(jobs)  # its death gives them back
            return
        self.batches[child.pid] += 1
        try:
            child.send(jobs)
        except CANNOT_PICKLE:
            self._submit_each(child, jobs)
        if len(child.account.tokens) > 1:
            self._batched = True
        if child.backlog:
            self._watcher.add(child.writes, slot, child, Word.ROOM)

    def _submit_each(self, child: ChildHandle, jobs: Sequence[Job]) -> None:
        """Give what can cross the pipe; what cannot is no task that a worker could have sent."""
        for job in jobs:
            try:
                child.send((job,))
            except CANNOT_PICKLE as error:
                why = f"headers or properties cannot be handed to another process: {error!r}"
                self._events.append(Ending(job.token, EndingKind.MALFORMED, summary=why))

    def flush(self, slot: Slot, child: ChildHandle) -> None:
        """Write what the pipe has room for; the rest goes when there is more."""
        child.flush()
        if child.backlog:
            self._watcher.add(child.writes, slot, child, Word.ROOM)
            return
        self._watcher.drop(child.writes)
        if child.closing and not child.has_unsent:
            child.close_writes()

    # -- back ----------------------------------------------------------------------------------

    def read(self, slot: Slot, child: ChildHandle, budget: int = READ_AT_ONCE_BYTES) -> None:
        """Take what a child wrote."""
        try:
            rows, ended = child.read(budget)
            self._take(slot, child, rows)
        except BrokenFrameError as error:
            log.error("slot %d: process %d: %s; it is killed", slot.number, child.pid, error)  # noqa: TRY400 - our own words say it all
            self._watcher.drop(child.reads)
            self._lives.doom(slot, "wrote what is no frame", signals.SIGKILL)
        else:
            if ended:
                self._watcher.drop(child.reads)  # its death follows, and would be drowned out

    def read_last(self, slot: Slot, child: ChildHandle) -> None:
        """Take all that a dead child has left, written or not; nothing is expected of it now."""
        if self._watcher.has(child.reads):
            self.read(slot, child, budget=sys.maxsize)
        self._take_held(child)
        self._recalled.pop(slot.number, None)  # its loss is the answer
        self.batches.pop(child.pid, None)

    def _take(self, slot: Slot, child: ChildHandle, rows: Sequence[Row]) -> None:
        account, events = child.account, self._events
        for row in rows:
            if row[0] == ENDING:
                if account.settle(row[1]):
                    events.append(ending_of(row))
                elif row[1] in child.early:
                    child.early.remove(row[1])
                else:
                    raise BrokenFrameError(f"the job {row[1]} is not its own")
            elif row[0] == News.STARTED:
                events.append(JobStarted(row[1], child.pid))
            elif row[0] == News.READY:
                self._lives.begin(slot, child, resident_kib=row[2])
            elif row[0] == News.FULL:
                slot.why = row[1]
            elif row[0] == News.LIMIT_PASSED:
                warn_of_limit(*row[1:])
            else:
                slot.trouble = row[1]

    def peek(self) -> None:
        """Take the endings that children hold while they are in a body that lasts."""
        if self._batched and (now_s := self._lives.now_s()) >= self._peek_at_s:
            self._peek_at_s = now_s + PEEK_EVERY_S
            batched = [child for _, child in self._lives.children if len(child.account.tokens) > 1]
            for child in batched:
                self._take_held(child)
            self._batched = bool(batched)

    def _take_held(self, child: ChildHandle) -> None:
        for row in child.held():
            if row[0] == ENDING and child.account.settle(row[1]):
                child.early.add(row[1])
                self._events.append(ending_of(row))

    # -- recalls -------------------------------------------------------------------------------

    def recall(self, number: int) -> None:
        """Mark what a child has not begun; ``answer_recalls`` says later what that was."""
        slot = self._lives.slots.get(number)
        if slot is None or slot.child is None or not slot.busy:
            self._events.append(JobsReturned(number, ()))
        elif slot.state is not State.DYING and slot.child.recall():
            self._recalled[number] = self._lives.now_s() + SETTLES_S

    def answer_recalls(self) -> None:
        """Say what children will not begin, where enough time has passed since they were asked."""
        if not self._recalled:
            return
        now_s = self._lives.now_s()
        for number in [number for number, at_s in self._recalled.items() if at_s <= now_s]:
            self._answer(self._lives.slots[number], now_s)

    def _answer(self, slot: Slot, now_s: float) -> None:
        child = slot.child
        assert child is not None, "its death ends the recall"
        tokens = child.take_back()
        if tokens is None:  # it is about to begin a job, or was stopped there
            self._recalled[slot.number] = now_s + PEEK_EVERY_S
            return
        del self._recalled[slot.number]
        self._events.append(JobsReturned(slot.number, tokens))
        if child.has_unsent:
            self.flush(slot, child)
