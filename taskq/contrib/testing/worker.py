"""A worker beside a test: ``start_worker`` runs one in a thread and stops it warmly.

It is the worker of production, on whatever broker and pool the test says.  Owned here: that it is
ready when the block begins, that it has proved so, and that nothing of it is left behind the block:
no thread, no process, loggers and streams as they were.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from logging import handlers
from typing import Any, Final

from taskq.app.log import get_logger, mlevel
from taskq.contrib.testing.logs import Records, children_heard, log_here, logging_kept, set_up
from taskq.errors import TaskqError
from taskq.signals import Signal, worker_ready
from taskq.wiring.nodenames import anonymous_name
from taskq.wiring.pools import POOLS
from taskq.worker import WorkController

__all__ = [
    "PING",
    "START_TIMEOUT_S",
    "WORKER_LOGLEVEL",
    "TestWorkController",
    "WorkerThreadError",
    "setup_app_for_worker",
    "start_worker",
    "test_worker_started",
    "test_worker_starting",
    "test_worker_stopped",
]

WORKER_LOGLEVEL: Final = "error"
PING: Final = "celery.ping"

# A worker that is not ready by then is not going to be.
START_TIMEOUT_S: Final = 10.0
# What one worker alone needs none of.
ALONE: Final = {"without_heartbeat": True, "without_mingle": True, "without_gossip": True}

test_worker_starting: Final = Signal(name="test_worker_starting", providing_args=())
test_worker_started: Final = Signal(
    name="test_worker_started", providing_args=("worker", "consumer")
)
test_worker_stopped: Final = Signal(name="test_worker_stopped", providing_args=("worker",))


class WorkerThreadError(TaskqError, RuntimeError):
    """A worker beside a test did not start, or did not end."""


class TestWorkController(WorkController):
    """A worker that says when it is ready, and whose children log here."""

    __test__ = False  # else pytest takes it for tests where it is imported

    class QueueHandler(handlers.QueueHandler):
        """What a forked child logs with."""

    logger_queue: Records | None = None  # where children send records; None: there are none

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._changed = threading.Event()  # it is ready, or it has ended
        self._is_ready = False
        self.error: BaseException | None = None
        super().__init__(*args, **kwargs)

    def start(self) -> int:
        """Work until told to stop; returns the exit code."""
        row = POOLS.get(self.pool_name)
        try:
            with ExitStack() as stack:
                if row is not None and row.processes:
                    self.logger_queue = Records()
                    stack.enter_context(children_heard(self.logger_queue))
                return super().start()
        except BaseException as error:
            self.error = error
            raise
        finally:
            self._changed.set()

    def _begin_child(self, index: int) -> None:
        super()._begin_child(index)
        if self.logger_queue is not None:
            log_here(self.logger_queue, self.QueueHandler)

    def on_consumer_ready(self, consumer: Any) -> None:
        """Say so."""
        self._is_ready = True
        self._changed.set()
        test_worker_started.send(sender=self.app, worker=self, consumer=consumer)

    def ensure_started(self) -> None:
        """Return when it takes messages; raises what kept it from it."""
        self._changed.wait(START_TIMEOUT_S)
        if self.error is not None:
            raise self.error
        if not self._is_ready:
            raise WorkerThreadError(
                f"the worker takes no messages after {START_TIMEOUT_S:g} s; was it started in a"
                " thread, and does its broker run?"
            )


class _Thread:
    """One worker in a thread of its own."""

    def __init__(self, worker: Any) -> None:
        self.worker = worker
        self.error: BaseException | None = None
        self.code: int | None = None
        self.ready = False
        self._changed = threading.Event()  # it is ready, or it has ended
        self._thread = threading.Thread(  # noqa: TID251 - the worker runs beside the test
            target=self._run, name=f"worker {worker.hostname}", daemon=True
        )

    def _run(self) -> None:
        try:
            self.code = self.worker.start()
        except BaseException as error:  # noqa: BLE001 - a boundary: handed to the test's thread
            self.error = error
        finally:
            self._changed.set()

    def start(self) -> None:
        """Return when it is ready; raises ``WorkerThreadError``."""

        def receive(**_arguments: Any) -> None:
            self.ready = True
            self._changed.set()

        worker_ready.connect(receive, sender=self.worker, weak=False)
        try:
            self._thread.start()
            self._changed.wait(START_TIMEOUT_S)
        finally:
            worker_ready.disconnect(receive, sender=self.worker)
        if not self.ready:
            raise WorkerThreadError(f"the worker did not start: {self._why()}") from self.error

    def _why(self) -> str:
        if self.error is not None:
            return repr(self.error)
        if self.code is not None:
            return f"it ended with exit code {self.code}; see its log"
        return f"it was not ready after {START_TIMEOUT_S:g} s; does its broker run?"

    def stop(self, timeout_s: float) -> None:
        """Stop it warmly; raises ``WorkerThreadError`` if one that was ready ends badly."""
        self.worker.stop()
        self._thread.join(timeout_s)
        if self._thread.is_alive() and self.ready:
            raise WorkerThreadError(
                f"the worker did not end within {timeout_s:g} s: a task still runs; wait for its"
                " result in the test, or give a longer shutdown_timeout"
            )
        if self.error is not None and self.ready:
            raise WorkerThreadError(f"the worker ended badly: {self._why()}") from self.error


@contextmanager
def start_worker(  # noqa: PLR0917 - Celery's signature
    app: Any,
    concurrency: int = 1,
    pool: str = "solo",
    loglevel: str | int = WORKER_LOGLEVEL,
    logfile: str | None = None,
    perform_ping_check: bool = True,
    ping_task_timeout: float = 10.0,
    shutdown_timeout: float = 10.0,
    **kwargs: Any,
) -> Iterator[Any]:
    """Run a worker while the block lasts, and give it to the block.

    Everything else is an option of ``app.Worker``; ``WorkController`` is the class of the worker.
    """
    make: Callable[..., Any] = kwargs.pop("WorkController", TestWorkController)
    test_worker_starting.send(sender=app)
    with logging_kept():
        setup_app_for_worker(app, loglevel, logfile)
        if perform_ping_check and PING not in app.tasks:
            app.task(name=PING, shared=False)(pong)
        worker = make(
            app=app,
            concurrency=concurrency,
            pool=pool,
            loglevel=loglevel,
            logfile=logfile,
            **{"hostname": anonymous_name(), **ALONE, **kwargs},
        )
        thread = _Thread(worker)
        try:
            thread.start()
            if perform_ping_check:
                _ping(app, ping_task_timeout)
            yield worker
        finally:
            try:
                thread.stop(shutdown_timeout)
            finally:
                test_worker_stopped.send(sender=app, worker=worker)


def setup_app_for_worker(app: Any, loglevel: str | int, logfile: str | None) -> None:
    """Make the app ready for a worker in this process."""
    app.finalize()
    app.set_current()
    app.set_default()
    if logfile or not app.conf.worker_hijack_root_logger:
        set_up(app, loglevel, logfile)
    # Where the app would take the root logger for itself, its handlers are the test runner's.
    get_logger("taskq").setLevel(mlevel(loglevel))


def pong() -> str:
    """Answer: the body of the task that proves that a worker works."""
    return "pong"


def _ping(app: Any, timeout_s: float) -> None:
    answer = app.tasks[PING].delay().get(timeout=timeout_s, disable_sync_subtasks=False)
    if answer != pong():
        raise WorkerThreadError(f"the worker answered {answer!r} to a ping, not {pong()!r}")
