"""What receivers of signals are told of a message that has just come.

The body of a message is opaque to the process that takes it in: it is decoded here only if a
receiver asks for the arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

from taskq.app.incoming import Incoming, decode
from taskq.app.log_lines import escape
from taskq.ports import Job

__all__ = ["Consumer", "Request"]


class Consumer(NamedTuple):
    """Who takes messages in, as far as receivers know it: the sender of such signals."""

    app: Any
    hostname: str


class Request:
    """A task that was accepted.  The names are those of Celery's request of a worker."""

    def __init__(self, consumer: Consumer, job: Job) -> None:
        self.app, self.hostname = consumer
        self.message = job
        self._headers = job.headers

    @property
    def request_dict(self) -> Mapping[str, Any]:
        """The headers of the message."""
        return self._headers

    @property
    def id(self) -> Any:
        """The id of the task."""
        return self._headers.get("id")

    task_id = correlation_id = id  # noqa: A003 - Celery's names

    @property
    def name(self) -> Any:
        """The name of the task."""
        return self._headers.get("task")

    task_name = type = name

    @property
    def task(self) -> Any:
        """The task; None if there is none of that name."""
        return self.app.tasks.get(self.name)

    @property
    def root_id(self) -> Any:
        """The first task of the workflow."""
        return self._headers.get("root_id")

    @property
    def parent_id(self) -> Any:
        """The task that has sent this one."""
        return self._headers.get("parent_id")

    @property
    def group(self) -> Any:
        """The group that it belongs to."""
        return self._headers.get("group")

    @property
    def eta(self) -> Any:
        """When it may start, as text."""
        return self._headers.get("eta")

    @property
    def expires(self) -> Any:
        """When it is too late, as text."""
        return self._headers.get("expires")

    @property
    def argsrepr(self) -> str:
        """The arguments, as their sender lets them be shown."""
        return self._headers.get("argsrepr") or ""

    @property
    def kwargsrepr(self) -> str:
        """The same for those by name."""
        return self._headers.get("kwargsrepr") or ""

    @property
    def delivery_info(self) -> Mapping[str, Any]:
        """Exchange, routing key, priority, and whether it was delivered before."""
        return self.message.delivery_info

    @property
    def reply_to(self) -> Any:
        """Where its result is waited for."""
        return self.message.properties.get("reply_to")

    @property
    def body(self) -> bytes:
        """The arguments as they came."""
        return self.message.body

    @property
    def content_type(self) -> str:
        """How they are encoded."""
        return self.message.content_type

    @property
    def time_limits(self) -> tuple[float | None, float | None]:
        """How many seconds it may run, and after how many it is told."""
        return self.message.time_limit_s, self.message.soft_time_limit_s

    @cached_property
    def _incoming(self) -> Incoming:
        return decode(self.app, self.message)

    @property
    def args(self) -> Any:
        """The arguments.  Raises ``DecodeError`` where they cannot be read."""
        return self._incoming.args

    @property
    def kwargs(self) -> dict[str, Any]:
        """The arguments by name.  Raises ``DecodeError`` where they cannot be read."""
        return self._incoming.kwargs

    def humaninfo(self) -> str:
        """Return name and id, as they stand in a log."""
        return escape(f"{self.name}[{self.id}]")

    def __repr__(self) -> str:
        return f"<Request: {self.humaninfo()} {escape(self.argsrepr)} {escape(self.kwargsrepr)}>"
