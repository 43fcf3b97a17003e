"""The processes behind the slots of the prefork pool, from the fork to the burial.

``prefork.py`` says which slots there are to be, ``traffic.py`` when a process has said that it is
ready, or wrote nonsense.  Owned here: the life of the process behind each slot: started, ready,
dead, started again, with a pause that grows where processes die before they are ready.  Nothing
here waits for a process, and its death is learned by the kernel's word, so it may be killed or
stopped between any two instructions.  Not owned: what becomes of a job whose process is lost.
"""

from __future__ import annotations

import logging
import os
import signal as signals
from collections.abc import Callable
from functools import partial
from typing import Final

from taskq.adapters.pools.child import Limits
from taskq.adapters.pools.handle import ChildHandle
from taskq.adapters.pools.slot import Slot, State, Watcher, Word
from taskq.ports import Clock, JobRunner, PoolEvent, SlotLost, SlotReady

log = logging.getLogger(__name__)

# Between a child that died before it was ready and the next one: doubled each time.
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
# How long a child has to die by the signal that it was sent, before it gets SIGKILL.
TERMINATE_GRACE_S: Final = 0.5
# How many children in a row may die idle, as by an operator's hand, and be replaced at once.
FREE_IDLE_DEATHS: Final = 2
# Enough for the longest pause.
MAX_DOUBLINGS: Final = 10


class Lives:
    """All slots, and who lives in them."""

    def __init__(
        self,
        clock: Clock,
        limits: Limits,
        *,
        alive_timeout_s: float,
        before_create: Callable[[], object],
        begin_child: Callable[[int], None] | None,
    ) -> None:
        self.slots: dict[int, Slot] = {}
        self.watcher = Watcher()
        self.events: list[PoolEvent] = []  # what is to be told
        self.next_deadline_s: float | None = None
        self._clock, self._limits = clock, limits
        self._alive_timeout_s = alive_timeout_s
        self._before_create, self._begin_child = before_create, begin_child
        self._some_blind = False  # the system does not tell of every death
        self._warned_of_size = False

    def now_s(self) -> float:
        """The time on the clock of deadlines."""
        return self._clock.read().elapsed_s

    @property
    def children(self) -> list[tuple[Slot, ChildHandle]]:
        """All processes that live, or whose death was not seen yet."""
        return [(slot, slot.child) for slot in self.slots.values() if slot.child is not None]

    @property
    def blind(self) -> list[tuple[Slot, ChildHandle]]:
        """Those of whose death nothing tells."""
        if not self._some_blind:
            return []
        return [(slot, child) for slot, child in self.children if child.death is None]

    # -- one life ------------------------------------------------------------------------------

    def open_slot(self, run: JobRunner) -> None:
        """Make a slot under the lowest number that is free."""
        number = next(n for n in range(len(self.slots) + 1) if n not in self.slots)
        self.slots[number] = slot = Slot(number, run)
        self._start_child(slot)

    def _start_child(self, slot: Slot) -> None:
        slot.why = slot.trouble = ""
        self._before_create()
        try:
            child = ChildHandle(slot.run, self._limits, partial(self._leave_parent, slot.number))
        except OSError as error:
            self._pause(slot, f"the system gives no process: {error}")
            return
        slot.child = child
        self.watcher.add(child.reads, slot, child, Word.NEWS)
        if child.death is None:
            self._some_blind = True
        else:
            self.watcher.add(child.death, slot, child, Word.DEATH)
        self._enter(slot, State.STARTING, self._alive_timeout_s)

    def begin(self, slot: Slot, child: ChildHandle, resident_kib: int) -> None:
        """It said that it is ready."""
        if slot.state is not State.STARTING or slot.leaving:
            return
        self._enter(slot, State.READY)
        self.events.append(SlotReady(slot.number, child.pid))
        limit_kib = self._limits.max_memory_kib
        if limit_kib is not None and resident_kib >= limit_kib and not self._warned_of_size:
            self._warned_of_size = True
            log.warning(
                "a process of this pool holds %d KiB of memory before its first task, and "
                "worker_max_memory_per_child is %d: it is replaced after each task",
                resident_kib,
                limit_kib,
            )

    def release(self, slot: Slot, why: str) -> None:
        """Let the process end when it has done what it was given; no other follows."""
        slot.leaving, slot.why = True, slot.why or why
        if slot.child is None:
            self._remove(slot)
            return
        slot.child.close_when_sent()

    def renew(self, slot: Slot, why: str) -> None:
        """Let the process end when it has done what it was given; another one follows."""
        if slot.child is None or slot.child.closing or slot.state is State.DYING:
            return  # the next one is new anyway
        slot.why = slot.why or why
        slot.child.close_when_sent()

    def doom(self, slot: Slot, why: str, number: int) -> None:
        """Send a signal that ends the process; should it not die of it soon, SIGKILL."""
        assert slot.child is not None, "there is a process"
        slot.why = why
        self._enter(slot, State.DYING, None if number == signals.SIGKILL else TERMINATE_GRACE_S)
        slot.child.kill(number)

    def bury(self, slot: Slot, child: ChildHandle) -> None:
        """Settle the accounts of a dead child, and start the next one."""
        for fd in child.descriptors():
            self.watcher.drop(fd)
        started, unstarted = child.split()
        was_ready = slot.state is not State.STARTING
        idle_death = not child.has_begun and not slot.why
        reason = f"{slot.why}: {child.fate()}" if slot.why else child.fate()
        expected = slot.state is State.DYING or (bool(slot.why) and not started)
        child.close()
        slot.child = None
        if was_ready or started or unstarted or slot.leaving:
            self.events.append(SlotLost(slot.number, started, unstarted, reason, expected))
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
        del self.slots[slot.number]
        self._plan()

    def _leave_parent(self, slot: int) -> None:
        """In a new child: close what belongs to the parent, and begin a life of its own."""
        for _, child in self.children:
            for fd in child.descriptors():
                os.close(fd)
        self.watcher.close()
        if self._begin_child is not None:
            self._begin_child(slot + 1)

    # -- deadlines -----------------------------------------------------------------------------

    def _enter(self, slot: Slot, state: State, for_s: float | None = None) -> None:
        slot.state = state
        slot.deadline_s = None if for_s is None else self.now_s() + for_s
        self._plan()

    def _plan(self) -> None:
        deadlines = [slot.deadline_s for slot in self.slots.values() if slot.deadline_s is not None]
        self.next_deadline_s = min(deadlines, default=None)

    def pass_deadlines(self) -> None:
        """Do what is due by now."""
        if self.next_deadline_s is None or self.next_deadline_s > (now_s := self.now_s()):
            return
        for slot in tuple(self.slots.values()):
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
