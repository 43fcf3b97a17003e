"""Runs a pool of the program's own (``concurrency.BasePool``) behind the port of pools.

A slot here is a place for one function at a time; the pool behind it is given a function that runs
the job, and calls back with its ending, from whichever thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Final

from taskq.adapters.pools.in_process import InProcessPool, InProcessSlot
from taskq.adapters.pools.mailbox import Mailbox
from taskq.ports import Clock, Ending, EndingKind, Job, JobRunner, JobStarted, SlotReady
from taskq.worker.concurrency import BasePool

__all__ = ["ForeignPool"]

# Number -> who runs jobs.  By number, because a pool of processes pickles what it is given; those
# that are forked find it here.
_runners: Final[dict[int, JobRunner]] = {}
_numbers: Final = count()


def run_job(number: int, job: Job) -> Ending:
    """Run a job, wherever the pool has brought us."""
    return _runners[number](job)


class ForeignSlot(InProcessSlot):
    """One function at a time."""

    def __init__(
        self,
        number: int,
        run: JobRunner,
        mailbox: Mailbox[ForeignSlot],
        pool: BasePool,
        runner: int,
    ) -> None:
        super().__init__(number, run, mailbox)
        self._pool, self._runner = pool, runner
        self._lock = threading.Lock()
        self._busy = self._last = self._gone = False
        self._giving = 0  # the thread that gives a job to the pool just now
        self._pid: int | None = None
        self.tell(SlotReady(number, os.getpid()))

    def ring(self, *, last: bool = False) -> None:
        """Begin what there is, unless something runs."""
        self._last = self._last or last
        self._go_on()

    def _go_on(self) -> None:
        while (job := self._begin()) is not None:
            self._giving = threading.get_ident()
            try:
                self._give(job)
            finally:
                self._giving = 0

    def _begin(self) -> Job | None:
        """Take the next job; None where one runs, or there is none."""
        with self._lock:
            if self._busy or self._gone:
                return None
            job = self.next_job()
            self._busy = job is not None
            if job is None and self._last:
                self._gone = True
                self.tell_left()
            return job

    def _give(self, job: Job) -> None:
        def accepted(pid: int | None = None, *_when: Any) -> None:
            self._pid = pid or os.getpid()
            if job.announce:
                self.tell(JobStarted(job.token, self._pid))

        def ended(ending: Any) -> None:
            self.tell(ending)
            self._rest()

        def failed(error: BaseException) -> None:
            self.tell(Ending(job.token, EndingKind.LOST, summary=f"its pool failed: {error!r}"))
            self._rest()

        self._pool.apply_async(
            run_job,
            (self._runner, job),
            {},
            callback=ended,
            accept_callback=accepted,
            error_callback=failed,
            timeout=job.time_limit_s,
            soft_timeout=job.soft_time_limit_s,
        )

    def _rest(self) -> None:
        with self._lock:
            self._busy = False
            self._pid = None
        # A pool that runs it at once comes back while it is given: then who gives it goes on.
        if self._giving != threading.get_ident():
            self._go_on()

    def end_body(self) -> None:
        """Ask the pool to end it."""
        if self._pid is not None and self._pid != os.getpid():
            self._pool.terminate_job(self._pid)


class ForeignPool(InProcessPool[ForeignSlot]):
    """Runs bodies in a pool of the program's own."""

    def __init__(
        self,
        make: Callable[..., BasePool],
        *,
        clock: Clock,
        app: Any,
        timeouts: tuple[float | None, float | None] = (None, None),
        **options: Any,
    ) -> None:
        super().__init__(clock=clock, timeouts=timeouts)
        self._make, self._app, self._options = make, app, options
        self._number = next(_numbers)
        self.inner: BasePool | None = None

    @property
    def keeps_limits(self) -> tuple[bool, bool]:
        """Hard ones as far as the pool can end what runs; soft ones are its own business."""
        overrides = self.inner is not None and (
            type(self.inner).terminate_job is not BasePool.terminate_job
        )
        return overrides, False

    def start(self, slots: int, run: JobRunner) -> None:
        """Make the pool, and the slots in front of it."""
        _runners[self._number] = run
        self.inner = self._make(slots, app=self._app, **self._options)
        self.inner.start()
        if not self.inner.did_start_ok():
            raise RuntimeError(f"{type(self.inner).__name__} did not start")
        super().start(self.inner.num_processes, run)

    def _open(self, number: int, run: JobRunner) -> ForeignSlot:
        assert self.inner is not None, "start() comes first"
        return ForeignSlot(number, run, self.mailbox, self.inner, self._number)

    def _expect_limits(self) -> None:
        """Soft limits are the pool's own business."""

    def _await_end(self, idle: Sequence[ForeignSlot]) -> None:
        """They have told already."""

    def stop(self, *, at_once: bool = False) -> None:
        """Let all slots go; with ``at_once`` end what runs."""
        super().stop(at_once=at_once)
        if at_once and self.inner is not None and self.inner.active:
            self.inner.terminate()

    def _close(self) -> None:
        super()._close()
        if self.inner is not None and self.inner.active:
            self.inner.close()
            self.inner.stop()
        _runners.pop(self._number, None)

    def describe(self) -> Mapping[str, Any]:
        """What the pool says of itself."""
        return {**super().describe(), **({} if self.inner is None else self.inner.info)}
