"""What the worker of this process does now; ``celery.worker.state``.

The sets are views: they are empty in a process that runs no worker, and in the children of a pool.
What a strategy of the program keeps to itself is in them as far as it says so (``task_reserved``
and its like).
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any, Final
from weakref import WeakSet

from taskq.app.cluster.heart import IDENTITY, VERSION
from taskq.app.received import Consumer, Request
from taskq.core.inputs import Revoked, Stop
from taskq.errors import WorkerShutdown, WorkerTerminate
from taskq.ports import Revocation
from taskq.runtime.statefile import Kept, StateFile

__all__ = [
    "REVOKES_MAX",
    "REVOKE_EXPIRES",
    "SOFTWARE_INFO",
    "Persistent",
    "active_requests",
    "maybe_shutdown",
    "merge_revoked",
    "requests",
    "reserved_requests",
    "reset_state",
    "revoked",
    "scheduled_requests",
    "should_stop",
    "should_terminate",
    "task_accepted",
    "task_ready",
    "task_reserved",
    "task_scheduled",
    "total_count",
]

SOFTWARE_INFO: Final[Mapping[str, str]] = {
    "sw_ident": IDENTITY,
    "sw_ver": VERSION,
    "sw_sys": platform.system(),
}
REVOKES_MAX: Final = int(os.environ.get("CELERY_WORKER_REVOKES_MAX") or 50_000)
REVOKE_EXPIRES: Final = float(os.environ.get("CELERY_WORKER_REVOKE_EXPIRES") or 10_800)

# Set to an exit code (or True) they end the worker of this process: warmly, or at once.
should_stop: int | bool | None = None
should_terminate: int | bool | None = None

_controllers: Final[list[Any]] = []  # the worker that runs in this process; tests run several


class _Seen(AbstractSet[Any]):
    """Requests at one stage, and what strategies have said of theirs."""

    def __init__(self, *stages: str) -> None:
        self._stages = stages
        self.own: WeakSet[Any] = WeakSet()

    def _found(self) -> Iterator[Any]:
        for controller in _here():
            maker = Consumer(controller.app, controller.hostname)
            for view in controller.core.views():
                if view.stage in self._stages:
                    yield Request(maker, view.job)
        yield from tuple(self.own)

    def __iter__(self) -> Iterator[Any]:
        return self._found()

    def __len__(self) -> int:
        return sum(1 for _ in self._found())

    def __contains__(self, request: object) -> bool:
        wanted = getattr(request, "id", request)
        return any(each.id == wanted for each in self._found())


class _RequestsById(Mapping[str, Any]):
    """All requests by the ids of their tasks."""

    def __getitem__(self, task_id: str) -> Any:
        for request in _everything:
            if request.id == task_id:
                return request
        raise KeyError(task_id)

    def __iter__(self) -> Iterator[str]:
        return (request.id for request in _everything)

    def __len__(self) -> int:
        return len(_everything)


class _Totals(Mapping[str, int]):
    """Task -> how many have begun here."""

    def __getitem__(self, name: str) -> int:
        return sum(controller.core.totals.get(name, 0) for controller in _here())

    def __iter__(self) -> Iterator[str]:
        return iter({name for controller in _here() for name in controller.core.totals})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def total(self) -> int:
        """Return the sum of all."""
        return sum(self.values())


class _RevokedIds(AbstractSet[str]):
    """Ids of tasks that were revoked."""

    def _ids(self) -> set[str]:
        return {
            one.task_id
            for controller in _here()
            for one in controller.core.revocations
            if one.task_id
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids())

    def __len__(self) -> int:
        return len(self._ids())

    def __contains__(self, task_id: object) -> bool:
        return task_id in self._ids()

    def add(self, task_id: str) -> None:
        """Revoke one more."""
        merge_revoked([task_id])

    def update(self, task_ids: Iterable[str]) -> None:
        """Revoke some more."""
        merge_revoked(task_ids)


active_requests: Final = _Seen("active")
reserved_requests: Final = _Seen("active", "reserved")
scheduled_requests: Final = _Seen("scheduled")
_everything: Final = _Seen("active", "reserved", "scheduled")
requests: Final = _RequestsById()
revoked: Final = _RevokedIds()
total_count: Final = _Totals()


def _here() -> list[Any]:
    return [each for each in _controllers if each.core is not None and each.pid == os.getpid()]


# -- for strategies; ``_hooks`` are Celery's ways into sets of its own, without meaning here ------


def task_reserved(request: Any, **_hooks: Any) -> None:
    """A strategy keeps a request."""
    reserved_requests.own.add(request)
    scheduled_requests.own.discard(request)


def task_scheduled(request: Any, **_hooks: Any) -> None:
    """A strategy keeps a request until its time."""
    scheduled_requests.own.add(request)


def task_accepted(request: Any, **_hooks: Any) -> None:
    """What a strategy kept runs now."""
    active_requests.own.add(request)


def task_ready(request: Any, successful: bool = False, **_hooks: Any) -> None:  # noqa: ARG001 - Celery's name
    """What a strategy kept has ended."""
    for seen in (active_requests, reserved_requests, scheduled_requests):
        seen.own.discard(request)


def reset_state() -> None:
    """Forget what strategies have said."""
    for seen in (active_requests, reserved_requests, scheduled_requests):
        seen.own.clear()


class Persistent:
    """What outlives a worker: revocations and the logical clock, in the file of ``--statedb``.

    A worker with such a file does this by itself; here it is for programs that keep one of theirs.
    """

    storage: Any = StateFile

    def __init__(self, state: Any, filename: str, clock: Any = None) -> None:
        self.state, self.filename, self.clock = state, filename, clock
        self._file: Any = None
        self.merge()

    def open(self) -> Any:
        """Return the file."""
        return self.storage(self.filename)

    @property
    def db(self) -> Any:
        """The file, open."""
        if self._file is None:
            self._file = self.open()
        return self._file

    def merge(self) -> None:
        """Take over what the file says."""
        kept = self.db.load()
        if self.clock is not None:
            self.clock.adjust(kept.clock)
        if kept.revocations:
            self.state.revoked.update(one.task_id for one in kept.revocations if one.task_id)

    def sync(self) -> None:
        """Write what is known now."""
        known = tuple(each for controller in _here() for each in controller.core.revocations)
        self.db.save(Kept(known, 0 if self.clock is None else int(self.clock.value)))

    save = sync

    def close(self) -> None:
        """Forget the file."""
        self._file = None


# -- steering ------------------------------------------------------------------------------------


def merge_revoked(task_ids: Iterable[str]) -> None:
    """Let the worker of this process not begin some tasks."""
    ids = tuple(task_ids)
    for controller in _here():
        until_s = controller.app.ports.clock.read().wall_s + REVOKE_EXPIRES
        controller.ask(Revoked(tuple(Revocation(until_s, task_id) for task_id in ids)))


def maybe_shutdown() -> None:
    """Raise what ends a worker, if that was asked for."""
    if _is_said(should_terminate):
        raise WorkerTerminate(_code(should_terminate))
    if _is_said(should_stop):
        raise WorkerShutdown(_code(should_stop))


def obey(controller: Any) -> None:
    """Let a worker do what was asked for by these names; called by its loop."""
    for said, how in ((should_terminate, Stop.COLD), (should_stop, Stop.WARM)):
        if _is_said(said) and controller.core.stopping is None:
            controller.stop(how, exit_code=_code(said))
            return


def _is_said(value: int | bool | None) -> bool:
    return value is not None and value is not False


def _code(value: int | bool | None) -> int:
    return 0 if value is None or value is True else int(value)


@contextmanager
def running(controller: Any) -> Iterator[None]:
    """Be seen here for as long as the block lasts."""
    global should_stop, should_terminate  # noqa: PLW0603 - programs set them by name
    should_stop = should_terminate = None
    _controllers.append(controller)
    try:
        yield
    finally:
        _controllers.remove(controller)
