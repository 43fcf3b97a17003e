"""Time limits of eager calls: bodies that run in the thread of whoever calls them.

Both limits are raised in the body: the soft one as in every pool; the hard one as ``LimitPassed``,
which is no ``Exception``.  In the main thread a signal interrupts also what waits in C; elsewhere
it comes when that returns.  How the race with a body that just ends goes out: see ``limits.py``.

Eager calls stand in each other, each with limits of its own.  Whose time is over while another
body stands in it hears of it when that one has ended.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from taskq.adapters.pools.limits import INTERRUPT, Clocked, Watcher, warn_of
from taskq.adapters.pools.raising import forget, raise_in_thread
from taskq.errors import SoftTimeLimitExceeded
from taskq.ports import Guard, Job
from taskq.ports.limits import LimitPassed

__all__ = ["EagerLimits"]


class EagerLimits:
    """Keeps the limits of the bodies that one thread runs, one in the other."""

    def __init__(self) -> None:
        self._guards: list[EagerGuard] = []

    @contextmanager
    def watch(self, job: Job) -> Iterator[Guard | None]:
        """Keep the limits of a job."""
        if job.time_limit_s is None and job.soft_time_limit_s is None:
            yield None
            return
        watcher = Watcher()
        watcher.start()
        guard = EagerGuard(self._guards, watcher, job)
        try:
            with _listening(guard):
                try:
                    yield guard
                finally:
                    guard.disarm()
        except asyncio.CancelledError:
            if not guard.is_over:
                raise
            raise LimitPassed from None
        finally:
            watcher.stop()


class _Bell(Clocked):
    """One limit of a guard."""

    def __init__(self, guard: EagerGuard, kind: type[BaseException], limit_s: float) -> None:
        self._guard, self.kind, self.limit_s = guard, kind, limit_s
        self.is_due = self.is_spent = False

    def ring(self) -> bool:
        """Its time is over."""
        return self._guard.ring(self)


class EagerGuard:
    """Guards one body."""

    def __init__(self, guards: list[EagerGuard], watcher: Watcher, job: Job) -> None:
        self._guards, self._watcher, self._job = guards, watcher, job
        self._ident = threading.get_ident()
        self._is_main = threading.current_thread() is threading.main_thread()
        limits = (LimitPassed, job.time_limit_s), (SoftTimeLimitExceeded, job.soft_time_limit_s)
        self._bells = [_Bell(self, kind, at_s) for kind, at_s in limits if at_s is not None]
        self._armed = self._ringing = self._fired = False
        self._cancel: Callable[[], object] | None = None  # the coroutine that runs
        self.is_over = False  # a coroutine is cancelled by its hard limit

    # -- the body's side --------------------------------------------------------------------------

    def arm(self) -> None:
        """The body begins."""
        self._guards.append(self)
        self._armed = True
        now_s = time.monotonic()
        for bell in self._bells:
            self._watcher.add(bell, now_s + bell.limit_s)

    def disarm(self) -> None:
        """The body has ended."""
        self._armed = False
        while self._ringing:
            time.sleep(0)
        if self._fired:
            forget()
        for bell in self._bells:
            self._watcher.drop(bell)
        if self in self._guards:
            self._guards.remove(self)

    def awaits(self, cancel: Callable[[], object] | None) -> None:
        """A coroutine runs in place of a body; its soft limit is the runner's."""
        self._cancel = cancel
        for bell in self._bells:
            if bell.kind is LimitPassed and cancel is not None:
                self._watcher.add(bell, time.monotonic() + bell.limit_s)
            else:
                self._watcher.drop(bell)

    def passed(self) -> None:
        """The soft limit is over, and the body hears of it."""
        warn_of(self._job)

    def hear(self) -> None:
        """The main thread was interrupted."""
        for bell in self._bells:
            if self._armed and bell.is_due and not bell.is_spent:
                bell.is_spent = True
                raise bell.kind

    # -- the watcher's side -----------------------------------------------------------------------

    def ring(self, bell: _Bell) -> bool:
        """Raise what a bell stands for; False: again later."""
        if (cancel := self._cancel) is not None:
            self.is_over = True
            with suppress(RuntimeError):  # its loop has just ended
                cancel()
            return True
        self._ringing = True
        try:
            if not self._armed or bell.is_spent:
                return True
            if self._guards[-1:] != [self]:
                return False  # another body stands in this one
            is_first, bell.is_due = not bell.is_due, True
            if self._is_main:
                signal.pthread_kill(self._ident, INTERRUPT)
            else:
                bell.is_spent = self._fired = True
                raise_in_thread(self._ident, bell.kind)
        finally:
            self._ringing = False
        if is_first and bell.kind is SoftTimeLimitExceeded:
            self.passed()
        return bell.is_spent


@contextmanager
def _listening(guard: EagerGuard) -> Iterator[None]:
    """Let the main thread answer to the signal for as long as a body runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(INTERRUPT, lambda _number, _frame: guard.hear())
    try:
        yield
    finally:
        signal.signal(INTERRUPT, signal.SIG_DFL if before is None else before)
