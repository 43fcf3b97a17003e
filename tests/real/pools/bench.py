"""A pool, and a runtime that a test plays by hand."""

from __future__ import annotations

import select
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, TypeVar

from taskq.adapters.clock import SystemClock
from taskq.app.soft_limit import await_limited, call_limited
from taskq.errors import SoftTimeLimitExceeded
from taskq.ports import Ending, EndingKind, Guard, Job, PoolEvent, SlotLost, SlotReady

PATIENCE_S = 30.0

E = TypeVar("E", bound=PoolEvent)
Bodies = Mapping[str, Callable[[Job], Any]]


@dataclass
class BodiesRunner:
    """Runs the function that the header ``task`` names; a fork brings it into the child."""

    bodies: Bodies
    begin: Callable[[], None] = lambda: None
    end: Callable[[int], None] = lambda _code: None

    def __call__(self, job: Job, guard: Guard | None = None) -> Ending:
        body = self.bodies[job.headers["task"]]
        if guard is None:
            return _success(job, body(job))
        try:
            return _success(job, call_limited(guard, body, (job,), {}))
        except SoftTimeLimitExceeded as error:
            return Ending(job.token, EndingKind.FAILED, summary=repr(error))

    def begin_process(self) -> None:
        self.begin()

    def end_process(self, exitcode: int) -> None:
        self.end(exitcode)

    def is_async(self, job: Job) -> bool:
        return iscoroutinefunction(self.bodies[job.headers["task"]])

    async def awaitable(self, job: Job, guard: Guard | None = None) -> Ending:
        body = self.bodies[job.headers["task"]](job)
        if guard is None:
            return _success(job, await body)
        assert job.soft_time_limit_s is not None
        try:
            return _success(job, await await_limited(body, job.soft_time_limit_s, guard.passed))
        except SoftTimeLimitExceeded as error:
            return Ending(job.token, EndingKind.FAILED, summary=repr(error))


def _success(job: Job, said: object) -> Ending:
    return Ending(job.token, EndingKind.SUCCEEDED, summary=str(said))


class Bench:
    """Gives jobs, collects, and keeps what it was told."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool  # what any pool has, and what tests of prefork look into
        self.clock = SystemClock()
        self.events: list[PoolEvent] = []
        self.longest_call_s = 0.0
        self._token = 0

    def start(self, slots: int, runner: BodiesRunner) -> None:
        """Start the pool and wait until it can work."""
        self.pool.start(slots, runner)
        self.until(lambda: len(self.of(SlotReady)) == slots)

    def job(self, task: str, body: bytes = b"", **more: Any) -> Job:
        """Make a job."""
        self._token += 1
        headers = {"task": task, **more.pop("headers", {})}
        return Job(self._token, headers, body, "application/data", "binary", {}, {}, **more)

    def give(self, slot: int, *tasks: str) -> list[int]:
        """Submit jobs as one batch; returns their tokens."""
        return self.submit(slot, [self.job(task) for task in tasks])

    def submit(self, slot: int, jobs: Sequence[Job]) -> list[int]:
        """Submit, and see how long the pool keeps its caller."""
        before = self.clock.read().elapsed_s
        self.pool.submit(slot, jobs)
        self._spent(before)
        return [job.token for job in jobs]

    def look(self, seconds: float = 0.0) -> list[PoolEvent]:
        """Wait for the pool as the runtime does, and collect once."""
        poll_s = self.pool.poll_s
        select.select(
            self.pool.watched, [], [], seconds if poll_s is None else min(poll_s, seconds)
        )
        before = self.clock.read().elapsed_s
        events = list(self.pool.collect())
        self._spent(before)
        self.events += events
        return events

    def until(self, happened: Callable[[], bool]) -> None:
        """Collect until something has happened."""
        end_s = self.clock.read().elapsed_s + PATIENCE_S
        while not happened():
            assert self.clock.read().elapsed_s < end_s, f"what came: {self.events[-20:]}"
            self.look(1.0)

    def until_ended(self, tokens: Sequence[int]) -> list[str]:
        """Return what the bodies of some jobs said."""
        wanted = set(tokens)
        self.until(lambda: wanted <= {ending.token for ending in self.of(Ending)})
        return [ending.summary for ending in self.of(Ending) if ending.token in wanted]

    def until_lost(self, count: int = 1) -> SlotLost:
        """Wait for a loss; returns the last one."""
        self.until(lambda: len(self.of(SlotLost)) >= count)
        return self.of(SlotLost)[-1]

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def pid(self, slot: int) -> int:
        """Which process a slot has now."""
        return next(event.pid for event in reversed(self.of(SlotReady)) if event.slot == slot)

    def _spent(self, before: float) -> None:
        self.longest_call_s = max(self.longest_call_s, self.clock.read().elapsed_s - before)


def open_files() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))
