"""What the pools have in common whose slots live in the worker's own process.

``threads.py``, ``asyncio.py`` and ``greenlets.py`` say what a slot is; here are the accounts of
the pool, kept by the one thread that calls it.  News come through one ``Mailbox``, with the slot
that sent them: what comes from a slot that was given up is not heard.

What waits for a slot is a deque with two ends: the slot takes a job from it right before its
body, the pool takes back what is there.  Each take is one step that no other thread can come
into, so whoever has taken a job has it alone: it is begun or given back, never both.

No body can be ended from outside here; something can be raised in it.  A slot that is to end at
once and has not after ``TERMINATE_GRACE_S`` is given up, and another one takes its place.
"""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from taskq.adapters.pools.account import Account
from taskq.adapters.pools.limits import Watcher
from taskq.adapters.pools.mailbox import Mailbox
from taskq.adapters.pools.report import NO_LIMITS, TimeLimits, report
from taskq.ports import Clock, Ending, Job, JobRunner, JobsReturned, PoolEvent, SlotLost

log = logging.getLogger(__name__)

# How long a body has to end of what is raised in it.
TERMINATE_GRACE_S: Final = 0.5


class InProcessSlot(ABC):
    """One place for one job at a time.  It takes what it begins; the pool keeps the rest."""

    def __init__(self, number: int, run: JobRunner, mailbox: Mailbox[Any]) -> None:
        self.number = number
        self.account = Account()
        self.leaving = ""  # why it ends when it has done what it was given
        self.returns = False  # another one takes its place then
        self.terminated = ""  # why it is to end at once
        self._waiting: deque[Job] = deque()
        self._late: list[int] = []  # what it will not begin any more; its end gives it back
        self.run, self.mailbox = run, mailbox

    @abstractmethod
    def ring(self, *, last: bool = False) -> None:
        """Say from the pool's thread that there are jobs, or that none follows."""

    @abstractmethod
    def end_body(self) -> None:
        """Raise in the body that runs."""

    def give_up(self) -> None:  # noqa: B027 - where there is more to do than not to listen
        """Nobody hears of this slot any more."""

    @property
    def runs(self) -> bool:
        """Whether it has begun what has not ended."""
        return len(self.account.tokens) > len(self._waiting) + len(self._late)

    def put(self, jobs: Sequence[Job]) -> None:
        """Hand over from the pool's thread."""
        self.account.give(jobs)
        if self.leaving:
            self._late += [job.token for job in jobs]
        else:
            self._waiting.extend(jobs)
            self.ring()

    def leave(self, why: str, *, returns: bool = False) -> None:
        """End when done."""
        self.leaving, self.returns = why, returns
        self.ring(last=True)

    def terminate(self, why: str) -> None:
        """End at once."""
        self.terminated = why
        while (job := self.next_job()) is not None:
            self._late.append(job.token)
        if not self.leaving:
            self.leave(why, returns=True)
        if self.runs:
            self.end_body()

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

    def tell(self, event: PoolEvent) -> None:
        """Send news."""
        self.mailbox.put(self, event)

    def tell_left(self) -> None:
        """Tell that it has ended, as it should."""
        self.tell(SlotLost(self.number, (), (), self.terminated or self.leaving, expected=True))

    def tell_lost(self, error: BaseException) -> None:
        """Tell that a body has ended it; ``collect`` fills in which jobs go with it."""
        if self.terminated:
            self.tell_left()
        else:
            self.tell(SlotLost(self.number, (), (), f"the body raised {error!r}"))


Slot = TypeVar("Slot", bound=InProcessSlot)


class InProcessPool(ABC, Generic[Slot]):
    """A pool whose slots share its memory."""

    def __init__(self, *, clock: Clock, timeouts: TimeLimits = NO_LIMITS) -> None:
        self.clock = clock
        self.mailbox: Mailbox[Slot] = Mailbox()
        self.watcher = Watcher()
        self.slots: dict[int, Slot] = {}
        self._timeouts = timeouts
        self._run: JobRunner | None = None
        self._stopping = False
        self._known: list[PoolEvent] = []  # what the pool's own calls have brought about
        self._doomed: dict[Slot, float] = {}  # what was raised in, and how long it has

    @abstractmethod
    def _open(self, number: int, run: JobRunner) -> Slot:
        """Make a slot that says ``SlotReady`` when it is up."""

    @abstractmethod
    def _await_end(self, idle: Sequence[Slot]) -> None:
        """Wait, not for long, for slots that were told to leave and have nothing to do."""

    def _close(self) -> None:
        """No slot is left, and none follows."""
        self.watcher.stop()
        self.mailbox.close()

    @property
    def watched(self) -> Sequence[int]:
        """One pipe for all slots."""
        return self.mailbox.watched

    @property
    def poll_s(self) -> float | None:
        """Until a body must have ended, unless something is known already."""
        if self._known:
            return 0.0
        if not self._doomed:
            return None
        return max(0.0, min(self._doomed.values()) - self._now_s())

    @property
    def keeps_limits(self) -> tuple[bool, bool]:
        """Both, as far as a body lets an exception come."""
        return True, True

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
        if any(job.soft_time_limit_s is not None for job in jobs):
            self._expect_limits()
        place.put(jobs)

    def _expect_limits(self) -> None:
        """A job with a soft time limit comes."""
        self.watcher.start()

    def recall(self, slot: int) -> None:
        """Take back what waits, and say so at once."""
        self._known = list(self.collect())  # what was told before is news before the answer
        place = self.slots.get(slot)
        tokens = () if place is None else place.take_back()
        self._known.append(JobsReturned(slot, tokens))

    def collect(self) -> Sequence[PoolEvent]:
        """Take what the slots have put into the mailbox, and give up what does not end."""
        events, self._known = self._known, []
        for slot, event in self.mailbox.take():
            if self.slots.get(slot.number) is not slot:
                continue  # it was given up
            if isinstance(event, SlotLost):
                events.append(self._see_off(slot, event.reason, expected=event.expected))
            else:
                if isinstance(event, Ending):
                    slot.account.settle(event.token)
                events.append(event)
        if self._doomed:
            now_s = self._now_s()
            for slot in [slot for slot, at_s in self._doomed.items() if at_s <= now_s]:
                events += self._pass_deadline(slot)
        return events

    def grow(self, count: int = 1) -> None:
        """Add slots, under the lowest numbers that are free."""
        assert self._run is not None, "start() comes first"
        for _ in range(count):
            number = next(n for n in range(len(self.slots) + 1) if n not in self.slots)
            self.slots[number] = self._open(number, self._run)

    def shrink(self, count: int = 1) -> None:
        """Let slots go: those without work first, and of these the youngest."""
        staying = self._staying()
        if count >= len(staying):
            raise ValueError(f"cannot take {count} of {len(staying)} slots; one has to stay")
        by_load = sorted(staying, key=lambda slot: (len(slot.account.tokens), -slot.number))
        for slot in by_load[:count]:
            self._dismiss(slot, "its slot was removed")

    def restart(self) -> None:
        """Let each slot end when it has done what it was given, and return."""
        for slot in self.slots.values():
            if not slot.leaving:
                slot.leave("the pool restarts", returns=True)

    def terminate(self, slot: int, signal: int) -> None:
        """Raise in the body that a slot runs; one that goes on is given up."""
        self._known = list(self.collect())  # what has ended by now has ended
        place = self.slots.get(slot)
        if place is not None and not place.terminated:
            place.terminate(f"terminated with signal {signal}")
            if place.runs:
                self._doomed[place] = self._now_s() + TERMINATE_GRACE_S

    def stop(self, *, at_once: bool = False) -> None:
        """Let all slots go; the idle ones are waited for, with ``at_once`` the busy given up."""
        self._stopping = True
        self._known = list(self.collect())
        idle = [slot for slot in self.slots.values() if not slot.account.tokens]
        for slot in tuple(self.slots.values()):
            self._dismiss(slot, "the worker stops")
            if slot.account.tokens and at_once:
                slot.terminate("the worker stops at once")
                self._known.append(self._give_up(slot))
        self._await_end(idle)
        self._known = list(self.collect())
        if not self.slots:
            self._close()

    def describe(self) -> Mapping[str, Any]:
        """How many slots there are."""
        return report(self, slots=len(self._staying()), pids=[os.getpid()], timeouts=self._timeouts)

    def _staying(self) -> list[Slot]:
        return [slot for slot in self.slots.values() if slot.returns or not slot.leaving]

    def _dismiss(self, slot: Slot, why: str) -> None:
        """Let it go for good."""
        if slot.leaving:
            slot.returns = False
        else:
            slot.leave(why)

    def _now_s(self) -> float:
        return self.clock.read().elapsed_s

    # -- the end of a slot ---------------------------------------------------------------------

    def _see_off(self, slot: Slot, reason: str, *, expected: bool) -> SlotLost:
        """Account for all that a lost slot had been given, and replace it if it should stay."""
        del self.slots[slot.number]
        self._doomed.pop(slot, None)
        unstarted = slot.take_back()
        started = tuple(slot.account.tokens)
        if slot.returns or not (slot.leaving or self._stopping):
            assert self._run is not None, "it has run something"
            self.slots[slot.number] = self._open(slot.number, self._run)
        elif self._stopping and not self.slots:
            self._close()
        return SlotLost(slot.number, started, unstarted, reason, expected)

    def _pass_deadline(self, slot: Slot) -> Sequence[PoolEvent]:
        """A body was told to end, and has not."""
        log.warning(
            "slot %d: its body was %s and does not end; it is left to itself, and its place is"
            " taken by another slot",
            slot.number,
            slot.terminated,
        )
        return [self._give_up(slot)]

    def _give_up(self, slot: Slot) -> SlotLost:
        """Leave a slot to itself; what it ends from now on is not told."""
        slot.give_up()
        return self._see_off(slot, slot.terminated, expected=True)
