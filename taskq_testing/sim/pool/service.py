"""What a slot does all its life: one job after the other, until it is to leave."""

from __future__ import annotations

from signal import SIGINT
from typing import Protocol

from greenlet import GreenletExit

from taskq.ports import Ending, Job, JobRunner, JobStarted, PoolEvent, SlotReady
from taskq_testing.sim.hands import Hands
from taskq_testing.sim.loop import VirtualLoop
from taskq_testing.sim.pool.guard import SimGuard
from taskq_testing.sim.pool.slot import Slot
from taskq_testing.sim.scheduler import Scheduler


class Terminated(BaseException):
    """The worker ends this body."""


class House(Protocol):
    """The pool, as its slots know it."""

    def tell(self, event: PoolEvent) -> None:
        """There is news."""

    def kill(self, number: int, reason: str) -> None:
        """A slot dies."""

    def gone(self, slot: Slot) -> None:
        """A slot has ended by itself."""


class Service:
    """Runs slots."""

    def __init__(
        self,
        house: House,
        hands: Hands,
        scheduler: Scheduler,
        *,
        max_tasks: int | None,
        guards: bool,
    ) -> None:
        self._house, self._hands, self._scheduler = house, hands, scheduler
        self._max_tasks, self._guards = max_tasks, guards

    def serve(self, slot: Slot, run: JobRunner) -> None:
        """One slot, from its beginning to its end."""
        run.begin_process()
        if not slot.unheard:
            self._house.tell(SlotReady(slot.number, slot.pid))
        while not slot.unheard and not self._is_worn_out(slot):
            if slot.jobs:
                self._one(slot, run)
            elif slot.leaving:
                break
            else:
                self._scheduler.wait("a job", idle=True)
        run.end_process(0)
        slot.close_loop()
        self._house.gone(slot)

    def _is_worn_out(self, slot: Slot) -> bool:
        if self._max_tasks is None or slot.done < self._max_tasks:
            return False
        if not slot.leaving:
            slot.leaving, slot.again = f"it has run {slot.done} tasks", True
        return True

    def _one(self, slot: Slot, run: JobRunner) -> None:
        job = slot.running = slot.jobs.popleft()
        headers = job.headers
        self._hands.say(
            "task.start", id=headers.get("id"), task=headers.get("task"),
            retries=headers.get("retries", 0), pid=slot.pid,
            redelivered=job.delivery_info.get("redelivered", False),
        )  # fmt: skip
        if job.announce:
            self._house.tell(JobStarted(job.token, slot.pid))
        try:
            self._scheduler.pause()
            ending = self._call(slot, job, run)
        except GreenletExit:  # the world is over
            raise
        except BaseException as error:  # noqa: BLE001 - the runner catches what is an Exception
            slot.running = None if slot.unheard else job
            if not slot.unheard:
                self._died(slot, run, error)
            return
        self._hands.say(
            "task.end", id=headers.get("id"), task=headers.get("task"),
            retries=headers.get("retries", 0), how=ending.kind.value, summary=ending.summary,
        )  # fmt: skip
        slot.done += 1
        slot.running = None  # not before: killed up to here, it has begun and not ended
        if not slot.unheard:
            self._house.tell(ending)

    def _died(self, slot: Slot, run: JobRunner, error: BaseException) -> None:
        """The body has ended its process."""
        run.end_process(_exit_code(error))
        self._house.kill(slot.number, f"the body raised {error!r}")
        raise AssertionError("a dead process went on") from error

    def _call(self, slot: Slot, job: Job, run: JobRunner) -> Ending:
        limited = self._guards and job.soft_time_limit_s is not None
        guard = SimGuard(slot, job, self._hands, self._scheduler) if limited else None
        if not run.is_async(job):
            return run(job) if guard is None else run(job, guard)
        if slot.loop is None:
            slot.loop = VirtualLoop(self._scheduler)
        body = run.awaitable(job) if guard is None else run.awaitable(job, guard)
        slot.coroutine = slot.loop.create_task(body)
        try:
            return slot.loop.run_until_complete(slot.coroutine)
        finally:
            slot.coroutine = None


def _exit_code(error: BaseException) -> int:
    """What its parent would see."""
    if not isinstance(error, SystemExit):
        return 128 + SIGINT
    if error.code is None:
        return 0
    return error.code & 0xFF if isinstance(error.code, int) else 1
