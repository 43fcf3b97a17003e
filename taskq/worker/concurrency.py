# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""Pools in Celery's manner: what a program subclasses to run tasks in a place of its own.

A pool is given functions by ``apply_async``; a subclass says in ``on_apply`` where they run.  A
worker runs one whose class stands in ``CELERY_CUSTOM_WORKER_POOL`` (or ``worker_pool``) through
``foreign.py``.  taskq's own pools are others (``taskq.adapters.pools``): those here are for
programs that subclass Celery's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any, Final

from taskq import signals
from taskq.app.log import get_logger
from taskq.ports import EMPTY
from taskq.worker.timer import Timer

__all__ = [
    "BasePool",
    "ProcessTaskPool",
    "SoloTaskPool",
    "ThreadTaskPool",
    "apply_target",
    "process_destructor",
    "process_initializer",
]

logger: Final = get_logger("taskq.pool")

Callback = Callable[[Any], object] | None
Accept = Callable[..., object] | None


def apply_target(
    target: Callable[..., Any],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] = EMPTY,
    callback: Callback = None,
    accept_callback: Accept = None,
    pid: int | None = None,
    getpid: Callable[[], int] = os.getpid,
    propagate: tuple[type[BaseException], ...] = (),
    monotonic: Callable[[], float] | None = None,
    **_options: Any,
) -> None:
    """Run a function here and now: say that it begins, then what it has returned.

    What it raises is logged, unless it is one of ``propagate``.
    """
    if accept_callback is not None:
        accept_callback(pid or getpid(), monotonic() if monotonic is not None else 0.0)
    try:
        value = target(*args, **kwargs)
    except propagate:
        raise
    except Exception:  # a boundary: any function may raise anything
        logger.exception("a function in the pool has failed: %r", target)
    else:
        if callback is not None:
            callback(value)


class BasePool:
    """Where functions run; for subclasses."""

    RUN = 0x1
    CLOSE = 0x2
    TERMINATE = 0x3

    Timer = Timer
    signal_safe = True  # a signal may come while it works
    is_green = False
    uses_semaphore = False
    task_join_will_block = True
    body_can_be_buffer = False

    _state: int | None = None
    _pool: Any = None

    def __init__(
        self,
        limit: int | None = None,
        putlocks: bool = True,
        forking_enable: bool = True,
        callbacks_propagate: Any = (),
        app: Any = None,
        **options: Any,
    ) -> None:
        self.limit, self.putlocks, self.options = limit, putlocks, options
        self.forking_enable, self.callbacks_propagate = forking_enable, callbacks_propagate
        self.app = app

    # -- for subclasses ----------------------------------------------------------------------------

    def on_start(self) -> None:
        """Begin."""

    def did_start_ok(self) -> bool:
        """Say whether it has."""
        return True

    def on_close(self) -> None:
        """No function follows."""

    def on_stop(self) -> None:
        """End, when what runs has ended."""

    def on_terminate(self) -> None:
        """End at once."""

    def on_apply(self, *args: Any, **kwargs: Any) -> Any:
        """Run a function: here, or in a place of the pool's."""
        return apply_target(*args, **kwargs)

    def on_soft_timeout(self, job: Any) -> None:
        """Hear that the soft time limit of what runs is over."""

    def on_hard_timeout(self, job: Any) -> None:
        """Hear that the hard one is."""

    def maintain_pool(self, *args: Any, **kwargs: Any) -> None:
        """Look after what runs functions."""

    def flush(self) -> None:
        """Throw away what waits."""

    def register_with_event_loop(self, loop: Any) -> None:
        """Hear that the worker has a loop."""

    def terminate_job(self, pid: int, signal: int | None = None) -> None:
        """End the function that runs in a process."""
        raise NotImplementedError(f"{type(self).__name__} cannot end what runs")

    def restart(self) -> None:
        """Begin anew."""
        raise NotImplementedError(f"{type(self).__name__} cannot begin anew")

    # -- what a worker calls -----------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self.on_start()
        self._state = self.RUN

    def close(self) -> None:
        """No function follows."""
        self._state = self.CLOSE
        self.on_close()

    def stop(self) -> None:
        """End, when what runs has ended."""
        self.on_stop()
        self._state = self.TERMINATE

    def terminate(self) -> None:
        """End at once."""
        self._state = self.TERMINATE
        self.on_terminate()

    def apply_async(
        self,
        target: Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Run a function."""
        return self.on_apply(
            target,
            args or (),
            kwargs or {},
            waitforslot=self.putlocks,
            callbacks_propagate=self.callbacks_propagate,
            **options,
        )

    @property
    def info(self) -> dict[str, Any]:
        """What ``inspect stats`` shows."""
        return {**self._get_info(), "max-concurrency": self.limit}

    def _get_info(self) -> dict[str, Any]:
        kind = type(self)
        return {"implementation": f"{kind.__module__}:{kind.__qualname__}"}

    @property
    def active(self) -> bool:
        """Whether it runs functions."""
        return self._state == self.RUN

    @property
    def num_processes(self) -> int:
        """How many functions may run at once."""
        return self.limit or 1


class SoloTaskPool(BasePool):
    """``celery.concurrency.solo.TaskPool``: functions run where they are given."""

    body_can_be_buffer = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limit = 1


class _Answer:
    """What a function will have come to."""

    def __init__(self, future: Future[Any]) -> None:
        self.f = future
        self.get = future.result

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it has ended."""
        self.f.exception(timeout)


class ThreadTaskPool(BasePool):
    """``celery.concurrency.thread.TaskPool``: functions run in threads."""

    body_can_be_buffer = True
    signal_safe = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.executor: Executor = ThreadPoolExecutor(max_workers=self.limit)

    def on_apply(
        self,
        target: Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        callback: Callback = None,
        accept_callback: Accept = None,
        **_options: Any,
    ) -> _Answer:
        """Run a function in a thread."""
        run = partial(apply_target, target, args or (), kwargs or {}, callback, accept_callback)
        return _Answer(self.executor.submit(run))

    def on_stop(self) -> None:
        """End, when what runs has ended."""
        self.executor.shutdown()


class ProcessTaskPool(BasePool):
    """``celery.concurrency.prefork.TaskPool``: functions run in processes."""

    Pool = ProcessPoolExecutor
    BlockingPool = ProcessPoolExecutor
    signal_safe = False

    def on_start(self) -> None:
        """Make the processes as they are needed."""
        hostname = self.options.get("hostname") or ""
        self._pool = self.Pool(
            self.limit,
            mp_context=get_context("fork"),
            initializer=process_initializer,
            initargs=(self.app, hostname),
        )

    def did_start_ok(self) -> bool:
        """Say whether it has begun."""
        return self._pool is not None

    def on_apply(
        self,
        target: Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        callback: Callback = None,
        accept_callback: Accept = None,
        error_callback: Callable[[BaseException], object] | None = None,
        **_options: Any,
    ) -> _Answer:
        """Run a function, which must be one that can be pickled, in a process."""
        if accept_callback is not None:
            accept_callback(os.getpid(), 0.0)
        future = self._pool.submit(target, *(args or ()), **(kwargs or {}))

        def ended(done: Future[Any]) -> None:
            error = done.exception()
            if error is None:
                if callback is not None:
                    callback(done.result())
            elif error_callback is not None:
                error_callback(error)
            else:
                logger.error("a function in the pool has failed: %r", target, exc_info=error)

        future.add_done_callback(ended)
        return _Answer(future)

    def on_stop(self) -> None:
        """End, when what runs has ended."""
        if self._pool is not None:
            self._pool.shutdown()

    def on_terminate(self) -> None:
        """End without waiting."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def restart(self) -> None:
        """Replace all processes."""
        self.on_stop()
        self.on_start()

    @property
    def num_processes(self) -> int:
        """How many there may be."""
        return self.limit or os.cpu_count() or 1


def process_initializer(app: Any, hostname: str) -> None:
    """Begin to be a process of a pool: with connections of its own, and the program told."""
    app.leave_ports_to_parent()
    app.set_current()
    app.set_default()
    app.on_after_fork.send(sender=app)
    signals.worker_process_init.send(sender=hostname or None)


def process_destructor(pid: int, exitcode: int) -> None:
    """Tell the program that a process of a pool ends."""
    signals.worker_process_shutdown.send(sender=None, pid=pid, exitcode=exitcode)
