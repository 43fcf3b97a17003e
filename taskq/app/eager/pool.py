"""The pool of an eager run: one slot, in the thread that calls.

What is no ``Exception`` and leaves a body goes to the caller (a ``KeyboardInterrupt``, the outcome
of a test), but for two: ``SystemExit`` ends the process of a worker's child, so the task is lost
here as well; ``LimitPassed`` is how a ``Limiter`` ends a body at its hard limit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from taskq.ports import (
    Ending,
    Guard,
    Job,
    JobRunner,
    JobsReturned,
    JobStarted,
    PoolEvent,
    SlotLost,
    SlotReady,
)
from taskq.ports.limits import Limiter, LimitPassed

__all__ = ["EagerPool", "NoLimits"]

SLOT: Final = 0


class NoLimits:
    """Keeps none."""

    def watch(self, job: Job) -> AbstractContextManager[Guard | None]:  # noqa: ARG002 - of all
        """Let it run."""
        return nullcontext()


class EagerPool:
    """The ``Pool`` port."""

    watched: Sequence[int] = ()
    keeps_limits = (True, True)

    def __init__(self, limiter: Limiter, pid: int) -> None:
        self._limiter, self._pid = limiter, pid
        self._run: JobRunner | None = None
        self._jobs: deque[Job] = deque()
        self._events: list[PoolEvent] = []
        self._hanging: Job | None = None  # ended at its hard limit; the core is about to say so

    @property
    def poll_s(self) -> float | None:
        """At once while there is work."""
        return 0.0 if self.is_busy else None

    @property
    def is_busy(self) -> bool:
        """Whether ``collect`` has something to do."""
        return bool(self._events or (self._jobs and self._hanging is None))

    def start(self, slots: int, run: JobRunner) -> None:
        """Be ready."""
        assert slots == 1, "the caller is one thread"
        self._run = run
        self._events.append(SlotReady(SLOT, self._pid))

    def submit(self, slot: int, jobs: Sequence[Job]) -> None:
        """Keep them for ``collect``."""
        assert slot == SLOT, "there is no other"
        self._jobs.extend(jobs)

    def recall(self, slot: int) -> None:
        """Give back what has not begun."""
        tokens = tuple(job.token for job in self._jobs)
        self._jobs.clear()
        self._events.append(JobsReturned(slot, tokens))

    def collect(self) -> Sequence[PoolEvent]:
        """Run the next job, unless there is something to tell before."""
        if not self._events and self._jobs and self._hanging is None:
            self._step(self._jobs.popleft())
        events, self._events = self._events, []
        return events

    def _step(self, job: Job) -> None:
        assert self._run is not None, "start() comes first"
        if job.announce:
            self._events.append(JobStarted(job.token, self._pid))
        try:
            with self._limiter.watch(job) as guard:
                ending: Ending = self._run(job, guard)
        except LimitPassed:
            self._hanging = job
        except SystemExit as error:
            self._lose((job,), f"the body raised {error!r}", expected=False)
        else:
            self._events.append(ending)

    def terminate(self, slot: int, signal: int) -> None:  # noqa: ARG002 - there is one slot
        """Tell of the body that its limit has ended; another one does not run now."""
        if self._hanging is not None:
            job, self._hanging = self._hanging, None
            self._lose((job,), f"terminated by signal {signal}", expected=True)

    def _lose(self, started: Sequence[Job], reason: str, *, expected: bool) -> None:
        tokens, unstarted = (tuple(job.token for job in jobs) for jobs in (started, self._jobs))
        self._jobs.clear()
        self._events.append(SlotLost(SLOT, tokens, unstarted, reason, expected))
        self._events.append(SlotReady(SLOT, self._pid))

    def grow(self, count: int = 1) -> None:
        """Nobody asks for it."""
        raise NotImplementedError(f"the caller is one thread; it cannot grow by {count}")

    def shrink(self, count: int = 1) -> None:
        """Nobody asks for it."""
        raise NotImplementedError(f"the caller is one thread; it cannot shrink by {count}")

    def restart(self) -> None:
        """Nobody asks for it."""
        raise NotImplementedError("the caller's thread cannot be restarted")

    def stop(self, *, at_once: bool = False) -> None:
        """Nothing runs by itself."""

    def describe(self) -> Mapping[str, Any]:
        """What there is to say."""
        return {"implementation": "eager", "max-concurrency": 1}
