"""Soft time limits of bodies that run in threads: who looks at the clock, and how it is raised.

``Watcher`` is a thread that sleeps until the first of some limits is over.  It is there only in a
pool, or in a child, that has been given a job with such a limit.  Two guards are rung by it:

* ``ThreadGuard``: the exception comes at the next bytecode of the body's thread;
* ``SignalGuard``: for the main thread, where a signal interrupts also what waits in C.

The end of the race
-------------------
A guard is used by two threads without a lock, for the body's thread can be hit by the exception
anywhere, also inside of a lock.  So each side first says what it does, and then looks at the
other.  Stores and loads of one process are seen in one order by all of its threads (the
interpreter sees to that), so at least one of the two sees the other:

====================================  ====================================
who raises (``ring``, ``terminate``)  body's thread, ``disarm``
====================================  ====================================
1  raising = True                     a  armed = False
2  armed?  no: nothing is done        b  raising?  yes: wait until it is not
3  yes: fired = True, and the         c  fired?  yes: if it has not come by
   exception is on its way               now, it is taken back
4  raising = False
====================================  ====================================

After c nothing is on its way.  The exception may come between a and c; then ``disarm`` has not
returned, and whoever called it calls it again.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from math import inf
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias

from taskq.adapters.pools.raising import Terminated, forget, raise_in_thread
from taskq.errors import SoftTimeLimitExceeded
from taskq.ports import Ending, Job, JobRunner

log = logging.getLogger(__name__)

# Called by the watcher (by the body's own thread for a coroutine) when a limit has passed.
Tell: TypeAlias = Callable[[Job], None]

# How soon the watcher looks again where a guard could not do what it should.
LOOK_AGAIN_S: Final = 0.05
# By default nothing happens at this signal, so one that comes late does no harm; and unlike the
# alarm it is not what bodies use for limits of their own.
INTERRUPT: Final = signal.SIGURG


class Watcher:
    """A thread that rings guards at their time."""

    def __init__(self) -> None:
        self._due: dict[Clocked, float] = {}
        self._next_s = inf  # until when it sleeps
        self._bell: SimpleQueue[bool] = SimpleQueue()  # whether it was the last time
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Be there.  Not called by a thread in which something may be raised."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._live, name="taskq-limits", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Nothing follows."""
        self._bell.put(True)

    # Both are called inside of ``arm`` and ``disarm``: nothing but single steps in C.

    def add(self, guard: Clocked, at_s: float) -> None:
        """Ring this guard."""
        self._due[guard] = at_s
        if at_s < self._next_s:
            self._bell.put(False)

    def drop(self, guard: Clocked) -> None:
        """Do not ring it."""
        self._due.pop(guard, None)

    def _live(self) -> None:
        # Signals are for the thread that runs the body, so that they interrupt it.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        is_over = False
        while not is_over:
            # Whoever is added during the look rings the bell.
            self._next_s = inf
            self._next_s = self._look()
            wait_s = None if self._next_s == inf else max(0.0, self._next_s - time.monotonic())
            try:
                is_over = self._bell.get(timeout=wait_s)
            except Empty:
                continue

    def _look(self) -> float:
        """Ring those whose time is over; returns when the next one's is."""
        now_s, next_s = time.monotonic(), inf
        for guard, at_s in list(self._due.items()):
            if at_s > now_s:
                next_s = min(next_s, at_s)
            elif guard.ring():
                self.drop(guard)
            else:
                next_s = min(next_s, now_s + LOOK_AGAIN_S)
        return next_s


class Clocked(ABC):
    """A guard that a watcher rings."""

    _armed = False

    @abstractmethod
    def ring(self) -> bool:
        """The limit is over; called by the watcher.  False: again later."""


class Teller:
    """A guard of a coroutine that the pool ends otherwise."""

    def __init__(self, job: Job, tell: Tell) -> None:
        self._job, self._tell = job, tell

    def arm(self) -> None:
        """It is for coroutines."""

    def disarm(self) -> None:
        """It is for coroutines."""

    def passed(self) -> None:
        """The limit is over, and the body hears of it."""
        self._tell(self._job)


class ThreadGuard(Clocked):
    """Guards the bodies that one thread runs, one after the other.

    Besides the limits of jobs it lets the pool end the thread: by ``Terminated`` in a body, or
    instead of one; a coroutine is cancelled.
    """

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._ident = 0
        self._job: Job | None = None
        self._limit_s: float | None = None
        self._spent = False  # the limit has been raised
        self._doomed = False  # the thread is to end
        # Whether somebody is about to raise something: the watcher, the pool.
        self._ringing = self._ending = False
        self._fired = False
        self._cancel: Callable[[], object] | None = None  # the coroutine that runs

    def run(self, run: JobRunner, job: Job) -> Ending:
        """Run a job in the thread that calls."""
        self._ident = threading.get_ident()
        self._job, self._fired, self._spent = job, False, False
        self._limit_s = job.soft_time_limit_s
        return run(job, self)

    def arm(self) -> None:
        """The body begins."""
        self._armed = True
        if self._doomed:
            self.disarm()
            raise Terminated
        if self._limit_s is not None:
            self._watcher.add(self, time.monotonic() + self._limit_s)

    def disarm(self) -> None:
        """See "The end of the race"."""
        self._armed = False
        while self._ringing or self._ending:
            time.sleep(0)
        if self._fired:
            forget()
        self._watcher.drop(self)

    def ring(self) -> bool:
        """See "The end of the race"."""
        self._ringing = True
        try:
            if not self._armed or self._spent:
                return True  # the body has ended at this moment
            self._spent = self._fired = True
            raise_in_thread(self._ident, SoftTimeLimitExceeded)
        finally:
            self._ringing = False
        self.passed()
        return True

    def terminate(self) -> None:
        """End the body, and the thread; called by the pool, once."""
        self._ending = True
        try:
            self._doomed = True
            if self._armed:
                self._fired = True
                raise_in_thread(self._ident, Terminated)
        finally:
            self._ending = False
        self._cancel_coroutine()

    def awaits(self, cancel: Callable[[], object] | None) -> None:
        """A coroutine runs in place of a body, or no longer."""
        self._cancel = cancel
        if self._doomed:
            self._cancel_coroutine()

    def _cancel_coroutine(self) -> None:
        cancel = self._cancel
        if cancel is not None:
            with suppress(RuntimeError):  # its loop has just ended
                cancel()

    def passed(self) -> None:
        """The limit is over, and the body hears of it."""
        if self._job is not None:
            warn_of(self._job)


class SignalGuard(Clocked):
    """Guards one body that runs in the main thread."""

    def __init__(self, watcher: Watcher, job: Job, tell: Tell) -> None:
        assert job.soft_time_limit_s is not None, "else there is nothing to guard"
        self._watcher, self._job, self._tell = watcher, job, tell
        self._limit_s = job.soft_time_limit_s

    _current: SignalGuard | None = None  # of the body that runs now; there is one main thread
    _is_due = False

    @classmethod
    def listen(cls) -> None:
        """Answer to the signal from now on; called by the main thread."""
        if signal.getsignal(INTERRUPT) != cls._interrupted:
            signal.signal(INTERRUPT, cls._interrupted)

    @staticmethod
    def _interrupted(_number: int, _frame: object) -> None:
        if SignalGuard._current is not None:
            SignalGuard._current.hear()

    def arm(self) -> None:
        """The body begins."""
        SignalGuard._current = self
        self._armed = True
        self._watcher.add(self, time.monotonic() + self._limit_s)

    def disarm(self) -> None:
        """The body has ended; a signal that comes now finds nothing to do."""
        self._armed = False
        self._watcher.drop(self)
        SignalGuard._current = None

    def hear(self) -> None:
        """The main thread was interrupted."""
        if self._armed and self._is_due:
            self._armed = False
            raise SoftTimeLimitExceeded

    def ring(self) -> bool:
        """Interrupt the main thread, until it has heard."""
        if not self._armed:
            return True
        is_first, self._is_due = not self._is_due, True
        signal.pthread_kill(threading.main_thread().ident or 0, INTERRUPT)
        if is_first:
            self.passed()
        return False

    def passed(self) -> None:
        """The limit is over, and the body hears of it."""
        self._tell(self._job)


# -- what is told --------------------------------------------------------------------------------


def warn_of(job: Job) -> None:
    """Write into the log that the limit of a job has passed."""
    warn_of_limit(job.soft_time_limit_s, job.headers.get("task"), job.headers.get("id"))


def warn_of_limit(limit_s: float | None, name: object, task_id: object) -> None:
    """Write the line that Celery writes."""
    shown = (_shown(name), _shown(task_id))
    log.warning("Soft time limit (%gs) exceeded for %s[%s]", limit_s, *shown)


def _shown(value: object) -> str:
    """Whatever a message says, it fills one line."""
    text = str(value)
    return text if text.isprintable() else ascii(text)
