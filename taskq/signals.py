"""Signals: who is told when something happens, and the table of all of them.

A receiver is called as ``receiver(signal=..., sender=..., **arguments)``.  What it raises is logged
and handed back to the one who sends; it never breaks what it was told of.

Who sends on a hot path asks first, and pays for one look at a list::

    if task_prerun.receivers:
        task_prerun.send(sender=task, ...)
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar, overload

__all__ = [
    "ALL",
    "Signal",
    "after_setup_logger",
    "after_setup_task_logger",
    "after_task_publish",
    "beat_embedded_init",
    "beat_init",
    "before_task_publish",
    "celeryd_after_setup",
    "celeryd_init",
    "eventlet_pool_apply",
    "eventlet_pool_postshutdown",
    "eventlet_pool_preshutdown",
    "eventlet_pool_started",
    "heartbeat_sent",
    "import_modules",
    "setup_logging",
    "task_failure",
    "task_internal_error",
    "task_postrun",
    "task_prerun",
    "task_received",
    "task_rejected",
    "task_retry",
    "task_revoked",
    "task_sent",
    "task_success",
    "task_unknown",
    "user_preload_options",
    "worker_before_create_process",
    "worker_init",
    "worker_process_init",
    "worker_process_shutdown",
    "worker_ready",
    "worker_shutdown",
    "worker_shutting_down",
]

logger: Final = logging.getLogger("taskq.signals")

# How often a receiver that was connected with ``retry=True`` is called for one signal.  Celery goes
# on for ever; a receiver that never succeeds would then hold its worker for ever.
RETRY_ATTEMPTS: Final = 3

Receiver: TypeAlias = Callable[..., Any]
R = TypeVar("R", bound=Receiver)


class Connection(NamedTuple):
    """One receiver of a signal."""

    key: Hashable  # what makes it the same connection when it is made again
    sender: Any  # None: any
    find: Callable[[], Receiver | None]  # None: it is gone
    retry: bool


class Signal:
    """Something that happens, and who wants to know."""

    def __init__(
        self,
        providing_args: Iterable[str] | None = None,
        use_caching: bool = False,
        name: str | None = None,
    ) -> None:
        self.providing_args = frozenset(providing_args or ())
        self.use_caching = use_caching  # accepted as Celery does; there is nothing to cache
        self.name = name
        # Never changed in place, so that who iterates over it needs no lock.
        self.receivers: list[Connection] = []
        self._lock = threading.RLock()

    @overload
    def connect(self, receiver: R, *args: Any, **options: Any) -> R: ...

    @overload
    def connect(self, receiver: None = None, *args: Any, **options: Any) -> Callable[[R], R]: ...

    def connect(
        self,
        receiver: Receiver | None = None,
        sender: Any = None,
        weak: bool = True,
        dispatch_uid: Hashable = None,
        retry: bool = False,
    ) -> Any:
        """Call ``receiver`` from now on; a decorator too, with and without arguments.

        With ``sender``, only for what that one sends.  With ``weak``, as long as somebody else
        holds the receiver.  Two connections with one ``dispatch_uid`` are one.
        """

        def decorate(function: R) -> R:
            self._add(function, sender, weak, dispatch_uid, retry)
            return function

        return decorate if receiver is None else decorate(receiver)

    def _add(self, receiver: Receiver, sender: Any, weak: bool, uid: Hashable, retry: bool) -> None:
        if not callable(receiver):
            raise TypeError(f"{self!r}: a receiver must be callable, not {receiver!r}")
        key = _key(receiver, sender, uid)
        find = _reference(receiver, self._prune) if weak else _strong(receiver)
        with self._lock:
            alive = [known for known in self.receivers if known.find() is not None]
            if all(known.key != key for known in alive):
                alive.append(Connection(key, sender, find, retry))
            self.receivers = alive

    def disconnect(
        self,
        receiver: Receiver | None = None,
        sender: Any = None,
        weak: bool | None = None,  # noqa: ARG002 - accepted as Celery does
        dispatch_uid: Hashable = None,
    ) -> bool:
        """Call it no more; returns whether it was connected."""
        key = _key(receiver, sender, dispatch_uid)
        with self._lock:
            before = len(self.receivers)
            self.receivers = [known for known in self.receivers if known.key != key]
            return len(self.receivers) < before

    def _prune(self, _reference: object = None) -> None:
        with self._lock:
            self.receivers = [known for known in self.receivers if known.find() is not None]

    def has_listeners(self, sender: Any = None) -> bool:
        """Whether somebody would be called."""
        return any(True for _ in self._live(sender))

    def _live(self, sender: Any) -> Iterable[tuple[Receiver, bool]]:
        for known in self.receivers:
            if known.sender is None or known.sender is sender or known.sender == sender:
                receiver = known.find()
                if receiver is not None:
                    yield receiver, known.retry

    def send(self, sender: Any = None, **named: Any) -> list[tuple[Receiver, Any]]:
        """Tell all; returns each receiver with what it returned, or with what it raised."""
        if not self.receivers:
            return []
        return [
            (receiver, self._tell(receiver, RETRY_ATTEMPTS if retry else 1, sender, named))
            for receiver, retry in self._live(sender)
        ]

    send_robust = send

    def _tell(self, receiver: Receiver, attempts: int, sender: Any, named: dict[str, Any]) -> Any:
        try:
            return receiver(signal=self, sender=sender, **named)
        except Exception as error:  # a boundary: the receiver is the user's
            if attempts > 1:
                return self._tell(receiver, attempts - 1, sender, named)
            logger.exception("signal %s: its receiver %r failed", self.name, receiver)
            return error

    def __repr__(self) -> str:
        return f"<Signal: {self.name} providing_args={sorted(self.providing_args)}>"


def _key(receiver: Receiver | None, sender: Any, uid: Hashable) -> Hashable:
    # A text is known by what it says, all else by what it is; a bound method is made anew each
    # time that it is looked up.
    by = sender if isinstance(sender, str | bytes) else id(sender)
    if uid is not None:
        return ("uid", uid, by)
    owner = getattr(receiver, "__self__", None)
    function = getattr(receiver, "__func__", receiver)
    return (id(owner), id(function), by)


def _reference(
    receiver: Receiver, when_gone: Callable[[object], None]
) -> Callable[[], Receiver | None]:
    if hasattr(receiver, "__self__") and hasattr(receiver, "__func__"):
        return weakref.WeakMethod(receiver, when_gone)
    try:
        return weakref.ref(receiver, when_gone)
    except TypeError:
        # Builtins and slotted callables cannot be referred to weakly.
        return _strong(receiver)


def _strong(receiver: Receiver) -> Callable[[], Receiver | None]:
    return lambda: receiver


# -- the table -----------------------------------------------------------------------------------

ALL: Final[dict[str, Signal]] = {}


def _row(name: str, *arguments: str) -> Signal:
    ALL[name] = Signal(arguments, name=name)
    return ALL[name]


# In the client.  The sender is the name of the task.
# Headers and properties may be changed in place.
before_task_publish: Final = _row(
    "before_task_publish",
    *("body", "exchange", "routing_key", "headers", "properties", "declare", "retry_policy"),
)
after_task_publish: Final = _row("after_task_publish", "body", "exchange", "routing_key", "headers")
# Nobody sends it any more; programs still connect to it.
task_sent: Final = _row("task_sent", "task_id", "task", "args", "kwargs", "eta", "taskset")

# Where the body runs.  The sender is the task.
task_prerun: Final = _row("task_prerun", "task_id", "task", "args", "kwargs")
task_postrun: Final = _row("task_postrun", "task_id", "task", "args", "kwargs", "retval", "state")
task_success: Final = _row("task_success", "result", "runtime")
task_retry: Final = _row("task_retry", "request", "reason", "einfo")
task_failure: Final = _row(
    "task_failure", "task_id", "exception", "args", "kwargs", "traceback", "einfo"
)
task_internal_error: Final = _row(
    "task_internal_error",
    *("task_id", "args", "kwargs", "request", "exception", "traceback", "einfo"),
)

# In the worker's own process.  The sender is the task, then the consumer.
task_revoked: Final = _row("task_revoked", "request", "terminated", "signum", "expired")
task_received: Final = _row("task_received", "request")
task_rejected: Final = _row("task_rejected", "message", "exc")
task_unknown: Final = _row("task_unknown", "message", "exc", "name", "id")

# The life of a worker.  The sender of the first two and of the last is the name of the node.
celeryd_init: Final = _row("celeryd_init", "instance", "conf", "options")
celeryd_after_setup: Final = _row("celeryd_after_setup", "instance", "conf")
worker_init: Final = _row("worker_init")
worker_ready: Final = _row("worker_ready")
worker_shutdown: Final = _row("worker_shutdown")
worker_shutting_down: Final = _row("worker_shutting_down", "sig", "how", "exitcode")
heartbeat_sent: Final = _row("heartbeat_sent")

# The life of a child of the pool: first in the parent, by the pool; then in the child, by the name
# of the node.
worker_before_create_process: Final = _row("worker_before_create_process")
worker_process_init: Final = _row("worker_process_init")
worker_process_shutdown: Final = _row("worker_process_shutdown", "pid", "exitcode")

# The scheduler.
beat_init: Final = _row("beat_init")
beat_embedded_init: Final = _row("beat_embedded_init")

# Logging.  A receiver of the first one takes it over as a whole.
setup_logging: Final = _row("setup_logging", "loglevel", "logfile", "format", "colorize")
after_setup_logger: Final = _row(
    "after_setup_logger", "logger", "loglevel", "logfile", "format", "colorize"
)
after_setup_task_logger: Final = _row(
    "after_setup_task_logger", "logger", "loglevel", "logfile", "format", "colorize"
)

# The application and its commands.
import_modules: Final = _row("import_modules")
user_preload_options: Final = _row("user_preload_options", "app", "options")

# The pool of green threads.
eventlet_pool_started: Final = _row("eventlet_pool_started")
eventlet_pool_preshutdown: Final = _row("eventlet_pool_preshutdown")
eventlet_pool_postshutdown: Final = _row("eventlet_pool_postshutdown")
eventlet_pool_apply: Final = _row("eventlet_pool_apply", "target", "args", "kwargs")
