"""The current app, the current task, and the ports of the place where the code runs.

Two context variables and a stack, typed by protocols: ``canvas`` and user code reach the app
without importing it.  In a simulation each node runs in its own context, so one app in one
process can stand on the ports of many nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Final, Protocol

from taskq.ports import Ports


class TaskLike(Protocol):
    """What a canvas needs to know of a task."""

    name: str

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Send it; returns a result."""

    def apply(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Run it here; returns an eager result."""


class AppLike(Protocol):
    """What a canvas needs to know of an app."""

    main: str | None

    @property
    def conf(self) -> Any:
        """The settings, by attribute."""

    @property
    def tasks(self) -> Mapping[str, Any]:
        """Name to task."""

    @property
    def thread_oid(self) -> str:
        """The reply queue of this thread."""

    @property
    def ports(self) -> Ports:
        """What the app stands on, here."""

    def new_id(self) -> str:
        """Return a new id for a task or a group."""

    def send_task(self, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Send by name; returns a result."""

    def AsyncResult(self, task_id: str, **kwargs: Any) -> Any:  # noqa: N802 - Celery's name
        """Return a handle of one result."""

    def GroupResult(  # noqa: N802 - Celery's name
        self, group_id: str, results: Iterable[Any], parent: Any = None
    ) -> Any:
        """Return a handle of a group's results."""


# Set by a driver that runs several nodes in one process; production leaves it unset.
ports_here: Final[ContextVar[Callable[[AppLike], Ports] | None]] = ContextVar(
    "taskq_ports_here", default=None
)
