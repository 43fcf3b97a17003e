"""A worker beside a test: ``start_worker`` runs one in a thread and stops it warmly.

For tests against a real broker, as Celery's users write them.  Tests that need neither broker nor
waiting use ``taskq_testing``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from taskq.app.log import get_logger, mlevel
from taskq.errors import TaskqError
from taskq.signals import Signal, worker_ready

WORKER_LOGLEVEL: Final = "error"
PING: Final = "celery.ping"

# A worker that is not ready by then is not going to be.
START_TIMEOUT_S: Final = 10.0

test_worker_starting: Final = Signal(name="test_worker_starting", providing_args=())
test_worker_started: Final = Signal(
    name="test_worker_started", providing_args=("worker", "consumer")
)
test_worker_stopped: Final = Signal(name="test_worker_stopped", providing_args=("worker",))


class WorkerThreadError(TaskqError, RuntimeError):
    """A worker beside a test did not start, or did not end."""


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
    """Run a worker while the block lasts, and give it to the block."""
    test_worker_starting.send(sender=app)
    logger = get_logger("taskq")
    level_before = logger.level
    setup_app_for_worker(app, loglevel, logfile)
    if perform_ping_check:
        _add_ping(app)
    worker = app.Worker(
        concurrency=concurrency,
        pool=pool,
        loglevel=loglevel,
        logfile=logfile,
        **{"without_heartbeat": True, "without_mingle": True, "without_gossip": True, **kwargs},
    )
    thread = _Thread(worker)
    try:
        thread.start()
        test_worker_started.send(sender=app, worker=worker, consumer=worker)
        if perform_ping_check:
            _ping(app, ping_task_timeout)
        yield worker
    finally:
        try:
            thread.stop(shutdown_timeout)
        finally:
            logger.setLevel(level_before)
            test_worker_stopped.send(sender=app, worker=worker)


def setup_app_for_worker(app: Any, loglevel: str | int, logfile: str | None) -> None:
    """Make the app ready for a worker in this process."""
    app.finalize()
    app.set_current()
    app.set_default()
    if logfile:
        app.log.setup(loglevel=loglevel, logfile=logfile)
    else:
        # The handlers are the test runner's.
        get_logger("taskq").setLevel(mlevel(loglevel))


def _add_ping(app: Any) -> None:
    if PING in app.tasks:
        return

    def ping() -> str:
        return "pong"

    app.task(name=PING, shared=False)(ping)


def _ping(app: Any, timeout_s: float) -> None:
    answer = app.tasks[PING].delay().get(timeout=timeout_s, disable_sync_subtasks=False)
    if answer != "pong":
        raise WorkerThreadError(f"the worker answered {answer!r} to a ping, not 'pong'")
