"""The pool of one simulated worker.

Each slot stands for one child process (or thread, or greenlet; ``kinds.py`` has the differences):
a process of the scheduler that runs one job after the other.  To kill it is to drop its greenlet,
so that nothing of the body's ``finally`` runs; then ``SlotLost`` says which jobs went with it, and
a new one takes its place.  It keeps all that ``taskq_testing.conformance.pool`` asks of a pool.

Owned here: slots, soft time limits.  Not owned: what a job means (the runner), what a lost slot
means (the core), when a hard limit is over (the core; it terminates the slot).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from typing import Any

from taskq.ports import Job, JobRunner, JobsReturned, PoolEvent, SlotLost
from taskq_testing.sim.hands import Hands
from taskq_testing.sim.pool.kinds import PREFORK, Ends, PoolKind
from taskq_testing.sim.pool.service import Service, Terminated
from taskq_testing.sim.pool.slot import Slot
from taskq_testing.sim.scheduler import Scheduler


class SimPool:
    """The pool of one worker."""

    def __init__(
        self,
        hands: Hands,
        scheduler: Scheduler,
        *,
        place: Any,
        context: Callable[[int], Context],
        wake: Callable[[], None],
        kind: PoolKind = PREFORK,
        max_tasks: int | None = None,
        start_s: float = 0.0,
    ) -> None:
        self.kind = kind
        self._service = Service(self, hands, scheduler, max_tasks=max_tasks, guards=kind.keeps[1])
        self._start_s = start_s  # how long a new slot takes until it is ready
        self.forks_again_at_s = 0.0  # until then the machine makes no new process
        self._unheard: list[Slot] = []
        self._hands, self._scheduler, self._place = hands, scheduler, place
        self._context, self._wake = context, wake
        self._run: JobRunner | None = None
        self._news: list[PoolEvent] = []
        self.slots: dict[int, Slot] = {}

    # -- the port --------------------------------------------------------------------------------

    @property
    def watched(self) -> Sequence[int]:
        """Nothing here is a file."""
        return ()

    @property
    def poll_s(self) -> float | None:
        """Never: ``wake`` is called."""
        return None

    @property
    def keeps_limits(self) -> tuple[bool, bool]:
        """As its kind does."""
        return self.kind.keeps

    @property
    def holds_up(self) -> bool:
        """The worker does nothing else now."""
        return self.kind.blocks and any(slot.load for slot in self.slots.values())

    def start(self, slots: int, run: JobRunner) -> None:
        """Make slots."""
        assert self._run is None, "a pool is started once"
        self._run = run
        self._add(slots)

    def submit(self, slot: int, jobs: Sequence[Job]) -> None:
        """Give jobs to a slot."""
        found = self.slots.get(slot)
        if found is None:
            tokens = tuple(job.token for job in jobs)
            self.tell(SlotLost(slot, (), tokens, "has no process", expected=True))
        elif found.leaving:
            found.late.extend(jobs)  # its end gives them back
        else:
            found.jobs.extend(jobs)
            self._wake_up(found)

    def recall(self, slot: int) -> None:
        """Take back what waits, and say so."""
        found = self.slots.get(slot)
        if found is None:
            self.tell(JobsReturned(slot, ()))
            return
        returned = found.unstarted
        found.jobs.clear()
        found.late.clear()
        self.tell(JobsReturned(slot, returned))

    def collect(self) -> Sequence[PoolEvent]:
        """Return what happened since the last call."""
        news, self._news = self._news, []
        return news

    def grow(self, count: int = 1) -> None:
        """Add slots, under the lowest numbers that are free."""
        self._refuse_if_single()
        self._add(count)

    def _add(self, count: int) -> None:
        for _ in range(count):
            self._open_slot(next(n for n in range(len(self.slots) + 1) if n not in self.slots))

    def shrink(self, count: int = 1) -> None:
        """Let slots go: those without work first, and of these the youngest."""
        self._refuse_if_single()
        staying = [slot for slot in self.slots.values() if not slot.leaving]
        if count >= len(staying):
            raise ValueError(f"cannot take {count} of {len(staying)} slots; one has to stay")
        by_load = sorted(staying, key=lambda slot: (slot.load, -slot.number))
        for slot in by_load[:count]:
            self._leave(slot, "its slot was removed")

    def restart(self) -> None:
        """Replace each slot when it is idle."""
        for slot in list(self.slots.values()):
            if not slot.leaving:
                slot.again = True
                self._leave(slot, "the pool was restarted")

    def terminate(self, slot: int, signal: int) -> None:
        """End a slot at once, as far as its kind can."""
        found = self.slots.get(slot)
        if found is None:
            return  # it is dead already, and its loss has been told
        reason = f"terminated with signal {signal}"
        match self.kind.ends:
            case Ends.DROPPED:
                self.kill(slot, reason, expected=True)
            case Ends.RAISED:
                self._give_up(found, reason)
            case Ends.NOT:
                self._hands.say("worker.say", line="cannot terminate", level="WARNING")

    def stop(self, *, at_once: bool = False) -> None:
        """Let every slot go; with ``at_once`` the busy ones are killed."""
        for slot in list(self.slots.values()):
            if at_once and slot.load:
                slot.leaving, slot.again = "the worker stops at once", False
                self.kill(slot.number, slot.leaving, expected=True)
            elif slot.again or not slot.leaving:
                slot.again = False
                self._leave(slot, "the worker stops")

    def describe(self) -> Mapping[str, Any]:
        """What ``inspect stats`` shows."""
        return {
            "implementation": f"taskq_testing.sim.pool:{self.kind.name}",
            "max-concurrency": sum(not slot.leaving for slot in self.slots.values()),
            "processes": [slot.pid for slot in self.slots.values()],
        }

    # -- what the world calls --------------------------------------------------------------------

    def slot_of(self, task_id: str) -> int | None:
        """Where the body of a task runs."""
        for slot in self.slots.values():
            if slot.running is not None and slot.running.headers.get("id") == task_id:
                return slot.number
        return None

    def busiest(self) -> int | None:
        """A slot that runs a body; the first where none does."""
        running = [slot.number for slot in self.slots.values() if slot.running is not None]
        return min(running or self.slots, default=None)

    # -- what its slots call ---------------------------------------------------------------------

    def tell(self, event: PoolEvent) -> None:
        """There is news."""
        self._news.append(event)
        self._wake()

    def gone(self, slot: Slot) -> None:
        """A slot has ended by itself."""
        if slot.unheard:
            self._unheard.remove(slot)
            return
        del self.slots[slot.number]
        self._see_off(slot, slot.leaving, expected=True)

    def kill(self, number: int, reason: str, *, expected: bool = False) -> None:
        """A child process dies; the pool notices, and starts another where the slot is to stay."""
        slot = self.slots[number]
        self._drop(slot)
        self._see_off(slot, reason, expected=expected)
        self._scheduler.leave_if_gone()

    def vanish(self) -> None:
        """The whole node died."""
        for slot in (*self.slots.values(), *self._unheard):
            self._drop(slot)

    def close_loops(self) -> None:
        """The world is over: close the event loops on which nothing runs."""
        for slot in (*self.slots.values(), *self._unheard):
            slot.close_loop()

    # -- slots -----------------------------------------------------------------------------------

    def _open_slot(self, number: int) -> None:
        run = self._run
        assert run is not None, "start() comes first"
        pid = self._hands.new_pid()
        slot = self.slots[number] = Slot(number, pid)
        slot.process = self._scheduler.spawn(
            f"{self._hands.node}/{number}",
            lambda: self._service.serve(slot, run),
            place=self._place,
            context=self._context(pid),
            owner=slot,
            delay_s=self._start_s + max(self.forks_again_at_s - self._hands.now_s(), 0.0),
        )

    def _refuse_if_single(self) -> None:
        if self.kind.single:
            raise NotImplementedError(f"a {self.kind.name} pool has one slot")

    def _leave(self, slot: Slot, why: str) -> None:
        slot.leaving = why
        self._wake_up(slot)

    def _give_up(self, slot: Slot, reason: str) -> None:
        """Raise in the body where it waits; nothing more is heard of it, whatever it does."""
        del self.slots[slot.number]
        slot.unheard = True
        self._unheard.append(slot)
        self._see_off(slot, reason, expected=True)
        slot.jobs.clear()
        if slot.running is None:
            self._wake_up(slot)
        elif slot.coroutine is not None and slot.loop is not None:
            slot.loop.call_soon_threadsafe(slot.coroutine.cancel)
        elif slot.process is not None:
            self._scheduler.throw(slot.process, Terminated())

    def _see_off(self, slot: Slot, reason: str, *, expected: bool) -> None:
        """Tell that a slot is gone, and put another in its place if it was to stay."""
        self.tell(SlotLost(slot.number, slot.started, slot.unstarted, reason, expected))
        if slot.again or not slot.leaving:
            self._open_slot(slot.number)

    def _wake_up(self, slot: Slot) -> None:
        if slot.process is not None:
            self._scheduler.wake(slot.process)

    def _drop(self, slot: Slot) -> None:
        self.slots.pop(slot.number, None)
        self._scheduler.drop_all(slot)
        slot.close_loop()
