# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""The autoscaler as programs know it; the core scales (``core/sizing.py``)."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

from taskq.core.inputs import AutoscaleSet, PoolSized
from taskq.worker.bootsteps import StartStopStep
from taskq.worker.components import Pool

__all__ = ["Autoscaler", "WorkerComponent"]


class WorkerComponent(StartStopStep):
    """The place of the autoscaler among the steps, of a worker with ``--autoscale``."""

    label = "Autoscaler"
    conditional = True
    requires: ClassVar[Any] = (Pool,)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self.enabled = parent.plan.options.autoscale is not None

    def create(self, w: Any) -> None:
        """Let the worker have a view of it."""
        most, least = w.plan.options.autoscale
        w.autoscaler = Autoscaler(w.pool, most, least, worker=w)

    def start(self, w: Any) -> None:
        """The core has begun to scale."""

    def info(self, w: Any) -> dict[str, Any]:
        """Return the bounds."""
        return {"autoscaler": w.autoscaler.info()}


class Autoscaler:
    """How many slots a worker may have, and a way to change it."""

    def __init__(
        self,
        pool: Any,
        max_concurrency: int,
        min_concurrency: int = 0,
        worker: Any = None,
        keepalive: float | None = None,
        mutex: Any = None,
    ) -> None:
        self.pool, self.worker, self.mutex = pool, worker, mutex or threading.Lock()
        self._told = max_concurrency, min_concurrency
        self.keepalive = worker.plan.options.autoscale_keep_s if keepalive is None else keepalive

    @property
    def max_concurrency(self) -> int:
        """The most slots."""
        return self._bounds[0]

    @property
    def min_concurrency(self) -> int:
        """The least."""
        return self._bounds[1]

    @property
    def _bounds(self) -> tuple[int, int]:
        core = self.worker.core
        return self._told if core is None else core.autoscale or self._told

    @property
    def processes(self) -> int:
        """How many slots there are."""
        count: int = self.pool.num_processes
        return count

    @property
    def qty(self) -> int:
        """How many tasks are here."""
        core = self.worker.core
        return 0 if core is None else len(core.views())

    def info(self) -> dict[str, int]:
        """Return bounds and numbers."""
        return {
            "max": self.max_concurrency,
            "min": self.min_concurrency,
            "current": self.processes,
            "qty": self.qty,
        }

    def update(self, max: int | None = None, min: int | None = None) -> tuple[int, int]:  # noqa: A002 - Celery's names
        """Set other bounds."""
        most = self.max_concurrency if max is None else max
        least = self.min_concurrency if min is None else min
        self.worker.ask(AutoscaleSet(most, least))
        return most, least

    def maybe_scale(self, req: Any = None) -> None:  # noqa: ARG002 - Celery's signature
        """Let the core look whether the pool has the right size; it does so by itself as well."""
        self.worker.nudge()

    on_task_received = maybe_scale

    def scale_up(self, n: int) -> None:
        """Add slots."""
        self.worker.ask(PoolSized(n))

    def scale_down(self, n: int) -> None:
        """Remove slots."""
        self.worker.ask(PoolSized(-n))
