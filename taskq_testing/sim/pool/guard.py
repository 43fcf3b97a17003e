"""Keeps the soft time limit of one body in virtual time."""

from __future__ import annotations

from contextvars import Context

from taskq.errors import SoftTimeLimitExceeded
from taskq.ports import Job
from taskq_testing.sim.hands import Hands
from taskq_testing.sim.pool.slot import Slot
from taskq_testing.sim.scheduler import Process, Scheduler


class SimGuard:
    """Raises in the body at its next switch point."""

    def __init__(self, slot: Slot, job: Job, hands: Hands, scheduler: Scheduler) -> None:
        assert slot.process is not None, "a slot that runs a job has a process"
        assert job.soft_time_limit_s is not None, "a job without a limit needs no guard"
        self._slot, self._process, self._job = slot, slot.process, job
        self._limit_s = job.soft_time_limit_s
        self._hands, self._scheduler = hands, scheduler
        self._alarm: Process | None = None

    def arm(self) -> None:
        """The limit counts from here."""
        self._alarm = self._scheduler.spawn(
            f"{self._process.name}/alarm",
            self._ring,
            place=self._process.place,
            context=Context(),
            owner=self._slot,
            delay_s=self._limit_s,
            background=True,
        )

    def disarm(self) -> None:
        """It does not come any more, also if it was on its way."""
        if self._alarm is not None:
            self._scheduler.drop(self._alarm)
            self._process.thrown = None

    def passed(self) -> None:
        """The runner has raised in a coroutine itself."""
        headers = self._job.headers
        self._hands.say(
            "task.limit", id=headers.get("id"), task=headers.get("task"), limit_s=self._limit_s
        )

    def _ring(self) -> None:
        self.passed()
        self._scheduler.throw(self._process, SoftTimeLimitExceeded(self._limit_s))
