"""Everything that taskq raises.  Each class words its own message.

``args`` hold facts, not sentences, so that an error survives pickling and a result store.
The names that Celery's users catch are here under the same names and bases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = [
    "AlreadyRegistered",
    "AlwaysEagerIgnored",
    "BackendError",
    "BackendGetMetaError",
    "BackendStoreError",
    "BrokerLostError",
    "CDeprecationWarning",
    "CPendingDeprecationWarning",
    "CanvasTooDeep",
    "ChainRestLost",
    "ChordError",
    "ContentDisallowed",
    "DecodeError",
    "DuplicateNodenameWarning",
    "DuplicateTaskNameWarning",
    "EncodeError",
    "FixupWarning",
    "GroupNotFound",
    "Ignore",
    "ImproperlyConfigured",
    "IncompleteStream",
    "InvalidTaskError",
    "LockFailed",
    "MaxRetriesExceededError",
    "MessageTooLarge",
    "NotConfigured",
    "NotRegistered",
    "OperationalError",
    "QueueNotFound",
    "Reject",
    "RemoteError",
    "Retry",
    "SchedulingError",
    "SecurityError",
    "SecurityWarning",
    "SoftTimeLimitExceeded",
    "TaskError",
    "TaskPredicate",
    "TaskRevokedError",
    "TaskqError",
    "TaskqWarning",
    "Terminated",
    "TimeLimitExceeded",
    "TimeoutError",
    "UnknownSettingError",
    "UnknownSettingWarning",
    "WorkerLostError",
    "WorkerShutdown",
    "WorkerTerminate",
    "WrongSettingError",
]


class TaskqError(Exception):
    """Base of what taskq raises."""


class TaskqWarning(UserWarning):
    """Base of what taskq warns of."""


# -- warnings ------------------------------------------------------------------------------


class AlwaysEagerIgnored(TaskqWarning):
    """Celery's: ``send_task`` went to the broker although ``task_always_eager`` is on.

    Here nobody warns of it: ``send_task`` runs the task like any other call.
    """


class DuplicateNodenameWarning(TaskqWarning):
    """Two workers answer to one node name."""


class DuplicateTaskNameWarning(TaskqWarning):
    """Two functions were registered under one task name; the first one stays."""


class FixupWarning(TaskqWarning):
    """A fixup could not be loaded."""


class NotConfigured(TaskqWarning):
    """No configuration was found."""


class SecurityWarning(TaskqWarning):
    """Something is allowed that an attacker could use."""


class UnknownSettingWarning(TaskqWarning):
    """A setting was given under a name that no setting has."""


class CDeprecationWarning(DeprecationWarning):
    """Something will go in the next version."""


class CPendingDeprecationWarning(PendingDeprecationWarning):
    """Something will go in a later version."""


# -- what a task body raises to say how it ends ----------------------------------------------


class TaskPredicate(TaskqError):
    """Raised by a body to say how it ends; no failure."""


class Ignore(TaskPredicate):
    """Leave the state of this task alone."""


class Reject(TaskPredicate):
    """Give the message back to the broker."""

    def __init__(self, reason: Any = None, requeue: bool = False) -> None:
        super().__init__(reason, requeue)
        self.reason, self.requeue = reason, requeue

    def __repr__(self) -> str:
        return f"reject requeue={self.requeue}: {self.reason}"


class Retry(TaskPredicate):
    """The task will run again."""

    def __init__(
        self,
        message: str | None = None,
        exc: BaseException | str | None = None,
        when: Any = None,
        is_eager: bool = False,
        sig: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(message, exc, when, **kwargs)
        self.message, self.when, self.is_eager, self.sig = message, when, is_eager, sig
        self.exc: BaseException | None = exc if isinstance(exc, BaseException) else None
        self.excs: str | None = repr(exc) if isinstance(exc, BaseException) else exc

    def humanize(self) -> str:
        """Say when: ``in 10s`` or ``at 2030-01-01 ...``."""
        return f"in {self.when}s" if isinstance(self.when, int | float) else f"at {self.when}"

    def __str__(self) -> str:
        if self.message:
            return self.message
        return f"Retry {self.humanize()}" + (f": {self.excs}" if self.excs else "")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.exc or self.excs, self.when)


# -- errors of tasks -------------------------------------------------------------------------


class TaskError(TaskqError):
    """Something is wrong with one task."""


class AlreadyRegistered(TaskError):
    """A task of that name exists already."""


class ChainRestLost(TaskError):
    """The steps that a chain goes on with were kept in a result store, and are gone."""

    def __init__(self, rest: str, window: int, store: str) -> None:
        super().__init__(rest, window, store)
        self.rest, self.window, self.store = rest, window, store

    def __str__(self) -> str:
        return (
            f"the rest of the chain that task {self.rest} stands in (window {self.window}) is not "
            f"in {self.store}: it was deleted, or this worker has another result_backend; "
            "with taskq_chain_window=0 chains travel as a whole"
        )


class ChordError(TaskError):
    """A member of a chord's header failed, so its body does not run."""


class GroupNotFound(KeyError, TaskError):
    """No group is saved under an id, or no longer."""

    def __init__(self, group_id: str, store: str) -> None:
        super().__init__(group_id, store)
        self.group_id, self.store = group_id, store

    def __str__(self) -> str:
        return (
            f"no group {self.group_id} is saved in {self.store}: save() was never called on its "
            "result, delete() was, or its time is over (result_expires)"
        )


class IncompleteStream(TaskError):
    """The end of a stream was found too early."""


class InvalidTaskError(TaskError):
    """A message is no task, or names one in a way that makes no sense."""


class CanvasTooDeep(InvalidTaskError):
    """Groups, chains and chords are nested deeper than a worker could read them."""

    def __init__(self, task: str, limit: int) -> None:
        super().__init__(task, limit)
        self.task, self.limit = task, limit

    def __str__(self) -> str:
        return (
            f"too large: a {self.task} is nested more than {self.limit} levels deep; "
            "let a task of its own send the inner part"
        )


class MaxRetriesExceededError(TaskError):
    """No retry is left."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.task_args: Sequence[Any] = kwargs.pop("task_args", ())
        self.task_kwargs: dict[str, Any] = kwargs.pop("task_kwargs", {})
        super().__init__(*args)


class NotRegistered(KeyError, TaskError):
    """No task of that name is registered here."""

    def __str__(self) -> str:
        name = self.args[0] if self.args else None
        return (
            f"Task of kind {name!r} is not registered; "
            "make sure that the module that defines it is imported (see `include` and `imports`)."
        )

    def __repr__(self) -> str:
        return str(self)


class QueueNotFound(KeyError, TaskError):
    """A route names a queue that is not configured, and ``task_create_missing_queues`` is off."""


class TaskRevokedError(TaskError):
    """The task was revoked, or expired."""


class TimeoutError(TaskError):  # noqa: A001 - Celery's name
    """What was waited for did not come in time."""


# -- errors of the application -----------------------------------------------------------------


class ImproperlyConfigured(TaskqError):
    """The configuration cannot be used as it is."""


class UnknownSettingError(TaskqError, KeyError):
    """A configuration value was asked for, or given, under a name that no setting has."""

    def __init__(self, name: str, source: str, nearest: str | None = None) -> None:
        super().__init__(name, source, nearest)
        self.name, self.source, self.nearest = name, source, nearest

    def __str__(self) -> str:
        advice = f"did you mean {self.nearest!r}?" if self.nearest else "run `taskq report`."
        return f"{self.source}: no setting is called {self.name!r}; {advice}"


class WrongSettingError(ImproperlyConfigured):
    """A setting has a value that cannot be of its type."""

    def __init__(self, name: str, value: Any, expected: str, source: str) -> None:
        super().__init__(name, value, expected, source)
        self.name, self.value, self.expected, self.source = name, value, expected, source

    def __str__(self) -> str:
        return f"{self.source}: {self.name} must be {self.expected}, not {self.value!r}"


class SecurityError(TaskqError):
    """A message is not signed, or not by somebody who is trusted."""


# -- errors of broker, codec and store -----------------------------------------------------------


class OperationalError(TaskqError):
    """The broker or the store did not do what was asked, in the time that it had.

    What an adapter on kombu raises is kombu's ``OperationalError`` as well.
    """


class BrokerLostError(OperationalError):
    """The connection to the broker is gone; deliveries that it had given may come again."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(where, why)
        self.where, self.why = where, why

    def __str__(self) -> str:
        return f"lost the broker at {self.where}: {self.why}"


class EncodeError(TaskqError):
    """A value cannot be put into a message or a store."""


class MessageTooLarge(EncodeError):
    """A message is larger than a worker would accept."""

    def __init__(self, task: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(task, size_bytes, limit_bytes)
        self.task, self.size_bytes, self.limit_bytes = task, size_bytes, limit_bytes

    def __str__(self) -> str:
        return (
            f"too large: the message of task {self.task} has {self.size_bytes} bytes, and "
            f"taskq_max_body_bytes allows {self.limit_bytes}; send a reference to large data, and "
            "long chains in parts"
        )


class DecodeError(TaskqError):
    """Bytes of a message or a store cannot be read."""


class ContentDisallowed(DecodeError):
    """The content type is not in ``accept_content``."""

    def __init__(self, content_type: str, accepted: Sequence[str]) -> None:
        super().__init__(content_type, tuple(accepted))
        self.content_type, self.accepted = content_type, tuple(accepted)

    def __str__(self) -> str:
        listed = ", ".join(self.accepted) or "nothing"
        return f"refused content type {self.content_type!r}; accept_content allows {listed}"


class BackendError(Exception):
    """The result store failed."""


class BackendGetMetaError(BackendError):
    """A result could not be read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.task_id: str = kwargs.get("task_id", "")
        super().__init__(*args)

    def __repr__(self) -> str:
        return f"{super().__repr__()} task_id:{self.task_id}"


class BackendStoreError(BackendError):
    """A result could not be stored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.state: str = kwargs.get("state", "")
        self.task_id: str = kwargs.get("task_id", "")
        super().__init__(*args)

    def __repr__(self) -> str:
        return f"{super().__repr__()} state:{self.state} task_id:{self.task_id}"


class RemoteError(TaskqError):
    """Stands for an exception of another process whose class is not known here."""

    def __init__(self, module: str, name: str, text: str) -> None:
        super().__init__(module, name, text)
        self.module, self.name, self.text = module, name, text

    def __str__(self) -> str:
        return f"{self.module}.{self.name}({self.text})"


# -- errors of workers ---------------------------------------------------------------------------


class WorkerLostError(Exception):
    """The process that ran the task is gone."""


class Terminated(Exception):
    """The process that ran the task was told to end."""


class TimeLimitExceeded(Exception):
    """The hard time limit is over."""

    def __str__(self) -> str:
        return f"TimeLimitExceeded{self.args!r}"


class SoftTimeLimitExceeded(Exception):
    """The soft time limit is over; raised in the body."""

    def __str__(self) -> str:
        return f"SoftTimeLimitExceeded{self.args!r}"


class WorkerShutdown(SystemExit):
    """Raised to stop a worker warmly."""


class WorkerTerminate(SystemExit):
    """Raised to stop a worker at once."""


class SchedulingError(TaskqError):
    """An entry of a schedule could not be sent."""

    def __init__(
        self, entry: str, task: str | None = None, why: BaseException | None = None
    ) -> None:
        super().__init__(entry, task, why)
        self.entry, self.task, self.why = entry, task, why

    def __str__(self) -> str:
        if self.why is None:
            return str(self.entry)
        return f"cannot send entry {self.entry} ({self.task}): {self.why}"


class LockFailed(TaskqError):
    """A pid file cannot be had."""

    def __init__(self, path: str, holder: int | None, why: str) -> None:
        super().__init__(path, holder, why)
        self.path, self.holder, self.why = path, holder, why

    def __str__(self) -> str:
        if self.holder is not None:
            return (
                f"{self.path}: process {self.holder} has it and lives; stop that one first, or "
                "give this one another --pidfile"
            )
        return f"{self.path}: cannot be used as a pid file: {self.why}"
