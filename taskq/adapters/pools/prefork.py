"""The prefork pool: a process for each slot, forked from the worker.

The runtime is the caller, from one thread.  Jobs travel to a child in batches, endings come back
in batches (``frames.py``); ``handle.py`` is the parent's end of a child, ``child.py`` the child.

Owned here: which slots there are, and the life of the process behind each of them: started,
ready, full, dead, started again; with a pause that grows where children die before they are
ready.  The parent never waits for a child, and learns of a death by the kernel's word, so a child
may be killed or stopped between any two instructions.  Not owned: what becomes of a job whose
process is lost.
"""

from __future__ import annotations

import logging
import os
import signal as signals
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from taskq.adapters.pools.child import Limits
from taskq.adapters.pools.frames import (
    CANNOT_PICKLE,
    ENDING,
    BrokenFrameError,
    News,
    Row,
    ending_of,
)
from taskq.adapters.pools.handle import READ_AT_ONCE_BYTES, ChildHandle, signal_name
from taskq.adapters.pools.ledger import SETTLES_S
from taskq.adapters.pools.slot import Slot, State, Watcher, Word
from taskq.errors import ImproperlyConfigured
from taskq.ports import (
    Clock,
    Ending,
    EndingKind,
    Job,
    JobRunner,
    JobsReturned,
    JobStarted,
    PoolEvent,
    SlotLost,
    SlotReady,
)

log = logging.getLogger(__name__)

# Between a child that died before it was ready and the next one: doubled each time.
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
# How long a child has to die by the signal that it was sent, before it gets SIGKILL.
TERMINATE_GRACE_S: Final = 0.5
# How long ``stop`` waits for children that have nothing to do.
STOP_GRACE_S: Final = 2.0
# How often ``stop`` looks meanwhile, where the system does not tell of deaths.
LOOK_EVERY_S: Final = 0.05
# How many children in a row may die idle, as by an operator's hand, and be replaced at once.
FREE_IDLE_DEATHS: Final = 2
# Enough for the longest pause.
MAX_DOUBLINGS: Final = 10
# How often the parent looks for endings that wait in a child for a long body to end.
PEEK_EVERY_S: Final = 0.05
# How often a death is asked for where the system does not tell.
ASK_EVERY_S: Final = 1.0


class PreforkPool:
    """Runs bodies in processes of its own."""

    def __init__(
        self,
        *,
        clock: Clock,
        alive_timeout_s: float = 4.0,
        max_tasks_per_child: int | None = None,
        max_memory_per_child: int | None = None,
        close_in_child: Callable[[], None] | None = None,
        start_method: str = "fork",
    ) -> None:
        if start_method != "fork":
            raise ImproperlyConfigured(
                f"worker_pool_start_method: {start_method!r} is not there yet; use 'fork'"
            )
        self._clock = clock
        self._alive_timeout_s = alive_timeout_s
        self._limits = Limits(max_tasks_per_child, max_memory_per_child)
        self._close_in_child = close_in_child
        self._run: JobRunner | None = None
        self._watcher = Watcher()
        self._slots: dict[int, Slot] = {}
        self._events: list[PoolEvent] = []
        self._next_deadline_s: float | None = None
        self._some_blind = False  # the system does not tell of every death
        # Whether a child may hold the ending of one job while it runs the next one.
        self._batched = False
        self._peek_at_s = 0.0
        self._recalled: dict[int, float] = {}  # slot -> when to look what it has not begun
        self._stopping = False
        self._warned_of_size = False

    # -- the port ------------------------------------------------------------------------------

    @property
    def watched(self) -> Sequence[int]:
        """One descriptor that stands for all children: epoll or kqueue can itself be watched."""
        return self._watcher.descriptors

    @property
    def poll_s(self) -> float | None:
        """Until the next pause or patience is over; ask again before each wait."""
        if self._events:
            return 0.0
        waits = [ASK_EVERY_S] if self._blind() else []
        if self._batched:
            waits.append(PEEK_EVERY_S)
        if self._next_deadline_s is not None:
            waits.append(max(0.0, self._next_deadline_s - self._now()))
        if self._recalled:
            waits.append(max(0.0, min(self._recalled.values()) - self._now()))
        return min(waits, default=None)

    @property
    def keeps_limits(self) -> tuple[bool, bool]:
        """A hard limit: ``terminate`` ends any body.  The soft one is not raised in it yet."""
        return True, False

    def start(self, slots: int, run: JobRunner) -> None:
        """Fork the children."""
        assert self._run is None, "a pool is started once"
        self._run = run
        self.grow(slots)

    def submit(self, slot: int, jobs: Sequence[Job]) -> None:
        """Write the jobs to the child, or as much of them as its pipe takes now."""
        place = self._slots.get(slot)
        if place is None or place.child is None:
            tokens = tuple(job.token for job in jobs)
            self._events.append(SlotLost(slot, (), tokens, "has no process", expected=True))
            return
        child = place.child
        if place.leaving or place.state is State.DYING:
            child.account.give(jobs)  # its death gives them back
            return
        try:
            child.send(jobs)
        except CANNOT_PICKLE:
            self._submit_each(child, jobs)
        if len(child.account.tokens) > 1:
            self._batched = True
        if child.backlog:
            self._watcher.add(child.writes, place, child, Word.ROOM)

    def recall(self, slot: int) -> None:
        """Mark what the child has not begun; ``collect`` says later what that was."""
        place = self._slots.get(slot)
        if place is None or not place.busy:
            self._events.append(JobsReturned(slot, ()))
        elif place.state is not State.DYING and place.child is not None and place.child.recall():
            self._recalled[slot] = self._now() + SETTLES_S

    def collect(self) -> Sequence[PoolEvent]:
        """Read what children wrote, write what waits, see who died."""
        self._pump(0.0)
        events, self._events = self._events, []
        return events

    def grow(self, count: int = 1) -> None:
        """Add slots, under the lowest numbers that are free."""
        for _ in range(count):
            number = next(n for n in range(len(self._slots) + 1) if n not in self._slots)
            self._slots[number] = slot = Slot(number)
            self._start_child(slot)

    def shrink(self, count: int = 1) -> None:
        """Let slots go: those without work first, and of these the youngest."""
        staying = [slot for slot in self._slots.values() if not slot.leaving]
        if count >= len(staying):
            raise ValueError(f"cannot take {count} of {len(staying)} slots; one has to stay")
        by_load = sorted(
            staying,
            key=lambda slot: (len(slot.child.account.tokens) if slot.child else -1, -slot.number),
        )
        for slot in by_load[:count]:
            self._release(slot, "its slot was removed")

    def terminate(self, slot: int, signal: int) -> None:
        """Send a signal to a child; should it not die of it soon, SIGKILL."""
        place = self._slots.get(slot)
        if place is None or place.child is None:
            return  # it is dead already, and its loss has been told
        self._doom(place, f"terminated with {signal_name(signal)}", signal)

    def stop(self, *, at_once: bool = False) -> None:
        """Let every slot go; waits a little for children that have nothing to do."""
        self._stopping = True
        for slot in tuple(self._slots.values()):
            if at_once and (slot.busy or slot.state is State.STARTING):
                slot.leaving = True
                self._doom(slot, "the worker stops at once", signals.SIGKILL)
            elif not slot.leaving:
                self._release(slot, "the worker stops")
        self._await_idle()

    def describe(self) -> Mapping[str, Any]:
        """Processes and limits."""
        children = [slot.child for slot in self._slots.values() if slot.child is not None]
        return {
            "implementation": f"{type(self).__module__}:{type(self).__qualname__}",
            "max-concurrency": sum(not slot.leaving for slot in self._slots.values()),
            "processes": [child.pid for child in children],
            "max-tasks-per-child": self._limits.max_tasks or "N/A",
            "max-memory-per-child": self._limits.max_memory_kib or "N/A",
            "put-guarded-by-semaphore": False,
            "start-method": "fork",
        }

    # -- one look ------------------------------------------------------------------------------

    def _pump(self, timeout_s: float) -> None:
        if self._watcher.closed:
            return
        gone = self._blind()
        for slot, child, word in self._watcher.select(timeout_s):
            if word is Word.NEWS:
                self._read(slot, child)
            elif word is Word.ROOM:
                self._flush(slot, child)
            else:
                gone.append((slot, child))
        self._peek()
        self._answer_recalls()
        for slot, child in gone:
            if child.wait():
                self._bury(slot, child)
        if self._next_deadline_s is not None and self._next_deadline_s <= self._now():
            self._pass_deadlines()
        if self._stopping and not self._slots:
            self._watcher.close()

    def _blind(self) -> list[tuple[Slot, ChildHandle]]:
        """Return the children of whose death nothing tells."""
        if not self._some_blind:
            return []
        children = [(slot, slot.child) for slot in self._slots.values()]
        return [(slot, child) for slot, child in children if child and child.death is None]

    def _peek(self) -> None:
        """Take the endings that children hold while they are in a body that lasts."""
        if self._batched and (now_s := self._now()) >= self._peek_at_s:
            self._peek_at_s = now_s + PEEK_EVERY_S
            children = [slot.child for slot in self._slots.values() if slot.child is not None]
            batched = [child for child in children if len(child.account.tokens) > 1]
            for child in batched:
                self._take_held(child)
            self._batched = bool(batched)

    def _take_held(self, child: ChildHandle) -> None:
        for row in child.held():
            if row[0] == ENDING and child.account.settle(row[1]):
                child.early.add(row[1])
                self._events.append(ending_of(row))

    def _read(self, slot: Slot, child: ChildHandle, budget: int = READ_AT_ONCE_BYTES) -> None:
        try:
            rows, ended = child.read(budget)
            self._take(slot, child, rows)
        except BrokenFrameError as error:
            log.error("slot %d: process %d: %s; it is killed", slot.number, child.pid, error)  # noqa: TRY400 - our own words say it all
            self._watcher.drop(child.reads)
            self._doom(slot, "wrote what is no frame", signals.SIGKILL)
        else:
            if ended:
                self._watcher.drop(child.reads)  # its death follows, and would be drowned out

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
                self._begin(slot, child, resident_kib=row[2])
            elif row[0] == News.FULL:
                slot.why = row[1]
            else:
                slot.trouble = row[1]

    def _answer_recalls(self) -> None:
        """Say what children will not begin, where enough time has passed since they were asked."""
        if not self._recalled:
            return
        now_s = self._now()
        for number in [number for number, at_s in self._recalled.items() if at_s <= now_s]:
            self._answer_recall(self._slots[number], now_s)

    def _answer_recall(self, slot: Slot, now_s: float) -> None:
        child = slot.child
        assert child is not None, "its death ends the recall"
        tokens = child.take_back()
        if tokens is None:  # it is about to begin a job, or was stopped there
            self._recalled[slot.number] = now_s + PEEK_EVERY_S
            return
        del self._recalled[slot.number]
        self._events.append(JobsReturned(slot.number, tokens))
        if child.has_unsent:
            self._flush(slot, child)

    def _flush(self, slot: Slot, child: ChildHandle) -> None:
        """Write what the pipe has room for; the rest goes when there is more."""
        if child.backlog:
            child.flush()
        if child.backlog:
            self._watcher.add(child.writes, slot, child, Word.ROOM)
            return
        self._watcher.drop(child.writes)
        if child.closing and not child.has_unsent:
            child.close_writes()

    def _await_idle(self) -> None:
        """See those off that have nothing to do, or were killed; not the busy ones."""
        until_s = self._now() + STOP_GRACE_S
        while self._ending() and (left_s := until_s - self._now()) > 0:
            self._pump(min(left_s, LOOK_EVERY_S))

    def _ending(self) -> bool:
        return any(
            slot.child is not None and (not slot.busy or slot.state is State.DYING)
            for slot in self._slots.values()
        )

    # -- the life of a slot --------------------------------------------------------------------

    def _start_child(self, slot: Slot) -> None:
        assert self._run is not None, "start() comes first"
        slot.why = slot.trouble = ""
        try:
            child = ChildHandle(self._run, self._limits, self._close_inherited)
        except OSError as error:
            self._pause(slot, f"the system gives no process: {error}")
            return
        slot.child = child
        self._watcher.add(child.reads, slot, child, Word.NEWS)
        if child.death is None:
            self._some_blind = True
        else:
            self._watcher.add(child.death, slot, child, Word.DEATH)
        self._enter(slot, State.STARTING, self._alive_timeout_s)

    def _begin(self, slot: Slot, child: ChildHandle, resident_kib: int) -> None:
        if slot.state is not State.STARTING or slot.leaving:
            return
        self._enter(slot, State.READY)
        self._events.append(SlotReady(slot.number, child.pid))
        limit_kib = self._limits.max_memory_kib
        if limit_kib is not None and resident_kib >= limit_kib and not self._warned_of_size:
            self._warned_of_size = True
            log.warning(
                "a process of this pool holds %d KiB of memory before its first task, and "
                "worker_max_memory_per_child is %d: it is replaced after each task",
                resident_kib,
                limit_kib,
            )

    def _release(self, slot: Slot, why: str) -> None:
        """Let the process end when it has done what it was given; no other follows."""
        slot.leaving, slot.why = True, slot.why or why
        if slot.child is None:
            self._remove(slot)
            return
        slot.child.closing = True
        if not slot.child.has_unsent:
            slot.child.close_writes()

    def _doom(self, slot: Slot, why: str, number: int) -> None:
        assert slot.child is not None, "there is a process"
        slot.why = why
        self._enter(slot, State.DYING, None if number == signals.SIGKILL else TERMINATE_GRACE_S)
        slot.child.kill(number)

    def _bury(self, slot: Slot, child: ChildHandle) -> None:
        """Settle the accounts of a dead child, and start the next one."""
        if self._watcher.has(child.reads):
            self._read(slot, child, budget=sys.maxsize)
        self._take_held(child)
        for fd in child.descriptors():
            self._watcher.drop(fd)
        started, unstarted = child.split()
        was_ready = slot.state is not State.STARTING
        idle_death = not child.has_begun and not slot.why
        reason = f"{slot.why}: {child.fate()}" if slot.why else child.fate()
        expected = slot.state is State.DYING or (bool(slot.why) and not started)
        child.close()
        slot.child = None
        self._recalled.pop(slot.number, None)  # its loss is the answer
        if was_ready or started or unstarted or slot.leaving:
            self._events.append(SlotLost(slot.number, started, unstarted, reason, expected))
        if slot.leaving:
            self._remove(slot)
        elif not was_ready or (idle_death and slot.failures >= FREE_IDLE_DEATHS):
            self._pause(slot, f"process {child.pid} {slot.trouble or reason}")
        else:
            slot.failures = slot.failures + 1 if idle_death else 0
            self._start_child(slot)

    def _pause(self, slot: Slot, why: str) -> None:
        pause_s = min(FIRST_PAUSE_S * 2**slot.failures, LONGEST_PAUSE_S)
        slot.failures = min(slot.failures + 1, MAX_DOUBLINGS)
        log.error("slot %d does not come up: %s; next try in %g s", slot.number, why, pause_s)
        self._enter(slot, State.PAUSING, pause_s)

    def _remove(self, slot: Slot) -> None:
        del self._slots[slot.number]
        self._plan()

    # -- deadlines -----------------------------------------------------------------------------

    def _now(self) -> float:
        return self._clock.read().elapsed_s

    def _enter(self, slot: Slot, state: State, for_s: float | None = None) -> None:
        slot.state = state
        slot.deadline_s = None if for_s is None else self._now() + for_s
        self._plan()

    def _plan(self) -> None:
        deadlines = [
            slot.deadline_s for slot in self._slots.values() if slot.deadline_s is not None
        ]
        self._next_deadline_s = min(deadlines, default=None)

    def _pass_deadlines(self) -> None:
        now_s = self._now()
        for slot in tuple(self._slots.values()):
            if slot.deadline_s is not None and slot.deadline_s <= now_s:
                slot.deadline_s = None
                self._pass_deadline(slot)
        self._plan()

    def _pass_deadline(self, slot: Slot) -> None:
        if slot.state is State.PAUSING:
            self._start_child(slot)
        elif slot.state is State.DYING and slot.child is not None:
            slot.child.kill(signals.SIGKILL)
        elif slot.state is State.STARTING and slot.child is not None:
            log.warning(
                "slot %d: process %d has not come up in %g s (worker_proc_alive_timeout); "
                "waiting on",
                slot.number,
                slot.child.pid,
                self._alive_timeout_s,
            )

    # -- the rest ------------------------------------------------------------------------------

    def _submit_each(self, child: ChildHandle, jobs: Sequence[Job]) -> None:
        """Give what can cross the pipe; what cannot is no task that a worker could have sent."""
        for job in jobs:
            try:
                child.send((job,))
            except CANNOT_PICKLE as error:
                why = f"headers or properties cannot be handed to another process: {error!r}"
                self._events.append(Ending(job.token, EndingKind.MALFORMED, summary=why))

    def _close_inherited(self) -> None:
        """In a new child: close what belongs to the parent."""
        for slot in self._slots.values():
            if slot.child is not None:
                for fd in slot.child.descriptors():
                    os.close(fd)
        self._watcher.close()
        if self._close_in_child is not None:
            self._close_in_child()
