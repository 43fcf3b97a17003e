"""``celery.app.trace``: running one task here, for programs that do so or look how it is done.

taskq's workers have their own way of running a body (``app.run_task``).  A tracer that is made here
runs a task in this process, as ``task.apply`` does; it stores and sends nothing.  A library that
puts a function of its own in the place of ``build_tracer``, to see each task before it runs, gets
to see them: it is called for all tasks of the app when a worker begins, and what it returns is run
around each body.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from taskq import signals, states
from taskq.app.task import Task
from taskq.compat.tracing import TraceInfo
from taskq.errors import Ignore, Reject, Retry
from taskq.protocol.saferepr import safe_repr

__all__ = [
    "build_tracer",
    "get_log_policy",
    "get_task_name",
    "info",
    "log_policy_t",
    "report_internal_error",
    "task_has_custom",
    "trace_ok_t",
    "trace_task",
    "traceback_clear",
]

logger: Final = logging.getLogger("taskq.app.trace")


class trace_ok_t(NamedTuple):  # noqa: N801 - Celery's name
    """How a task ended: its value, what went wrong, how long it took, its value as text."""

    retval: Any
    info: Any
    runtime: float
    retstr: str


class log_policy_t(NamedTuple):  # noqa: N801 - Celery's name
    """How the end of a task is logged."""

    format: str
    description: str
    severity: int
    traceback: int
    mail: int


_ENDED: Final = "Task %(name)s[%(id)s] %(description)s: %(exc)s"
_POLICIES: Final = {
    "ignored": log_policy_t(_ENDED, "ignored", logging.INFO, 0, 0),
    "rejected": log_policy_t(_ENDED, "rejected", logging.WARNING, 1, 1),
    "expected": log_policy_t(_ENDED, "raised expected", logging.INFO, 0, 0),
    "internal": log_policy_t(_ENDED, "internal error", logging.CRITICAL, 1, 1),
    "failed": log_policy_t(_ENDED, "raised unexpected", logging.ERROR, 1, 1),
}


def get_log_policy(task: Any, einfo: Any, exc: BaseException) -> log_policy_t:
    """Say how an exception of a task is logged."""
    if isinstance(exc, Reject):
        return _POLICIES["rejected"]
    if isinstance(exc, Ignore):
        return _POLICIES["ignored"]
    if getattr(einfo, "internal", False):
        return _POLICIES["internal"]
    return _POLICIES["expected" if task.throws and isinstance(exc, task.throws) else "failed"]


def info(fmt: str, context: dict[str, Any]) -> None:
    """Log how a task ended."""
    logger.info(fmt, context, extra={"data": context})


def get_task_name(request: Any, default: str) -> str:
    """Return the name that is shown of a request's task."""
    return getattr(request, "shadow", None) or default


def task_has_custom(task: Any, attr: str) -> bool:
    """Whether a task's class, below ``Task``, defines an attribute itself."""
    for kind in type(task).__mro__:
        if kind is Task:
            return False
        if attr in kind.__dict__:
            return True
    return False


def traceback_clear(exc: BaseException | None = None) -> None:
    """Let go of what the frames of a traceback hold."""
    frame = exc.__traceback__ if exc is not None else None
    while frame is not None:
        try:
            frame.tb_frame.clear()
        except RuntimeError:
            return  # it still runs, and so do those below it
        frame = frame.tb_next


def report_internal_error(task: Any, exc: BaseException) -> Any:
    """Warn of an error that is not the task's own; returns what is known of it."""
    from taskq.app.failure import ExceptionInfo, traceback_text  # noqa: PLC0415 - one use

    found = ExceptionInfo(exc, traceback_text(exc))
    logger.critical("error beside task %s: %r", task.name, exc, exc_info=exc)
    return found


def build_tracer(  # noqa: PLR0917 - Celery's signature
    name: str,
    task: Any,
    loader: Any = None,
    hostname: str | None = None,
    store_errors: bool = True,
    Info: Any = None,  # noqa: N803 - Celery's name
    eager: bool = False,
    propagate: bool = False,
    app: Any = None,
    **kwargs: Any,
) -> Callable[..., trace_ok_t]:
    """Return a function that runs a task here, given its id, arguments and request."""
    del name, loader, hostname, store_errors, eager, app, kwargs
    kind = Info or TraceInfo

    def trace_here(
        uuid: str, args: Any, kwargs: Any, request: dict[str, Any] | None = None
    ) -> trace_ok_t:
        clock = task.app.ports.clock
        begun_s = clock.read().elapsed_s
        if (body := _body.get()) is not None:
            _body.set(None)  # what the body itself has traced is another task
            return _trace_body(body, kind, clock, begun_s)
        known = {key: value for key, value in (request or {}).items() if key in _REQUEST}
        result = task.apply(args, kwargs, task_id=uuid, throw=propagate, **known)
        ended = None if result.successful() else kind(result.state, result.result)
        runtime_s = clock.read().elapsed_s - begun_s
        return trace_ok_t(result.result, ended, runtime_s, safe_repr(result.result))

    return trace_here


def _trace_body(body: Callable[[], Any], kind: Any, clock: Any, begun_s: float) -> trace_ok_t:
    """Run a body for a worker, which hears of its end elsewhere."""
    ended: Any = None
    value: Any
    try:
        value = body()
    except Exception as error:  # noqa: BLE001 - the boundary: a task's body may raise anything
        value = error
        state = states.RETRY if isinstance(error, Retry) else states.FAILURE
        ended = kind(state, error)
    return trace_ok_t(value, ended, clock.read().elapsed_s - begun_s, safe_repr(value))


# What a request says that ``task.apply`` takes.
_REQUEST: Final = frozenset({"retries", "logfile", "loglevel"})
_own_build_tracer: Final = build_tracer


def trace_task(
    task: Any,
    uuid: str,
    args: Any,
    kwargs: Any,
    request: dict[str, Any] | None = None,
    **opts: Any,
) -> trace_ok_t:
    """Run a task here."""
    return build_tracer(task.name, task, **opts)(uuid, args, kwargs, request)


def _show_tasks(sender: Any = None, **_named: Any) -> None:
    # Looked up here: a library may have replaced it since.
    build = globals()["build_tracer"]
    if build is _own_build_tracer:
        return
    app = sender.app
    for name, task in app.tasks.items():
        tracer = build(name, task, app.loader, sender.hostname, app=app)
        if not inspect.iscoroutinefunction(inspect.unwrap(task.run)):
            task.run = _run_in(tracer, task, task.run)


# What the tracer that is innermost runs, where a worker has called the outermost.
_body: Final[ContextVar[Callable[[], Any] | None]] = ContextVar("taskq_traced_body", default=None)


def _run_in(tracer: Callable[..., Any], task: Any, run: Callable[..., Any]) -> Callable[..., Any]:
    """Put a library's tracer around a body; the worker's own way goes on around both."""

    @functools.wraps(run)
    def traced(*args: Any, **kwargs: Any) -> Any:
        request = task.request
        if request.called_directly:
            return run(*args, **kwargs)
        ended: list[tuple[Any, Exception | None]] = []

        def body() -> Any:
            try:
                ended.append((run(*args, **kwargs), None))
            except Exception as error:
                ended.append((None, error))
                raise
            return ended[0][0]

        token = _body.set(body)
        try:
            tracer(request.id, args, kwargs, {**vars(request), "headers": request.headers or {}})
        finally:
            _body.reset(token)
        value, error = ended[0]
        if error is not None:
            raise error
        return value

    return traced


signals.worker_init.connect(_show_tasks, weak=False)
