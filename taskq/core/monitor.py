# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""A picture of the cluster, made of events: which workers there are, which tasks, who did what.

``State.event(event)`` takes in one event, as a dictionary.  The names are Celery's.  What is kept
is bounded: of too many tasks those go of which nothing was heard for the longest.

Owned here: what follows from an event.  Not owned: where events come from (``app.events``), what
one task or worker is (``seen.py``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar
from weakref import WeakSet

from taskq import states
from taskq.core import seen
from taskq.core.bounded import Bounded

__all__ = ["CallableDefaultdict", "State"]


class CallableDefaultdict(defaultdict[Any, Any]):
    """A dictionary that can be called as well: what that does, its first argument says."""

    def __init__(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self.fun = fun
        super().__init__(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do it."""
        return self.fun(*args, **kwargs)


class State:
    """What is known of a cluster."""

    Worker: ClassVar[type[seen.Worker]] = seen.Worker
    Task: ClassVar[type[seen.Task]] = seen.Task
    event_count = 0
    task_count = 0
    heap_multiplier = 4

    def __init__(
        self,
        callback: Callable[[State, Mapping[str, Any]], Any] | None = None,
        workers: Mapping[str, seen.Worker] | None = None,
        tasks: Mapping[str, seen.Task] | None = None,
        taskheap: Iterable[Any] | None = None,  # noqa: ARG002 - Celery's; the order is worked out
        max_workers_in_memory: int | None = 5000,
        max_tasks_in_memory: int | None = 10_000,
        on_node_join: Callable[[seen.Worker], Any] | None = None,
        on_node_leave: Callable[[seen.Worker], Any] | None = None,
        tasks_by_type: Mapping[str, Iterable[seen.Task]] | None = None,
        tasks_by_worker: Mapping[str, Iterable[seen.Task]] | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        self.event_callback = callback
        self.on_node_join, self.on_node_leave = on_node_join, on_node_leave
        # Further groups of events: the part of the type before the dash -> (subject, event).
        self.handlers: dict[str, Callable[[str, Mapping[str, Any]], Any]] = {}
        self._now = now
        self._seen_types: set[str] = set()
        self.workers: Bounded[seen.Worker] = Bounded(workers or {}, max_workers_in_memory)
        self.tasks: Bounded[seen.Task] = Bounded(tasks or {}, max_tasks_in_memory)
        self.tasks_by_type = CallableDefaultdict(self._tasks_by_type, WeakSet, _sets(tasks_by_type))
        self.tasks_by_worker = CallableDefaultdict(
            self._tasks_by_worker, WeakSet, _sets(tasks_by_worker)
        )
        for task in self.tasks.values():
            task.cluster_state = self
            self._file(task)

    @property
    def max_workers_in_memory(self) -> int | None:
        """How many workers are known at most."""
        return self.workers.limit

    @max_workers_in_memory.setter
    def max_workers_in_memory(self, most: int | None) -> None:
        self.workers.limit = most

    @property
    def max_tasks_in_memory(self) -> int | None:
        """How many tasks are known at most."""
        return self.tasks.limit

    @max_tasks_in_memory.setter
    def max_tasks_in_memory(self, most: int | None) -> None:
        self.tasks.limit = most

    # -- events come in ---------------------------------------------------------------------------

    def event(self, event: Mapping[str, Any]) -> tuple[tuple[Any, bool], str] | None:
        """Take in one event; returns what it is of, whether that is new, and what happened."""
        self.event_count += 1
        if self.event_callback is not None:
            self.event_callback(self, event)
        group, _, subject = str(event.get("type")).partition("-")
        handler = self.handlers.get(group)
        if handler is not None:
            handler(subject, event)
            return None
        if group == "worker":
            return self.worker_event(subject, event), subject
        if group == "task":
            return self.task_event(subject, event), subject
        return None

    def worker_event(self, type_: str, fields: Mapping[str, Any]) -> tuple[seen.Worker, bool]:
        """Take in an event of a worker."""
        hostname = fields["hostname"]
        offline = type_ == "offline"
        worker, created = self._worker(hostname, keep=not offline)
        worker.event(type_, fields.get("timestamp"), fields.get("local_received"), fields)
        if self.on_node_join is not None and not offline and (created or type_ == "online"):
            self.on_node_join(worker)
        if self.on_node_leave is not None and offline:
            self.on_node_leave(worker)
            self.workers.pop(hostname, None)
            self.tasks_by_worker.pop(hostname, None)
        return worker, created

    def task_event(self, type_: str, fields: Mapping[str, Any]) -> tuple[seen.Task, bool]:
        """Take in an event of a task."""
        task, created = self.get_or_create_task(fields["uuid"])
        timestamp, received = fields.get("timestamp"), fields.get("local_received")
        hostname = fields.get("hostname")
        if type_ == "sent":
            task.client = hostname
        elif hostname is not None:
            worker, _ = self._worker(hostname, keep=True)
            pid = fields.get("pid")
            worker.event(None, timestamp, received, {} if pid is None else {"pid": pid})
            task.worker = worker
            self.tasks_by_worker[hostname].add(task)
        if type_ == "received":
            self.task_count += 1
        task.event(type_, timestamp, received, fields)
        self._file(task)
        return task, created

    def _file(self, task: seen.Task) -> None:
        """Put a task where it is looked for."""
        if task.name:
            self._seen_types.add(task.name)
            self.tasks_by_type[task.name].add(task)
        parent = task.parent
        if parent is not None:
            parent.children.add(task)

    def _worker(self, hostname: str, *, keep: bool) -> tuple[seen.Worker, bool]:
        known = self.workers.get(hostname)
        if known is not None:
            self.workers.move_to_end(hostname)
            return known, False
        worker = self.Worker(hostname, now=self._now)
        if keep:
            self.workers.keep(hostname, worker)
        return worker, keep

    def get_or_create_worker(self, hostname: str, **kwargs: Any) -> tuple[seen.Worker, bool]:
        """Return a worker, and whether it is new."""
        worker, created = self._worker(hostname, keep=True)
        worker.update(kwargs)
        return worker, created

    def get_or_create_task(self, uuid: str) -> tuple[seen.Task, bool]:
        """Return a task, and whether it is new."""
        known = self.tasks.get(uuid)
        if known is not None:
            self.tasks.move_to_end(uuid)
            return known, False
        return self.tasks.keep(uuid, self.Task(uuid, cluster_state=self)), True

    # -- what is known ----------------------------------------------------------------------------

    def itertasks(self, limit: int | None = None) -> Iterator[tuple[str, seen.Task]]:
        """Return tasks as they are kept."""
        for count, pair in enumerate(list(self.tasks.items())):
            if limit is not None and count >= limit:
                return
            yield pair

    def tasks_by_time(
        self, limit: int | None = None, reverse: bool = True
    ) -> Iterator[tuple[str, seen.Task]]:
        """Return tasks by the logical clock of their last events, the newest first."""
        return _in_order(self.tasks.values(), limit, reverse=reverse)

    tasks_by_timestamp = tasks_by_time

    def _tasks_by_type(
        self, name: str, limit: int | None = None, reverse: bool = True
    ) -> Iterator[tuple[str, seen.Task]]:
        return _in_order(self.tasks_by_type.get(name, ()), limit, reverse=reverse)

    def _tasks_by_worker(
        self, hostname: str, limit: int | None = None, reverse: bool = True
    ) -> Iterator[tuple[str, seen.Task]]:
        return _in_order(self.tasks_by_worker.get(hostname, ()), limit, reverse=reverse)

    def task_types(self) -> list[str]:
        """Return the names of all tasks that were heard of."""
        return sorted(self._seen_types)

    def alive_workers(self) -> Iterator[seen.Worker]:
        """Return the workers that are there."""
        return (worker for worker in list(self.workers.values()) if worker.alive)

    def rebuild_taskheap(self) -> None:
        """Nothing: the order is worked out when it is asked for."""

    # -- forgetting -------------------------------------------------------------------------------

    def freeze_while(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function while nothing changes; with ``clear_after`` forget all then."""
        clear_after = kwargs.pop("clear_after", False)
        try:
            return fun(*args, **kwargs)
        finally:
            if clear_after:
                self.clear()

    def clear_tasks(self, ready: bool = True) -> None:
        """Forget tasks: those that have ended, or all."""
        self._clear_tasks(ready)

    def _clear_tasks(self, ready: bool = True) -> None:
        # A step of its own: monitors that keep an index of tasks put theirs around it.
        for uuid, task in list(self.tasks.items()):
            if not ready or task.state in states.READY_STATES:
                del self.tasks[uuid]

    def clear(self, ready: bool = True) -> None:
        """Forget tasks, all workers, and the counts."""
        self.clear_tasks(ready)
        self.workers.clear()
        self.tasks_by_type.clear()
        self.tasks_by_worker.clear()
        self._seen_types.clear()
        self.event_count = self.task_count = 0
        for task in self.tasks.values():
            self._file(task)

    def __repr__(self) -> str:
        return f"<State: events={self.event_count} tasks={self.task_count}>"

    def __reduce__(self) -> tuple[Any, ...]:
        counts = {"event_count": self.event_count, "task_count": self.task_count}
        return _state, (
            type(self),
            dict(self.workers),
            dict(self.tasks),
            self.max_workers_in_memory,
            self.max_tasks_in_memory,
            counts,
        )


def _state(
    kind: type[State],
    workers: Mapping[str, seen.Worker],
    tasks: Mapping[str, seen.Task],
    max_workers: int | None,
    max_tasks: int | None,
    counts: Mapping[str, int],
) -> State:
    state = kind(
        workers=workers,
        tasks=tasks,
        max_workers_in_memory=max_workers,
        max_tasks_in_memory=max_tasks,
    )
    for task in state.tasks.values():
        if task.worker is not None:
            state.tasks_by_worker[task.worker.hostname].add(task)
    state.event_count, state.task_count = counts["event_count"], counts["task_count"]
    return state


def _sets(given: Mapping[str, Iterable[seen.Task]] | None) -> dict[str, WeakSet[seen.Task]]:
    return {name: WeakSet(tasks) for name, tasks in (given or {}).items()}


def _in_order(
    tasks: Iterable[seen.Task], limit: int | None, *, reverse: bool
) -> Iterator[tuple[str, seen.Task]]:
    ordered = sorted(
        tasks, key=lambda one: (one.clock, one.timestamp or 0.0, one.origin or ""), reverse=reverse
    )
    for task in ordered[:limit]:
        yield str(task.uuid), task
