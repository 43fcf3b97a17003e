"""The pool of a worker, as programs know it."""

from __future__ import annotations

import os
import signal as signals
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from taskq.core.inputs import PoolRestartAsked, PoolSized
from taskq.ports import EMPTY

__all__ = ["PoolView"]


class PoolView:
    """``worker.pool`` and ``consumer.pool``.

    Sizes are asked of the core; what is not running yet has the size that it will begin with.
    """

    body_can_be_buffer = False  # bodies are bytes
    task_join_will_block = True
    is_green = False
    signal_safe = True
    uses_semaphore = False

    def __init__(self, controller: Any) -> None:
        self._controller = controller
        self.app = controller.app

    @property
    def limit(self) -> int:
        """How many slots it was told to have."""
        limit: int = self._controller.concurrency
        return limit

    @property
    def num_processes(self) -> int:
        """How many slots there are."""
        core = self._controller.core
        return self.limit if core is None else len(core.slots) or self.limit

    @property
    def active(self) -> bool:
        """Whether it runs."""
        core = self._controller.core
        return core is not None and core.stopping is None

    @property
    def info(self) -> dict[str, Any]:
        """Return what it shows of itself."""
        core, pool = self._controller.core, self._controller.ports_pool
        shown = {} if pool is None else dict(pool.describe())
        processes = sorted(set(core.slots.values())) if core else []
        return {"max-concurrency": self.num_processes, "processes": processes, **shown}

    def grow(self, n: int = 1) -> None:
        """Add slots."""
        self._controller.ask(PoolSized(n))

    def shrink(self, n: int = 1) -> None:
        """Remove slots."""
        self._controller.ask(PoolSized(-n))

    def restart(self) -> None:
        """Replace the slots by new ones."""
        self._controller.ask(PoolRestartAsked())

    def terminate_job(self, pid: int, signal: int | None = None) -> None:
        """End a process of the pool."""
        core = self._controller.core
        if core is not None and pid in core.slots.values() and pid != os.getpid():
            os.kill(pid, signal or signals.SIGTERM)

    def apply_async(
        self,
        target: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = EMPTY,
        *,
        callback: Callable[[Any], object] | None = None,
        accept_callback: Callable[[int, float], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        **_options: Any,
    ) -> Any:
        """Run a function in a slot.

        ``accept_callback(pid, time)`` is called before it begins, ``callback(value)`` when it has
        returned, ``error_callback(error)`` when it has raised or is lost; all three in the thread
        of the worker's loop.
        """
        diversion = self._controller.diversion
        if diversion is None:
            raise RuntimeError(
                "this worker was started without a task that has a Strategy or a Request of its"
                " own: only such a one may give functions to its pool"
            )
        return diversion.calls.add(target, args, kwargs, callback, accept_callback, error_callback)
