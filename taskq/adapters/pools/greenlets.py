"""What the pools of gevent and of eventlet have in common: slots that are greenlets.

All run in one thread, the worker's own: while its loop waits for a descriptor, bodies run, and
while a body waits, the loop does.  So everything that waits has to be of the library's making,
which its monkey patches see to (``wiring/patching.py``).  A body that computes holds up the
worker; nothing can be raised in it before it waits.

Coroutine functions are awaited on one event loop, which runs in a greenlet of its own
(``green_loop.py``).
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from selectors import BaseSelector
from typing import Final, Protocol

from taskq.adapters.pools.green_loop import GreenLoop, Queue
from taskq.adapters.pools.in_process import InProcessPool, InProcessSlot
from taskq.adapters.pools.limits import Teller, warn_of
from taskq.adapters.pools.mailbox import Mailbox
from taskq.adapters.pools.raising import Terminated
from taskq.adapters.pools.report import NO_LIMITS, TimeLimits
from taskq.errors import SoftTimeLimitExceeded
from taskq.ports import Clock, Ending, Job, JobRunner, JobStarted, SlotReady

# How long ``stop`` waits for each greenlet that has nothing to do.
STOP_GRACE_S: Final = 2.0


class Thrower(Protocol):
    """A greenlet, as far as both libraries have it."""

    def throw(self, error: BaseException) -> object:
        """Switch to it, and raise there."""


class Timer(Protocol):
    """Something that has been scheduled."""

    def cancel(self) -> None:
        """Do not do it."""


class Library(Protocol):
    """What a library of greenlets is asked for."""

    def new_queue(self) -> Queue:
        """Return a queue without an end."""

    def new_selector(self) -> BaseSelector:
        """Return a selector that lets other greenlets run."""

    def spawn(self, function: Callable[[], None]) -> Thrower:
        """Run in a greenlet of its own, not before the caller waits."""

    def current(self) -> Thrower:
        """Who asks."""

    def throw_soon(self, greenlet: Thrower, error: BaseException) -> None:
        """Raise in a greenlet, not before the caller waits."""

    def call_later(self, seconds: float, function: Callable[[], None]) -> Timer:
        """Call from outside of all greenlets."""

    def join(self, greenlet: Thrower, seconds: float) -> None:
        """Wait for the end of a greenlet, not longer than that."""


class GreenMailbox(Mailbox["GreenletSlot"]):
    """A mailbox whose pipe is read only when there is something in it.

    A patched ``os.read`` waits where the plain one says that it would have to.  No other greenlet
    runs inside of ``put``, so the flag says the truth here.
    """

    def _empty_pipe(self) -> None:
        if self._rung:
            super()._empty_pipe()


class GreenletGuard:
    """Keeps the soft limit of a body that runs in a greenlet.

    Nothing else runs until the body waits, so nothing comes in between its end and ``disarm``.
    """

    def __init__(self, library: Library, job: Job) -> None:
        assert job.soft_time_limit_s is not None, "else there is nothing to guard"
        self._library, self._job = library, job
        self._limit_s = job.soft_time_limit_s
        self._timer: Timer | None = None

    def arm(self) -> None:
        """The body begins."""
        greenlet = self._library.current()

        def ring() -> None:
            self._timer = None
            self.passed()
            greenlet.throw(SoftTimeLimitExceeded())

        self._timer = self._library.call_later(self._limit_s, ring)

    def disarm(self) -> None:
        """The body has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def passed(self) -> None:
        """The limit has passed, and the body hears of it."""
        warn_of(self._job)


class GreenletSlot(InProcessSlot):
    """One greenlet that runs one job after the other."""

    def __init__(
        self,
        number: int,
        run: JobRunner,
        mailbox: Mailbox[GreenletSlot],
        library: Library,
        loop: GreenLoop,
    ) -> None:
        super().__init__(number, run, mailbox)
        self._library, self._loop = library, loop
        self._bell = library.new_queue()  # whether it was the last time
        self.greenlet = library.spawn(self._live)

    def ring(self, *, last: bool = False) -> None:
        """Wake the greenlet."""
        self._bell.put(last)

    def end_body(self) -> None:
        """Raise where the body waits."""
        self._library.throw_soon(self.greenlet, Terminated())

    def _live(self) -> None:
        self.tell(SlotReady(self.number, os.getpid()))
        with suppress(Terminated):  # it came when all had been done
            try:
                self._serve()
            except BaseException as error:  # noqa: BLE001 - the end of a greenlet
                self.tell_lost(error)
            else:
                self.tell_left()

    def _serve(self) -> None:
        while not self._bell.get():
            while (job := self.next_job()) is not None:
                if job.announce:
                    self.tell(JobStarted(job.token, os.getpid()))
                self.tell(self._run_one(job))

    def _run_one(self, job: Job) -> Ending:
        limited = job.soft_time_limit_s is not None
        if self.run.is_async(job):
            return self._loop.run(self.run, job, Teller(job, warn_of) if limited else None)
        return self.run(job, GreenletGuard(self._library, job) if limited else None)


class GreenletPool(InProcessPool[GreenletSlot]):
    """Runs bodies in greenlets of the thread that calls it."""

    def __init__(self, *, clock: Clock, timeouts: TimeLimits = NO_LIMITS) -> None:
        super().__init__(clock=clock, timeouts=timeouts)
        self.mailbox = GreenMailbox()
        self._library = self._load()
        self._loop = GreenLoop(self._library)

    @abstractmethod
    def _load(self) -> Library:
        """Import the library."""

    def _expect_limits(self) -> None:
        """The library looks at the clock."""

    def _open(self, number: int, run: JobRunner) -> GreenletSlot:
        return GreenletSlot(number, run, self.mailbox, self._library, self._loop)

    def _close(self) -> None:
        super()._close()
        self._loop.close(lambda greenlet: self._library.join(greenlet, STOP_GRACE_S))

    def _await_end(self, idle: Sequence[GreenletSlot]) -> None:
        for slot in idle:
            self._library.join(slot.greenlet, STOP_GRACE_S)
