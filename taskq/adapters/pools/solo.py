"""The solo pool: bodies run inside ``collect``, in the worker's own thread.

While a body runs, nothing else does: no other message is taken and no command is answered.  One
slot, one job for each call.  So no body can be terminated, and no hard time limit is kept; a soft
one is, where the caller is the main thread, which a signal can interrupt.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from taskq.adapters.pools.limits import SignalGuard, Watcher, warn_of
from taskq.adapters.pools.report import NO_LIMITS, TimeLimits, report
from taskq.ports import (
    Clock,
    Ending,
    Job,
    JobRunner,
    JobsReturned,
    JobStarted,
    PoolEvent,
    SlotLost,
    SlotReady,
)

log = logging.getLogger(__name__)

SLOT: Final = 0


class SoloPool:
    """Runs bodies where it is called."""

    def __init__(self, *, clock: Clock, timeouts: TimeLimits = NO_LIMITS) -> None:
        self._clock, self._timeouts = clock, timeouts
        self._watcher = Watcher()
        self._run: JobRunner | None = None
        self._jobs: deque[Job] = deque()
        self._events: list[PoolEvent] = []
        self._announced = False  # the first job in the queue has been
        self._stopping = False
        self._restarting = False

    @property
    def watched(self) -> Sequence[int]:
        """Nothing happens outside of ``collect``."""
        return ()

    @property
    def poll_s(self) -> float | None:
        """At once while there is work."""
        return 0.0 if self._jobs or self._events else None

    @property
    def keeps_limits(self) -> tuple[bool, bool]:
        """Nobody is there to end a body that runs; something can be raised in the main thread."""
        return False, threading.current_thread() is threading.main_thread()

    def start(self, slots: int, run: JobRunner) -> None:
        """Be ready."""
        assert self._run is None, "a pool is started once"
        if slots != 1:
            log.warning("the solo pool has one slot; a concurrency of %d has no effect", slots)
        self._run = run
        self._events.append(SlotReady(SLOT, os.getpid()))

    def submit(self, slot: int, jobs: Sequence[Job]) -> None:
        """Keep them for ``collect``."""
        if self._stopping or slot != SLOT:
            tokens = tuple(job.token for job in jobs)
            self._events.append(SlotLost(slot, (), tokens, "there is no such slot", expected=True))
        else:
            self._jobs.extend(jobs)

    def recall(self, slot: int) -> None:
        """Give back what waits, but for a job that was said to begin."""
        if slot != SLOT:
            self._events.append(JobsReturned(slot, ()))
            return
        returned = list(self._jobs)[1 if self._announced else 0 :]
        for _ in returned:
            self._jobs.pop()
        self._events.append(JobsReturned(SLOT, tuple(job.token for job in returned)))
        self._leave_if_done()

    def collect(self) -> Sequence[PoolEvent]:
        """Run the next job, unless there is something to tell before."""
        if not self._events and self._jobs:
            self._step()
        events, self._events = self._events, []
        return events

    def grow(self, count: int = 1) -> None:
        """Refuse."""
        raise NotImplementedError(f"the solo pool has one slot; it cannot grow by {count}")

    def shrink(self, count: int = 1) -> None:
        """Refuse."""
        raise NotImplementedError(f"the solo pool has one slot; it cannot shrink by {count}")

    def restart(self) -> None:
        """Say that the slot is a new one, when it has done what it was given."""
        self._restarting = True
        self._leave_if_done()

    def terminate(self, slot: int, signal: int) -> None:
        """Do nothing: the caller is the thread that a body would run in, so none runs."""
        log.error("the solo pool cannot end slot %d with signal %d", slot, signal)

    def stop(self, *, at_once: bool = False) -> None:
        """Take no more; with ``at_once`` what waits comes back."""
        self._stopping = True
        if at_once or not self._jobs:
            self._leave("the worker stops")
        self._watcher.stop()

    def describe(self) -> Mapping[str, Any]:
        """What there is to say."""
        return report(self, slots=1, pids=[os.getpid()], timeouts=self._timeouts)

    def _step(self) -> None:
        job = self._jobs[0]
        if job.announce and not self._announced:
            self._announced = True
            self._events.append(JobStarted(job.token, os.getpid()))
            return
        assert self._run is not None, "start() comes first"
        self._announced = False
        self._jobs.popleft()
        try:
            self._events.append(self._run_one(self._run, job))
        except (SystemExit, KeyboardInterrupt) as error:
            self._lose(job, error)
        self._leave_if_done()

    def _run_one(self, run: JobRunner, job: Job) -> Ending:
        if job.soft_time_limit_s is None or not self.keeps_limits[1]:
            return run(job)
        self._watcher.start()
        SignalGuard.listen()
        return run(job, SignalGuard(self._watcher, job, warn_of))

    def _leave_if_done(self) -> None:
        if self._jobs:
            return
        if self._stopping:
            self._leave("the worker stops")
        elif self._restarting:
            self._restarting = False
            self._leave("the pool restarts")
            self._events.append(SlotReady(SLOT, os.getpid()))

    def _lose(self, job: Job, error: BaseException) -> None:
        """The body wanted its process to end.  This one is the worker; it only loses the job."""
        unstarted = tuple(waiting.token for waiting in self._jobs)
        self._jobs.clear()
        reason = f"the body raised {error!r}"
        self._events.append(SlotLost(SLOT, (job.token,), unstarted, reason))
        self._events.append(SlotReady(SLOT, os.getpid()))

    def _leave(self, reason: str) -> None:
        unstarted = tuple(job.token for job in self._jobs)
        self._jobs.clear()
        self._events.append(SlotLost(SLOT, (), unstarted, reason, expected=True))
