"""What the pools of threads and of coroutines have in common.

Their slots live in the worker's own process: nothing can end a body from outside, and news come
from other threads through one ``Mailbox``.  ``threads.py`` and ``asyncio.py`` say what a slot is;
here are the accounts of the pool, kept by the one thread that calls it.

What waits for a slot is a deque with two ends: the slot takes a job from it right before its
body, the pool takes back what is there.  Each take is one step that no other thread can come
into, so whoever has taken a job has it alone: it is begun or given back, never both.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from taskq.adapters.pools.account import Account
from taskq.adapters.pools.mailbox import Mailbox
from taskq.ports import Clock, Ending, Job, JobRunner, JobsReturned, PoolEvent, SlotLost


class InProcessSlot(ABC):
    """One place for one job at a time.  It takes what it begins; the pool keeps the rest."""

    def __init__(self, number: int, run: JobRunner, mailbox: Mailbox) -> None:
        self.number = number
        self.account = Account()
        self.leaving = ""  # why it ends when it has done what it was given
        self._waiting: deque[Job] = deque()
        self._late: list[int] = []  # given when it was leaving already
        self.run, self.mailbox = run, mailbox

    @abstractmethod
    def ring(self, *, last: bool = False) -> None:
        """Say from the pool's thread that there are jobs, or that none follows."""

    def put(self, jobs: Sequence[Job]) -> None:
        """Hand over from the pool's thread."""
        self.account.give(jobs)
        if self.leaving:  # its end gives them back
            self._late += [job.token for job in jobs]
        else:
            self._waiting.extend(jobs)
            self.ring()

    def leave(self, why: str) -> None:
        """End when done."""
        self.leaving = why
        self.ring(last=True)

    def next_job(self) -> Job | None:
        """Take the next job, to be begun now."""
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def take_back(self) -> tuple[int, ...]:
        """Take all that it has not begun out of its hands."""
        jobs: list[Job] = []
        while (job := self.next_job()) is not None:
            jobs.append(job)
        tokens = *(job.token for job in jobs), *self._late
        self._late.clear()
        for token in tokens:
            self.account.settle(token)
        return tokens

    def tell_lost(self, reason: str, *, expected: bool = False) -> None:
        """Tell that this slot is gone; ``collect`` fills in which jobs go with it."""
        self.mailbox.put(SlotLost(self.number, (), (), reason, expected))


Slot = TypeVar("Slot", bound=InProcessSlot)


class InProcessPool(ABC, Generic[Slot]):
    """A pool whose slots share its memory."""

    def __init__(self, *, clock: Clock) -> None:
        self.clock = clock
        self.mailbox = Mailbox()
        self.slots: dict[int, Slot] = {}
        self._run: JobRunner | None = None
        self._owners: dict[int, Slot] = {}  # token -> where it went
        self._stopping = False
        self._known: list[PoolEvent] = []  # what the pool's own calls have brought about

    @abstractmethod
    def _open(self, number: int, run: JobRunner) -> Slot:
        """Make a slot that says ``SlotReady`` when it is up."""

    @abstractmethod
    def terminate(self, slot: int, signal: int) -> None:
        """End a slot, or say that it cannot be done."""

    @abstractmethod
    def _await_end(self, idle: Sequence[Slot]) -> None:
        """Wait, not for long, for slots that were told to leave and have nothing to do."""

    def _close(self) -> None:
        """No slot is left, and none follows."""

    @property
    def watched(self) -> Sequence[int]:
        """One pipe for all slots."""
        return (self.mailbox.reads,)

    @property
    def poll_s(self) -> float | None:
        """Never, unless something is known already."""
        return 0.0 if self._known else None

    @property
    def keeps_limits(self) -> tuple[bool, bool]:
        """Neither."""
        return False, False

    def start(self, slots: int, run: JobRunner) -> None:
        """Make the slots."""
        assert self._run is None, "a pool is started once"
        self._run = run
        self.grow(slots)

    def submit(self, slot: int, jobs: Sequence[Job]) -> None:
        """Hand over."""
        place = self.slots.get(slot)
        if place is None:
            tokens = tuple(job.token for job in jobs)
            self._known.append(SlotLost(slot, (), tokens, "there is no such slot", expected=True))
            return
        self._owners.update(dict.fromkeys((job.token for job in jobs), place))
        place.put(jobs)

    def recall(self, slot: int) -> None:
        """Take back what waits, and say so at once."""
        self._known = list(self.collect())  # what was told before is news before the answer
        place = self.slots.get(slot)
        tokens = () if place is None else place.take_back()
        for token in tokens:
            del self._owners[token]
        self._known.append(JobsReturned(slot, tokens))

    def collect(self) -> Sequence[PoolEvent]:
        """Take what the slots have put into the mailbox."""
        events, self._known = self._known, []
        for event in self.mailbox.take():
            if isinstance(event, Ending):
                owner = self._owners.pop(event.token, None)
                if owner is not None:  # else given up when the worker stopped at once
                    owner.account.settle(event.token)
                    events.append(event)
            elif isinstance(event, SlotLost):
                events += self._see_off(event)
            else:
                events.append(event)
        return events

    def grow(self, count: int = 1) -> None:
        """Add slots, under the lowest numbers that are free."""
        assert self._run is not None, "start() comes first"
        for _ in range(count):
            number = next(n for n in range(len(self.slots) + 1) if n not in self.slots)
            self.slots[number] = self._open(number, self._run)

    def shrink(self, count: int = 1) -> None:
        """Let slots go: those without work first, and of these the youngest."""
        staying = [slot for slot in self.slots.values() if not slot.leaving]
        if count >= len(staying):
            raise ValueError(f"cannot take {count} of {len(staying)} slots; one has to stay")
        by_load = sorted(staying, key=lambda slot: (len(slot.account.tokens), -slot.number))
        for slot in by_load[:count]:
            slot.leave("its slot was removed")

    def stop(self, *, at_once: bool = False) -> None:
        """Let all slots go; the idle ones are waited for, with ``at_once`` the busy forgotten."""
        self._stopping = True
        self._known = list(self.collect())
        idle = [slot for slot in self.slots.values() if not slot.account.tokens]
        for slot in tuple(self.slots.values()):
            if slot.account.tokens and at_once:
                self._forget(slot)
            elif not slot.leaving:
                slot.leave("the worker stops")
        self._await_end(idle)
        self._known = list(self.collect())
        if not self.slots:
            self._close()

    def describe(self) -> Mapping[str, Any]:
        """How many slots there are."""
        return {
            "implementation": f"{type(self).__module__}:{type(self).__qualname__}",
            "max-concurrency": sum(not slot.leaving for slot in self.slots.values()),
            "processes": [os.getpid()],
            "max-tasks-per-child": "N/A",
            "put-guarded-by-semaphore": False,
        }

    def _see_off(self, lost: SlotLost) -> Sequence[PoolEvent]:
        """Account for all that a lost slot had been given, and replace it if it should stay."""
        slot = self.slots.pop(lost.slot, None)
        if slot is None:
            return ()  # forgotten when the worker stopped at once
        started, unstarted = self._disown(slot)
        if not slot.leaving:
            assert self._run is not None, "it has run something"
            self.slots[lost.slot] = self._open(lost.slot, self._run)
        elif self._stopping and not self.slots:
            self._close()
        return (SlotLost(lost.slot, started, unstarted, lost.reason, lost.expected),)

    def _forget(self, slot: Slot) -> None:
        """Leave a busy slot to itself; what it ends from now on is not told."""
        del self.slots[slot.number]
        started, unstarted = self._disown(slot)
        reason = "the worker stops at once, and nothing can end the body"
        self._known.append(SlotLost(slot.number, started, unstarted, reason, expected=True))
        if not slot.leaving:
            slot.leave(reason)

    def _disown(self, slot: Slot) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return what a slot had begun and not ended, and what it had not begun."""
        for token in slot.account.tokens:
            del self._owners[token]
        unstarted = slot.take_back()
        return tuple(slot.account.tokens), unstarted
