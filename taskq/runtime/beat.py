"""Beat in this process, or beside a worker.

Owned here: waiting for time or a nudge, the process that a worker keeps for its beat.  Not owned:
what is done (``app.beat``), what a signal of the operating system means to the program
(``wiring.beat``).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, ClassVar, Final, NoReturn

from taskq.app.beat import PersistentScheduler as KeepingScheduler
from taskq.app.beat import Service as AnyService
from taskq.app.beat import beat_nodename
from taskq.app.beat.pidbox import BeatPidbox
from taskq.app.log import get_logger
from taskq.runtime.process import signals_to
from taskq.runtime.schedule_file import ScheduleFile
from taskq.runtime.waiter import Waiter

__all__ = [
    "BeatProcess",
    "BeatThread",
    "EmbeddedService",
    "PersistentScheduler",
    "Service",
    "beat_beside",
]

# What a worker's beat leaves with when it could not go on.
FAILED: Final = 1
# How it is called in the log.
NAME: Final = "Beat"
# How long it may take to end, and how often it is looked after meanwhile.
END_S: Final = 10.0
LOOK_S: Final = 0.02


class PersistentScheduler(KeepingScheduler):
    """Remembers last runs over restarts, in a file."""

    persistence: ClassVar[Any] = ScheduleFile


class Service(AnyService):
    """Beat as one process runs it: waits for time, or for ``stop``."""

    # Where something becomes readable when the one for whom it works is gone.
    watched: Collection[int] = ()
    _pidbox: BeatPidbox | None = None

    def stop(self, wait: bool = False) -> None:
        """Ask it to end; may be called from a signal handler or another thread."""
        self._is_shutdown.set()
        self._waiter.nudge()
        super().stop(wait)

    def on_signal(self) -> None:
        """End as TERM and INT ask: after what is being done, or the second time at once.

        Raises ``SystemExit`` where nobody would hear ``stop``: a receiver waits for a lock, say.
        """
        if not self.is_working or self._is_shutdown.is_set():
            raise SystemExit(0)
        self.stop()

    def start(self, embedded_process: bool = False) -> None:
        """Send what is due until somebody stops it."""
        if self.remote_control:
            self._pidbox = BeatPidbox(self, beat_nodename(self.hostname))
            self._pidbox.start()
        try:
            super().start(embedded_process)
        finally:
            if self._pidbox is not None:
                self._pidbox.stop()
            self._waiter.close()

    def _rest(self, seconds: float) -> None:
        until_s = self._now_s() + seconds
        while not self._is_shutdown.is_set() and (left_s := until_s - self._now_s()) > 0:
            self._wait(left_s)

    def _wait(self, seconds: float) -> None:
        pidbox = self._pidbox
        if pidbox is None:
            readable = self._waiter.wait(seconds, self.watched)
        else:
            seconds = max(0.0, min(seconds, pidbox.wake_at_s - self._now_s()))
            readable = self._waiter.wait(seconds, {*self.watched, *pidbox.watched})
            pidbox.hear(readable)
        if readable & set(self.watched):
            self._is_shutdown.set()

    def _now_s(self) -> float:
        now_s: float = self.app.ports.clock.read().elapsed_s
        return now_s

    @cached_property
    def _waiter(self) -> Waiter:
        return Waiter()


class BeatProcess:
    """Beat in a child of this process; it ends with its parent, however that ends."""

    def __init__(self, app: Any, **options: Any) -> None:
        self._app, self._options = app, options
        self.pid: int | None = None
        self._lives: int | None = None  # the end of a pipe whose closing is the parent's death

    def start(self) -> None:
        """Begin.  Call it before there are threads and connections."""
        reads, self._lives = os.pipe()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # else both processes would write it
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._lives)
            self._live(reads)
        os.close(reads)

    def stop(self) -> None:
        """Let it write its file, and wait for its end."""
        if self.pid is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            # What it was sending is written down, so that it may be killed.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
            if self._has_ended():
                break
        self.pid = None
        if self._lives is not None:
            os.close(self._lives)
            self._lives = None

    def _has_ended(self) -> bool:
        assert self.pid is not None, "it was started"
        clock = self._app.ports.clock
        until_s = clock.read().elapsed_s + END_S
        try:
            while os.waitpid(self.pid, os.WNOHANG)[0] == 0:
                if clock.read().elapsed_s > until_s:
                    return False
                clock.sleep(LOOK_S)
        except ChildProcessError:
            pass  # somebody else has seen its end
        return True

    def _live(self, parent: int) -> NoReturn:
        code = FAILED
        multiprocessing.current_process().name = NAME
        try:
            self._app.leave_ports_to_parent()
            service = Service(self._app, **self._options)
            service.watched = (parent,)
            with signals_to({signal.SIGTERM: service.on_signal, signal.SIGINT: service.on_signal}):
                service.start(embedded_process=True)
            code = 0
        except Exception as error:  # noqa: BLE001 - the process ends, and says why
            get_logger("taskq.beat").critical("beat ends: %s: %s", type(error).__name__, error)
            get_logger("taskq.beat").debug("beat ends", exc_info=True)
        except BaseException:  # noqa: BLE001 - as above
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            # Not sys.exit: what the parent registered with atexit is the parent's.
            os._exit(code)


@contextmanager
def beat_beside(app: Any, options: Mapping[str, Any] | None) -> Iterator[None]:
    """Have a beat for as long as the block lasts, if there is to be one.

    Enter it before there are threads, connections and handlers of signals: it forks.
    """
    if options is None:
        yield
        return
    beat = BeatProcess(app, **options)
    beat.start()
    try:
        yield
    finally:
        beat.stop()


class BeatThread(threading.Thread):  # noqa: TID251 - it runs a whole service
    """Beat in a thread of this process."""

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(name="Beat", daemon=True)
        self.service = Service(app, **options)

    def run(self) -> None:
        """Work until it is stopped."""
        self.service.start()

    def stop(self) -> None:
        """End, and wait for the end."""
        self.service.stop(wait=True)


def EmbeddedService(  # noqa: N802 - Celery's name
    app: Any, max_interval: float | None = None, **kwargs: Any
) -> BeatProcess | BeatThread:
    """Return a beat to ``start`` and ``stop``: a process, or with ``thread=True`` a thread."""
    in_thread = kwargs.pop("thread", False)
    kind = BeatThread if in_thread else BeatProcess
    return kind(app, max_interval=max_interval, **kwargs)
