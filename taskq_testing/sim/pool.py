"""Slots for task bodies in virtual time: the ``Pool`` port of a simulated worker.

Each slot stands for one child process: a process of the scheduler that runs one job after the
other.  To kill it is to drop its greenlet, so that nothing of the body's ``finally`` runs; then
``SlotLost`` says which jobs went with it, and a new slot takes its place.

Owned here: slots, soft time limits.  Not owned: what a job means (the runner), what a lost slot
means (the core).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
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
        self.leaving = False  # ends when it is idle


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
        self._last_number = 0
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
        self._run = run
        self.grow(slots)

    def submit(self, slot: int, jobs: Sequence[Job]) -> None:
        """Give jobs to a slot."""
        found = self.slots[slot]
        found.jobs.extend(jobs)
        if found.process is not None:
            self._scheduler.wake(found.process)

    def recall(self, slot: int) -> None:
        """Take back what waits, and say so."""
        found = self.slots.get(slot)
        waiting = [] if found is None else list(found.jobs)
        if found is not None:
            found.jobs.clear()
        self._tell(JobsReturned(slot, tuple(job.token for job in waiting)))

    def collect(self) -> Sequence[PoolEvent]:
        """Return what happened since the last call."""
        news, self._news = self._news, []
        return news

    def grow(self, count: int = 1) -> None:
        """Add slots."""
        for _ in range(count):
            self._last_number += 1
            self._open_slot(self._last_number)

    def shrink(self, count: int = 1) -> None:
        """Remove slots, idle ones first."""
        by_load = sorted(self.slots.values(), key=lambda slot: slot.running is not None)
        for slot in by_load[:count]:
            self._leave(slot)

    def terminate(self, slot: int, signal: int) -> None:
        """End a slot at once."""
        self.kill(slot, f"signal {signal}", expected=True)

    def stop(self, *, at_once: bool = False) -> None:
        """No job follows."""
        for slot in list(self.slots.values()):
            if at_once:
                self._drop(slot)
            else:
                self._leave(slot)

    def describe(self) -> Mapping[str, Any]:
        """What ``inspect stats`` shows."""
        return {
            "implementation": "taskq_testing.sim.pool:SimPool",
            "max-concurrency": len(self.slots),
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
        """A child process dies; the pool notices, and starts another in its place."""
        slot = self.slots[number]
        started = () if slot.running is None else (slot.running.token,)
        unstarted = tuple(job.token for job in slot.jobs)
        self._drop(slot)
        self._tell(SlotLost(number, started, unstarted, reason, expected))
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

    def _leave(self, slot: Slot) -> None:
        slot.leaving = True
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
        self.slots.pop(slot.number, None)
        if slot.loop is not None:
            slot.loop.close()
        run.end_process(0)

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
            self.kill(slot.number, f"the body raised {error!r}")
            raise AssertionError("a dead process went on") from error
        slot.running = None
        self._hands.say(
            "task.end", id=headers.get("id"), task=headers.get("task"),
            retries=headers.get("retries", 0), how=ending.kind.value, summary=ending.summary,
        )  # fmt: skip
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
