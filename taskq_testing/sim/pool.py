"""Slots for task bodies in virtual time: the ``Pool`` port of a simulated worker.

Each slot stands for one child process: a process of the scheduler that runs one job after the
other.  To kill it is to drop its greenlet, so that nothing of the body's ``finally`` runs; then
``SlotLost`` says which jobs went with it, and a new process takes its place.  It keeps all that
``taskq_testing.conformance.pool`` asks of a pool.

Owned here: slots, soft time limits.  Not owned: what a job means (the runner), what a lost slot
means (the core).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from signal import SIGINT
from typing import Any

from taskq.errors import SoftTimeLimitExceeded
from taskq.ports import (
    Ending,
    Job,
    JobRunner,
    JobsReturned,
    JobStarted,
    PoolEvent,
    SlotLost,
    SlotReady,
)
from taskq_testing.sim.hands import Hands
from taskq_testing.sim.loop import VirtualLoop
from taskq_testing.sim.scheduler import Process, Scheduler


class Slot:
    """One child process."""

    def __init__(self, number: int, pid: int) -> None:
        self.number, self.pid = number, pid
        self.jobs: deque[Job] = deque()
        self.running: Job | None = None
        self.process: Process | None = None
        self.loop: VirtualLoop | None = None
        self.leaving = ""  # why it ends when it is idle
        self.late: list[Job] = []  # given when it was leaving already

    @property
    def load(self) -> int:
        """How many endings it owes."""
        return len(self.jobs) + (self.running is not None)

    @property
    def unstarted(self) -> tuple[int, ...]:
        """The tokens of what it has not begun."""
        return tuple(job.token for job in (*self.jobs, *self.late))


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
    ) -> None:
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
        """The soft limit is raised in the body; the hard one is not kept yet."""
        return False, True

    def start(self, slots: int, run: JobRunner) -> None:
        """Make slots."""
        assert self._run is None, "a pool is started once"
        self._run = run
        self.grow(slots)

    def submit(self, slot: int, jobs: Sequence[Job]) -> None:
        """Give jobs to a slot."""
        found = self.slots.get(slot)
        if found is None:
            tokens = tuple(job.token for job in jobs)
            self._tell(SlotLost(slot, (), tokens, "has no process", expected=True))
        elif found.leaving:
            found.late.extend(jobs)  # its end gives them back
        else:
            found.jobs.extend(jobs)
            self._wake_up(found)

    def recall(self, slot: int) -> None:
        """Take back what waits, and say so."""
        found = self.slots.get(slot)
        if found is None:
            self._tell(JobsReturned(slot, ()))
            return
        returned = found.unstarted
        found.jobs.clear()
        found.late.clear()
        self._tell(JobsReturned(slot, returned))

    def collect(self) -> Sequence[PoolEvent]:
        """Return what happened since the last call."""
        news, self._news = self._news, []
        return news

    def grow(self, count: int = 1) -> None:
        """Add slots, under the lowest numbers that are free."""
        for _ in range(count):
            self._open_slot(next(n for n in range(len(self.slots) + 1) if n not in self.slots))

    def shrink(self, count: int = 1) -> None:
        """Let slots go: those without work first, and of these the youngest."""
        staying = [slot for slot in self.slots.values() if not slot.leaving]
        if count >= len(staying):
            raise ValueError(f"cannot take {count} of {len(staying)} slots; one has to stay")
        by_load = sorted(staying, key=lambda slot: (slot.load, -slot.number))
        for slot in by_load[:count]:
            self._leave(slot, "its slot was removed")

    def terminate(self, slot: int, signal: int) -> None:
        """End a slot at once."""
        if slot in self.slots:  # else it is dead already, and its loss has been told
            self.kill(slot, f"terminated with signal {signal}", expected=True)

    def stop(self, *, at_once: bool = False) -> None:
        """Let every slot go; with ``at_once`` the busy ones are killed."""
        for slot in list(self.slots.values()):
            if at_once and slot.load:
                slot.leaving = "the worker stops at once"
                self.kill(slot.number, slot.leaving, expected=True)
            elif not slot.leaving:
                self._leave(slot, "the worker stops")

    def describe(self) -> Mapping[str, Any]:
        """What ``inspect stats`` shows."""
        return {
            "implementation": "taskq_testing.sim.pool:SimPool",
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

    def kill(self, number: int, reason: str, *, expected: bool = False) -> None:
        """A child process dies; the pool notices, and starts another where the slot is to stay."""
        slot = self.slots[number]
        started = () if slot.running is None else (slot.running.token,)
        self._drop(slot)
        self._tell(SlotLost(number, started, slot.unstarted, reason, expected))
        if not slot.leaving:
            self._open_slot(number)
        self._scheduler.leave_if_gone()

    def vanish(self) -> None:
        """The whole node died."""
        for slot in list(self.slots.values()):
            self._drop(slot)

    def close_loops(self) -> None:
        """The world is over: close the event loops on which nothing runs."""
        for slot in self.slots.values():
            if slot.loop is not None and not slot.loop.is_running():
                slot.loop.close()

    def new_loop(self) -> VirtualLoop:
        """An event loop for the process that asks."""
        return VirtualLoop(self._scheduler)

    # -- slots -----------------------------------------------------------------------------------

    def _open_slot(self, number: int) -> None:
        pid = self._hands.new_pid()
        slot = self.slots[number] = Slot(number, pid)
        slot.process = self._scheduler.spawn(
            f"{self._hands.node}/{number}",
            lambda: self._serve(slot),
            place=self._place,
            context=self._context(pid),
            owner=slot,
        )

    def _leave(self, slot: Slot, why: str) -> None:
        slot.leaving = why
        self._wake_up(slot)

    def _wake_up(self, slot: Slot) -> None:
        if slot.process is not None:
            self._scheduler.wake(slot.process)

    def _drop(self, slot: Slot) -> None:
        self.slots.pop(slot.number, None)
        self._scheduler.drop_all(slot)
        if slot.loop is not None and not slot.loop.is_running():
            slot.loop.close()

    def _tell(self, event: PoolEvent) -> None:
        self._news.append(event)
        self._wake()

    def _serve(self, slot: Slot) -> None:
        """What a child process does all its life."""
        run = self._run
        assert run is not None
        run.begin_process()
        self._tell(SlotReady(slot.number, slot.pid))
        while True:
            while slot.jobs:
                self._one(slot, run)
            if slot.leaving:
                break
            self._scheduler.wait("a job", idle=True)
        run.end_process(0)
        if slot.loop is not None:
            slot.loop.close()
        del self.slots[slot.number]
        self._tell(SlotLost(slot.number, (), slot.unstarted, slot.leaving, expected=True))

    def _one(self, slot: Slot, run: JobRunner) -> None:
        job = slot.running = slot.jobs.popleft()
        headers = job.headers
        self._hands.say(
            "task.start", id=headers.get("id"), task=headers.get("task"),
            retries=headers.get("retries", 0), pid=slot.pid,
            redelivered=job.delivery_info.get("redelivered", False),
        )  # fmt: skip
        if job.announce:
            self._tell(JobStarted(job.token, slot.pid))
        self._scheduler.pause()
        try:
            ending = self._limited(slot, job, run)
        except (SystemExit, KeyboardInterrupt) as error:  # the child process ends
            run.end_process(_exit_code(error))
            self.kill(slot.number, f"the body raised {error!r}")
            raise AssertionError("a dead process went on") from error
        self._hands.say(
            "task.end", id=headers.get("id"), task=headers.get("task"),
            retries=headers.get("retries", 0), how=ending.kind.value, summary=ending.summary,
        )  # fmt: skip
        slot.running = None  # not before: killed up to here, it has begun and not ended
        self._tell(ending)

    def _limited(self, slot: Slot, job: Job, run: JobRunner) -> Ending:
        if job.soft_time_limit_s is None:
            return self._call(slot, job, run)
        limit_s, process = job.soft_time_limit_s, slot.process
        assert process is not None

        def ring() -> None:
            if slot.running is job:
                self._scheduler.throw(process, SoftTimeLimitExceeded(limit_s))

        alarm = self._scheduler.spawn(
            f"{process.name}/alarm", ring, place=self._place, context=Context(), owner=slot,
            delay_s=limit_s, background=True,
        )  # fmt: skip
        ending = self._call(slot, job, run)
        self._scheduler.drop(alarm)
        return ending

    def _call(self, slot: Slot, job: Job, run: JobRunner) -> Ending:
        if not run.is_async(job):
            return run(job)
        if slot.loop is None:
            slot.loop = self.new_loop()
        return slot.loop.run_until_complete(run.awaitable(job))


def _exit_code(error: BaseException) -> int:
    """What its parent would see."""
    if not isinstance(error, SystemExit):
        return 128 + SIGINT
    if error.code is None:
        return 0
    return error.code & 0xFF if isinstance(error.code, int) else 1
