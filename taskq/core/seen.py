# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""A task and a worker as monitors see them: what events have told, and nothing else.

The names are Celery's, as cameras and dashboards use them.  Events may come late, twice or in
another order than they were sent: what is more final stays.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final
from weakref import WeakSet

from taskq import states

__all__ = ["EXPIRE_WINDOW", "Task", "Worker", "heartbeat_expires"]

# A worker is there until so many percent of its interval are over without a heartbeat.
EXPIRE_WINDOW: Final = 200
# How many of its last heartbeats are remembered.
HEARTBEATS: Final = 4

STATE_OF: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sent": states.PENDING,
        "received": states.RECEIVED,
        "started": states.STARTED,
        "failed": states.FAILURE,
        "retried": states.RETRY,
        "succeeded": states.SUCCESS,
        "revoked": states.REVOKED,
        "rejected": states.REJECTED,
    }
)


def heartbeat_expires(
    timestamp: float, freq: float | None = 60, expire_window: float = EXPIRE_WINDOW
) -> float:
    """Return until when a worker counts as there after a heartbeat."""
    return float(timestamp) + float(60 if freq is None else freq) * expire_window / 100


class Worker:
    """One worker."""

    heartbeat_max: ClassVar[int] = HEARTBEATS
    expire_window: ClassVar[float] = EXPIRE_WINDOW
    _fields: ClassVar[tuple[str, ...]] = (
        "hostname",
        "pid",
        "freq",
        "heartbeats",
        "clock",
        "active",
        "processed",
        "loadavg",
        "sw_ident",
        "sw_ver",
        "sw_sys",
    )

    def __init__(
        self,
        hostname: str | None = None,
        pid: int | None = None,
        freq: float = 60,
        heartbeats: Sequence[float] | None = None,
        clock: int = 0,
        active: int | None = None,
        processed: int | None = None,
        loadavg: Sequence[float] | None = None,
        sw_ident: str | None = None,
        sw_ver: str | None = None,
        sw_sys: str | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        self.hostname = hostname
        self.pid = pid
        self.freq = freq
        self.heartbeats = list(heartbeats or ())
        self.clock = clock or 0
        self.active = active
        self.processed = processed
        self.loadavg = loadavg
        self.sw_ident, self.sw_ver, self.sw_sys = sw_ident, sw_ver, sw_sys
        self._now = now

    def event(
        self,
        type_: str | None,
        timestamp: float | None,
        local_received: float | None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        """Take in one event of it; a task's events show as well that it is there."""
        if type_ == "offline":
            self.heartbeats = []
            return
        self.update(fields or {})
        received = local_received or timestamp
        if received:
            insort(self.heartbeats, received)
            del self.heartbeats[: -self.heartbeat_max]

    def update(self, f: Mapping[str, Any], **kw: Any) -> None:
        """Take over what is a worker's; what else an event says is not."""
        for name, value in {**f, **kw}.items():
            if name in _OF_WORKER:
                setattr(self, name, value)

    @property
    def id(self) -> str:
        """Name and pid."""
        return f"{self.hostname}.{self.pid}" if self.pid else str(self.hostname)

    @property
    def heartbeat_expires(self) -> float:
        """Until when it counts as there."""
        return heartbeat_expires(self.heartbeats[-1], self.freq, self.expire_window)

    @property
    def alive(self) -> bool:
        """Whether it was heard of lately."""
        if not self.heartbeats:
            return False
        return self._now is None or self._now() < self.heartbeat_expires

    @property
    def status_string(self) -> str:
        """The same, as a word."""
        return "ONLINE" if self.alive else "OFFLINE"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Worker) and self.hostname == other.hostname

    def __hash__(self) -> int:
        return hash(self.hostname)

    def __repr__(self) -> str:
        return f"<Worker: {self.hostname} ({self.status_string} clock:{self.clock})>"


_OF_WORKER: Final = frozenset((*Worker._fields, "timestamp", "local_received")) - {"heartbeats"}


class Task:
    """One task."""

    name: Any = None
    received: float | None = None
    sent: float | None = None
    started: float | None = None
    succeeded: float | None = None
    failed: float | None = None
    retried: float | None = None
    revoked: float | None = None
    rejected: float | None = None
    args: Any = None
    kwargs: Any = None
    eta: Any = None
    expires: Any = None
    retries: Any = None
    worker: Worker | None = None
    result: Any = None
    exception: Any = None
    timestamp: float | None = None
    runtime: float | None = None
    traceback: Any = None
    exchange: Any = None
    routing_key: Any = None
    root_id: str | None = None
    parent_id: str | None = None
    client: str | None = None
    state: str = states.PENDING
    clock: int = 0

    _fields: ClassVar[tuple[str, ...]] = (
        *("uuid", "name", "state", "received", "sent", "started", "rejected", "succeeded"),
        *("failed", "retried", "revoked", "args", "kwargs", "eta", "expires", "retries", "worker"),
        *("result", "exception", "timestamp", "runtime", "traceback", "exchange", "routing_key"),
        *("clock", "client", "root", "root_id", "parent", "parent_id", "children"),
    )
    _info_fields: ClassVar[tuple[str, ...]] = (
        *("args", "kwargs", "retries", "result", "eta", "runtime", "expires", "exception"),
        *("exchange", "routing_key", "root_id", "parent_id"),
    )
    # What an event that comes too late may still add.
    merge_rules: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {
            states.RECEIVED: (
                *("name", "args", "kwargs", "parent_id", "root_id", "retries", "eta", "expires"),
            )
        }
    )

    def __init__(
        self,
        uuid: str | None = None,
        cluster_state: Any = None,
        children: Sequence[Task] | None = None,
        **kwargs: Any,
    ) -> None:
        self.uuid = uuid
        self.cluster_state = cluster_state
        self.children: WeakSet[Task] = WeakSet(children or ())
        self._take(kwargs)

    def event(
        self,
        type_: str,
        timestamp: float | None = None,
        local_received: float | None = None,
        fields: Mapping[str, Any] | None = None,
        RETRY: str = states.RETRY,  # noqa: N803 - Celery's name
    ) -> None:
        """Take in one event of it."""
        told = dict(fields or {})
        state = STATE_OF.get(type_)
        if state is None:
            state = type_.upper()
        else:
            setattr(self, type_, timestamp)
        late = RETRY not in (state, self.state) and states.precedence(state) > states.precedence(
            self.state
        )
        if not late:
            told.update(state=state, timestamp=timestamp)
        elif (keep := self.merge_rules.get(state)) is not None:
            told = {name: told[name] for name in keep if told.get(name) is not None}
        if local_received is not None:
            told.setdefault("local_received", local_received)
        self._take(told)

    def _take(self, told: Mapping[str, Any]) -> None:
        for name, value in told.items():
            # An event may say anything; what is a method or belongs to the picture stays.
            if name in _OF_TASK or not hasattr(type(self), name):
                setattr(self, name, value)

    def info(
        self, fields: Sequence[str] | None = None, extra: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Return what is known of it, without what is not."""
        names = (*(self._info_fields if fields is None else fields), *extra)
        return {name: value for name in names if (value := getattr(self, name, None)) is not None}

    def as_dict(self) -> dict[str, Any]:
        """Return all fields; tasks stand there by their ids."""
        return {
            **{name: getattr(self, name) for name in self._fields},
            "root": self.root_id,
            "parent": self.parent_id,
            "children": sorted(str(child.uuid) for child in self.children),
        }

    @property
    def id(self) -> str | None:
        """The id."""
        return self.uuid

    @property
    def origin(self) -> str | None:
        """Who told of it."""
        return self.client if self.worker is None else self.worker.id

    @property
    def ready(self) -> bool:
        """Whether it has ended."""
        return self.state in states.READY_STATES

    def _other(self, uuid: str | None) -> Task | None:
        if uuid is None or self.cluster_state is None:
            return None
        found: Task | None = self.cluster_state.tasks.get(uuid)
        return found

    @property
    def parent(self) -> Task | None:
        """The task that sent it, if that is known."""
        return self._other(self.parent_id)

    @property
    def root(self) -> Task | None:
        """The first of its kin, if that is known."""
        return self._other(self.root_id)

    def __repr__(self) -> str:
        return f"<Task: {self.name}({self.uuid}) {self.state} clock:{self.clock}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and self.uuid == other.uuid

    def __hash__(self) -> int:
        return hash(self.uuid)

    def __reduce__(self) -> tuple[Any, ...]:
        # Its kin and the picture it stands in are found again by the picture.
        kept = {
            name: value
            for name, value in vars(self).items()
            if name not in {"cluster_state", "children", "uuid", "worker"}
        }
        return _task, (type(self), self.uuid, kept, self.worker)


def _task(kind: type[Task], uuid: str, kept: Mapping[str, Any], worker: Worker | None) -> Task:
    made = kind(uuid, **kept)
    made.worker = worker
    return made


_OF_TASK: Final = frozenset(Task._fields) - {"uuid", "root", "parent", "children", "worker"}
