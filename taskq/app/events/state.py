# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""The picture of the cluster, on the clock of the app, and for use from several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from taskq import current
from taskq.core import monitor, seen
from taskq.core.monitor import CallableDefaultdict
from taskq.core.seen import Task, heartbeat_expires

__all__ = [
    "CallableDefaultdict",
    "State",
    "Task",
    "Worker",
    "heartbeat_expires",
    "with_unique_field",
]


def wall_s() -> float:
    """Return the time on the clock of the current app."""
    now: float = current.app_or_default().ports.clock.read().wall_s
    return now


class Worker(seen.Worker):
    """A worker that knows what time it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "now": kwargs.get("now") or wall_s})


class State(monitor.State):
    """What is known of a cluster; one thread may listen while others look."""

    Worker = Worker

    def __init__(
        self,
        callback: Any = None,
        workers: Any = None,
        tasks: Any = None,
        taskheap: Any = None,
        max_workers_in_memory: int | None = 5000,
        max_tasks_in_memory: int | None = 10_000,
        on_node_join: Any = None,
        on_node_leave: Any = None,
        tasks_by_type: Any = None,
        tasks_by_worker: Any = None,
    ) -> None:
        self._mutex = threading.RLock()
        super().__init__(
            callback,
            workers,
            tasks,
            taskheap,
            max_workers_in_memory,
            max_tasks_in_memory,
            on_node_join,
            on_node_leave,
            tasks_by_type,
            tasks_by_worker,
            now=wall_s,
        )

    def event(self, event: Mapping[str, Any]) -> tuple[tuple[Any, bool], str] | None:
        """Take in one event."""
        with self._mutex:
            return super().event(event)

    def freeze_while(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function while nothing changes; with ``clear_after`` forget all then."""
        with self._mutex:
            return super().freeze_while(fun, *args, **kwargs)

    def clear_tasks(self, ready: bool = True) -> None:
        """Forget tasks: those that have ended, or all."""
        with self._mutex:
            super().clear_tasks(ready)

    def clear(self, ready: bool = True) -> None:
        """Forget tasks, all workers, and the counts."""
        with self._mutex:
            super().clear(ready)


def with_unique_field(attr: str) -> Callable[[type[Any]], type[Any]]:
    """Let objects of a class be the same where one of their attributes is."""

    def decorate(cls: type[Any]) -> type[Any]:
        def same(self: Any, other: object) -> bool:
            return isinstance(other, cls) and getattr(self, attr) == getattr(other, attr)

        def hashed(self: Any) -> int:
            return hash(getattr(self, attr))

        setattr(cls, "__eq__", same)  # noqa: B010 - a class that is not known here
        setattr(cls, "__hash__", hashed)  # noqa: B010 - the same
        return cls

    return decorate
