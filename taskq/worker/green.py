# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""Pools of green threads in Celery's manner, for programs that subclass them.

gevent and eventlet are imported when a pool starts; the process must have been patched for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from taskq.worker.concurrency import Accept, BasePool, Callback, apply_target

__all__ = ["EventletTaskPool", "GeventTaskPool"]


class _GreenTaskPool(BasePool):
    """What both have in common: functions run in green threads, each known by a number."""

    signal_safe = False
    is_green = True
    task_join_will_block = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._running: dict[int, Any] = {}

    def _spawn(self, run: Callable[[], None]) -> Any:
        raise NotImplementedError

    def _kill(self, thread: Any) -> None:
        raise NotImplementedError

    def on_apply(
        self,
        target: Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        callback: Callback = None,
        accept_callback: Accept = None,
        timeout: float | None = None,
        timeout_callback: Callable[..., object] | None = None,
        **_options: Any,
    ) -> Any:
        """Run a function in a green thread; after ``timeout`` seconds it is ended."""

        def run() -> None:
            own = threading.get_ident()
            self._running[own] = thread
            try:
                apply_target(target, args or (), kwargs or {}, callback, accept_callback, pid=own)
            finally:
                self._running.pop(own, None)

        thread = self._spawn(lambda: self._limited(run, timeout, timeout_callback))
        return thread

    def _limited(
        self,
        run: Callable[[], None],
        timeout: float | None,
        timeout_callback: Callable[..., object] | None,
    ) -> None:
        raise NotImplementedError

    def terminate_job(self, pid: int, signal: int | None = None) -> None:  # noqa: ARG002 - no process
        """End what runs under a number."""
        thread = self._running.get(pid)
        if thread is not None:
            self._kill(thread)


class GeventTaskPool(_GreenTaskPool):
    """``celery.concurrency.gevent.TaskPool``."""

    def on_start(self) -> None:
        """Make the pool."""
        self._gevent = import_module("gevent")
        self._pool = import_module("gevent.pool").Pool(self.limit)

    def _spawn(self, run: Callable[[], None]) -> Any:
        return self._pool.spawn(run)

    def _kill(self, thread: Any) -> None:
        self._gevent.kill(thread, block=False)

    def _limited(
        self,
        run: Callable[[], None],
        timeout: float | None,
        timeout_callback: Callable[..., object] | None,
    ) -> None:
        limit = self._gevent.Timeout(timeout)
        try:
            with limit:
                run()
        except self._gevent.Timeout as error:
            if error is not limit:
                raise
            if timeout_callback is not None:
                timeout_callback(False, timeout)

    def on_stop(self) -> None:
        """Wait for what runs."""
        if self._pool is not None:
            self._pool.join()

    def grow(self, n: int = 1) -> None:
        """Let more run at once."""
        self._pool.size += n

    def shrink(self, n: int = 1) -> None:
        """Let less run at once."""
        self._pool.size -= n

    @property
    def num_processes(self) -> int:
        """How many may run at once."""
        return self.limit or 1


class EventletTaskPool(_GreenTaskPool):
    """``celery.concurrency.eventlet.TaskPool``."""

    def on_start(self) -> None:
        """Make the pool."""
        self._eventlet = import_module("eventlet")
        self._pool = self._eventlet.GreenPool(self.limit)

    def _spawn(self, run: Callable[[], None]) -> Any:
        return self._pool.spawn(run)

    def _kill(self, thread: Any) -> None:
        thread.kill()

    def _limited(
        self,
        run: Callable[[], None],
        timeout: float | None,
        timeout_callback: Callable[..., object] | None,
    ) -> None:
        limit = self._eventlet.Timeout(timeout)
        try:
            run()
        except self._eventlet.Timeout as error:
            if error is not limit:
                raise
            if timeout_callback is not None:
                timeout_callback(False, timeout)
        finally:
            limit.cancel()

    def on_stop(self) -> None:
        """Wait for what runs."""
        if self._pool is not None:
            self._pool.waitall()

    def grow(self, n: int = 1) -> None:
        """Let more run at once."""
        self._pool.resize(self._pool.size + n)

    def shrink(self, n: int = 1) -> None:
        """Let less run at once."""
        self._pool.resize(self._pool.size - n)
