# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""One task that has come, as a program may handle it itself: ``Task.Request``.

A task with a request class of its own has one made of each of its messages, in the worker's parent
process.  ``execute_using_pool`` gives the message to the worker, which does with it what it does
with all: the ``on_…`` methods hear what becomes of it.  Whoever does not give it to the worker
settles it by ``acknowledge`` or ``reject``.

Owned here: what is told, and to whom.  Not owned: retries, results and events of a task that the
worker runs; they are told and stored as for any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from taskq.app.incoming import decode
from taskq.app.log_lines import escape
from taskq.current import app_or_default
from taskq.errors import InvalidTaskError
from taskq.ports import Job

__all__ = ["Request", "create_request_cls"]

NO_LIMITS: Final = (None, None)


def _nothing(*_ignored: Any) -> None:
    """Who made the request has nothing to settle."""


def _header(name: str, doc: str, default: Any = None) -> property:
    """Make a property of what stands in the headers under its name."""

    def get(request: Request) -> Any:
        value = request.request_dict.get(name)
        return default if value is None else value

    return property(get, doc=doc)


def _moment(said: Any) -> Any:
    return datetime.fromisoformat(said) if isinstance(said, str) else said


class Request:
    """A task that has come."""

    acknowledged = False
    time_start: float | None = None
    worker_pid: int | None = None
    time_limits: tuple[float | None, float | None] = NO_LIMITS
    id: str = ""
    name: str = ""

    root_id = _header("root_id", "The first task of the workflow.")
    parent_id = _header("parent_id", "The task that has sent this one.")
    group = _header("group", "The group that it belongs to.")
    group_index = _header("group_index", "Its place in the group.")
    groups = _header("groups", "The groups that it belongs to.")
    argsrepr = _header("argsrepr", "The arguments, as their sender lets them be shown.", "")
    kwargsrepr = _header("kwargsrepr", "The same for those by name.", "")
    stamped_headers = _header("stamped_headers", "The names of its stamps.")
    stamps = _header("stamps", "Its stamps.")
    replaced_task_nesting = _header("replaced_task_nesting", "How often it was replaced.", 0)

    def __init__(
        self,
        message: Any,
        on_ack: Callable[..., object] = _nothing,
        hostname: str | None = None,
        eventer: Any = None,
        app: Any = None,
        connection_errors: Any = None,
        request_dict: Mapping[str, Any] | None = None,
        task: Any = None,
        on_reject: Callable[..., object] = _nothing,
        body: Any = None,
        headers: Mapping[str, Any] | None = None,
        decoded: bool = False,
        utc: bool = True,
        **opts: Any,
    ) -> None:
        self.message, self.hostname, self.eventer = message, hostname, eventer
        self.app = app_or_default(app)
        self.connection_errors = connection_errors or ()
        self.on_ack, self.on_reject = on_ack, on_reject
        self.body = message.body if body is None else body
        self._decoded, self.utc, self.options = decoded, utc, opts
        self._headers = dict(message.headers if headers is None else headers)
        self._headers |= request_dict or {}
        try:
            self.id, self.name = str(self._headers["id"]), str(self._headers["task"])
        except KeyError as error:
            raise InvalidTaskError(f"message without {error} in its headers: no task") from None
        self.task = self.app.tasks.get(self.name) if task is None else task
        limits = self._headers.get("timelimit") or NO_LIMITS
        self.time_limits = (limits[0], limits[1])

    # -- what the message says ---------------------------------------------------------------------

    @property
    def request_dict(self) -> dict[str, Any]:
        """The headers of the message."""
        return self._headers

    @property
    def delivery_info(self) -> Mapping[str, Any]:
        """Exchange, routing key, priority, and whether it was delivered before."""
        info: Mapping[str, Any] = self.message.delivery_info or {}
        return {
            key: info.get(key) for key in ("exchange", "routing_key", "priority", "redelivered")
        }

    @property
    def content_type(self) -> str:
        """How the arguments are encoded."""
        return str(self.message.content_type)

    @property
    def content_encoding(self) -> str:
        """In which characters."""
        return str(self.message.content_encoding)

    @property
    def properties(self) -> Mapping[str, Any]:
        """The properties of the message."""
        return self.message.properties or {}

    @property
    def reply_to(self) -> Any:
        """Where its result is waited for."""
        return self.properties.get("reply_to")

    @property
    def correlation_id(self) -> Any:
        """What the result is known by there."""
        return self.properties.get("correlation_id")

    @cached_property
    def _payload(self) -> tuple[Any, dict[str, Any], Any]:
        """Arguments, arguments by name, and what follows.  Raises ``DecodeError``."""
        if self._decoded:
            args, kwargs, embed = self.body
            return args, kwargs, embed
        incoming = decode(self.app, self._job())
        return incoming.args, incoming.kwargs, incoming.embed or {}

    def _job(self) -> Job:
        return Job(
            0,
            self._headers,
            self.body,
            self.content_type,
            self.content_encoding,
            self.properties,
            self.delivery_info,
            *self.time_limits,
        )

    @property
    def args(self) -> Any:
        """The arguments.  Raises ``DecodeError`` where they cannot be read."""
        return self._payload[0]

    @property
    def kwargs(self) -> dict[str, Any]:
        """The arguments by name."""
        return self._payload[1]

    def _embedded(self, name: str) -> Any:
        return (self._payload[2] or {}).get(name)

    @property
    def chord(self) -> Any:
        """The body of the chord whose member it is."""
        return self._embedded("chord")

    @property
    def errbacks(self) -> Any:
        """What is sent when it fails."""
        return self._embedded("errbacks")

    @property
    def store_errors(self) -> bool:
        """Whether a failure is stored."""
        return not self.ignore_result or bool(self.task.store_errors_even_if_ignored)

    @property
    def ignore_result(self) -> bool:
        """Whether its result is not stored; what the message says counts more than the task."""
        said = self._headers.get("ignore_result")
        return bool(self.task.ignore_result if said is None else said)

    # -- ids ---------------------------------------------------------------------------------------

    @property
    def task_id(self) -> str:
        """The id of the task."""
        return self.id

    @property
    def task_name(self) -> str:
        """The name of the task."""
        return self.name

    @property
    def type(self) -> str:
        """The name of the task."""
        return self.name

    @property
    def tzlocal(self) -> Any:
        """The zone of the app."""
        return self.app.timezone

    # -- settling ----------------------------------------------------------------------------------

    def acknowledge(self) -> None:
        """Tell the broker that it is done with."""
        if not self.acknowledged:
            self.acknowledged = True
            self.on_ack(None, self.connection_errors)

    def reject(self, requeue: bool = False) -> None:
        """Give it back to the broker, for anyone, or for the dead letters."""
        if not self.acknowledged:
            self.acknowledged = True
            self.on_reject(None, self.connection_errors, requeue)
            self.send_event("task-rejected", requeue=requeue)

    # -- on its way --------------------------------------------------------------------------------

    def execute_using_pool(self, pool: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - Celery's signature
        """Let the worker go on with it: at its time, under its limits, in a slot of its pool.

        A subclass that does not call this keeps the message; it settles it itself.
        """
        release = getattr(self.message, "release", None)
        if release is None:
            raise TypeError("only a request that a worker has made can be executed by its pool")
        release(self)

    def execute(self, loglevel: Any = None, logfile: Any = None) -> Any:  # noqa: ARG002 - Celery's signature
        """Run it here and now, and settle it; returns its value."""
        if not self.task.acks_late:
            self.acknowledge()
        result = self.task.apply(self.args, self.kwargs, task_id=self.id)
        self.acknowledge()
        return result.get(propagate=False, disable_sync_subtasks=False)

    def maybe_expire(self) -> bool:
        """Say whether it came too late."""
        moment = self.expires
        if moment is None:
            return False
        now = self.app.ports.clock.read().wall
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.app.timezone)
        return bool(moment <= now)

    def revoked(self) -> bool:
        """Say whether it must not begin (any more)."""
        ask = getattr(self.message, "is_revoked", None)
        return self.maybe_expire() or (ask is not None and ask())

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """End its process, if it runs."""
        if self.worker_pid is not None and self.time_start is not None:
            pool.terminate_job(self.worker_pid, signal)

    def cancel(self, pool: Any, signal: Any = None, emit_retry: bool = True) -> None:
        """End its process; under late acks it is run again, and monitors are told so."""
        self.terminate(pool, signal)
        if emit_retry and self.task.acks_late:
            self.send_event("task-retried", exception="cancelled", traceback="")

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002 - Celery's name
        """Tell monitors, where they want to be told."""
        if self.eventer is not None and self.eventer.enabled and self.task.send_events:
            self.eventer.send(type, uuid=self.id, **fields)

    # -- what becomes of it, for subclasses --------------------------------------------------------

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Its body begins, in a process."""
        self.worker_pid, self.time_start = pid, time_accepted

    def on_timeout(self, soft: bool, timeout: float | None) -> None:
        """Its time is over: it was told (``soft``), or ended."""

    def on_success(self, failed__retval__runtime: Any, **kwargs: Any) -> None:
        """It has ended well: ``(False, what was returned as text, seconds)``."""

    def on_retry(self, exc_info: Any) -> None:
        """It is to be tried again."""

    def on_failure(
        self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False
    ) -> None:
        """It has failed."""

    # -- showing it --------------------------------------------------------------------------------

    def humaninfo(self) -> str:
        """Return name and id, as they stand in a log."""
        return escape(f"{self.name}[{self.id}]")

    def info(self, safe: bool = False) -> dict[str, Any]:
        """Return what ``inspect`` shows of a task."""
        return {
            "id": self.id,
            "name": self.name,
            "args": self.argsrepr if safe else self.args,
            "kwargs": self.kwargsrepr if safe else self.kwargs,
            "type": self.type,
            "hostname": self.hostname,
            "time_start": self.time_start,
            "acknowledged": self.acknowledged,
            "delivery_info": self.delivery_info,
            "worker_pid": self.worker_pid,
        }

    @property
    def eta(self) -> Any:
        """When it may start."""
        return _moment(self._headers.get("eta"))

    @property
    def expires(self) -> Any:
        """When it is too late."""
        return _moment(self._headers.get("expires"))

    def __str__(self) -> str:
        return self.humaninfo()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.humaninfo()} {escape(self.argsrepr)}>"


def create_request_cls(
    base: Any,
    task: Any,
    pool: Any,
    hostname: str,
    eventer: Any,
    *_more: Any,
    app: Any = None,
    **_options: Any,
) -> Any:
    """Return a class of requests of one task, in one worker."""
    given = {"hostname": hostname, "eventer": eventer, "task": task, "app": app or task.app}

    class OfTask(base):  # type: ignore[misc]  # a class of the program
        """A request of one task."""

        def __init__(self, message: Any, *args: Any, **kwargs: Any) -> None:
            super().__init__(message, *args, **{**given, **kwargs})

        def execute_using_pool(self, pool: Any = pool, **kwargs: Any) -> Any:
            return super().execute_using_pool(pool, **kwargs)

    OfTask.__name__, OfTask.__qualname__ = base.__name__, base.__qualname__
    OfTask.__module__ = base.__module__
    return OfTask
