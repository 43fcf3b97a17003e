"""What a test of a pool stands on: the pool, a world, and a runtime that the test plays.

``ScriptedRunner`` is what the pool runs: the body of a job says what it does.

==================  =========================================================================
body                what it does
==================  =========================================================================
``say x``           succeeds; its summary is ``x``
``sleep 0.2 x``     sleeps first
``raise``           fails; the runner makes the ending of it, as the real one does
``stubborn 9 x``    sleeps; goes on with ``x`` when its soft time limit is raised in it
``deaf 9 x``        sleeps, and once more if anything is raised in it
``slow 0.2 x``      the runner needs so long before the body and after it; the body takes no time
``exit 3``          raises ``SystemExit(3)``, which ends the process that it runs in
``async 0.2 x``     is a coroutine function that sleeps first
``remember x``      says which values ran in this context before, then leaves its own behind
``async-remember``  the same, as a coroutine function
==================  =========================================================================
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

from taskq.errors import SoftTimeLimitExceeded
from taskq.ports import (
    CancelsCoroutines,
    Clock,
    Ending,
    EndingKind,
    Guard,
    Job,
    Pool,
    PoolEvent,
    SlotReady,
)

# Long enough that a pool is busy when it is looked at; short enough to be waited for.
BUSY_S: Final = 0.2
# A pool that has not done its work by then has failed.
PATIENCE_S: Final = 20.0

_seen: Final[ContextVar[str]] = ContextVar("seen", default="nothing")
E_ = TypeVar("E_", bound=PoolEvent)


class Rig(Protocol):
    """A pool that is not started, and its world."""

    pool: Pool
    clock: Clock
    slots: int  # how many it may have at most
    resizes: bool  # whether it grows and shrinks
    ends_bodies: bool  # whether ``terminate`` ends any body

    def wait(self, seconds: float | None) -> None:
        """Let time pass until the pool may have news, and not longer than that."""


@dataclass(frozen=True, slots=True)
class ScriptedRunner:
    """Does what the body of a job says."""

    sleep: Callable[[float], None]

    def __call__(self, job: Job, guard: Guard | None = None) -> Ending:
        """Run here and now."""
        verb, _, rest = job.body.decode().partition(" ")
        if verb.startswith("async"):
            return asyncio.run(self._cancellable(job, verb, rest, guard))
        if verb == "raise":
            return Ending(job.token, EndingKind.FAILED, summary="ValueError()")
        if verb == "exit":
            raise SystemExit(int(rest))
        if verb == "remember":
            rest = _remember(rest)
        elif verb != "say":
            return self._take_time(job, verb, rest, guard)
        return Ending(job.token, EndingKind.SUCCEEDED, summary=rest)

    async def _cancellable(self, job: Job, verb: str, rest: str, guard: Guard | None) -> Ending:
        """Do as the real runner does on a loop of its own."""
        if not isinstance(guard, CancelsCoroutines):
            return await self._coroutine(job, verb, rest)
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None, "a coroutine runs in a task"
        guard.awaits(partial(loop.call_soon_threadsafe, task.cancel))
        try:
            return await self._coroutine(job, verb, rest)
        finally:
            guard.awaits(None)

    def _take_time(self, job: Job, verb: str, rest: str, guard: Guard | None) -> Ending:
        """Do as the real runner does with the guard of a job that has a soft time limit."""
        time, _, rest = rest.partition(" ")
        around_s, body_s = (float(time), 0.0) if verb == "slow" else (0.0, float(time))
        self.sleep(around_s)
        try:
            if guard is not None:
                guard.arm()
            self._body(verb, body_s)
            if guard is not None:
                guard.disarm()
        except SoftTimeLimitExceeded:
            assert guard is not None, "only a pool that was asked to raises it"
            guard.disarm()
            return Ending(job.token, EndingKind.FAILED, summary="soft limit")
        self.sleep(around_s)
        return Ending(job.token, EndingKind.SUCCEEDED, summary=rest)

    def _body(self, verb: str, seconds: float) -> None:
        try:
            self.sleep(seconds)
        except SoftTimeLimitExceeded:
            if verb != "stubborn":
                raise
        except BaseException:
            if verb != "deaf":
                raise
            self.sleep(seconds)

    def begin_process(self) -> None:
        """Nothing to prepare."""

    def end_process(self, exitcode: int) -> None:
        """Nothing to put away."""

    def is_async(self, job: Job) -> bool:
        """Whether the body is a coroutine function."""
        return job.body.startswith(b"async")

    async def awaitable(self, job: Job, guard: Guard | None = None) -> Ending:
        """Run on the caller's loop; what soft limits do to coroutines is the real runner's."""
        del guard
        verb, _, rest = job.body.decode().partition(" ")
        return await self._coroutine(job, verb, rest)

    async def _coroutine(self, job: Job, verb: str, rest: str) -> Ending:
        if verb == "async-remember":
            rest = _remember(rest)
        else:
            seconds, _, rest = rest.partition(" ")
            await asyncio.sleep(float(seconds))
        return Ending(job.token, EndingKind.SUCCEEDED, summary=rest)


def _remember(value: str) -> str:
    before = _seen.get()
    _seen.set(value)
    return before


class Driver:
    """Plays the runtime: gives jobs, collects, and keeps all that it was told."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.pool = rig, rig.pool
        self.events: list[PoolEvent] = []
        self._token = 0

    def start(self, slots: int) -> list[int]:
        """Start the pool; returns the numbers of its slots when they are ready."""
        self.pool.start(slots, ScriptedRunner(self.rig.clock.sleep))
        self.until(lambda: len(self.of(SlotReady)) >= slots)
        return [event.slot for event in self.of(SlotReady)]

    def give(
        self, slot: int, *bodies: str, announce: bool = False, soft_s: float | None = None
    ) -> list[int]:
        """Submit one batch; returns its tokens."""
        jobs = [self._job(body, announce=announce, soft_s=soft_s) for body in bodies]
        self.pool.submit(slot, jobs)
        return [job.token for job in jobs]

    def collect(self) -> None:
        """Look once."""
        self.events += self.pool.collect()

    def until(self, happened: Callable[[], bool]) -> None:
        """Collect until something has happened; fail when it does not."""
        end_s = self.rig.clock.read().elapsed_s + PATIENCE_S
        self.collect()
        while not happened():
            left_s = end_s - self.rig.clock.read().elapsed_s
            assert left_s > 0, f"waited {PATIENCE_S} s; what came: {self.events}"
            poll_s = self.pool.poll_s
            self.rig.wait(left_s if poll_s is None else min(poll_s, left_s))
            self.collect()

    def until_came(self, kind: type[PoolEvent], count: int) -> None:
        """Collect until so many events of one kind have come."""
        self.until(lambda: len(self.of(kind)) >= count)

    def until_ended(self, tokens: Sequence[int]) -> list[Ending]:
        """Return the endings of some jobs, in the order in which they came."""
        wanted = set(tokens)
        self.until(lambda: wanted <= {ending.token for ending in self.of(Ending)})
        return [ending for ending in self.of(Ending) if ending.token in wanted]

    def of(self, kind: type[E_]) -> list[E_]:
        """Return the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def _job(self, body: str, *, announce: bool, soft_s: float | None) -> Job:
        self._token += 1
        return Job(
            self._token,
            headers={"task": body.partition(" ")[0], "id": f"id-{self._token}"},
            body=body.encode(),
            content_type="application/json",
            content_encoding="utf-8",
            properties={},
            delivery_info={},
            soft_time_limit_s=soft_s,
            announce=announce,
        )
