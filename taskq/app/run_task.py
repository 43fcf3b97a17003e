# ruff: noqa: PLR0917 - one pipeline hands the same few values on from step to step
"""Runs the body of one task, and says how it ended.

Read from top to bottom: ``enter`` puts the request on the stack, ``begin`` tells that the body
starts, the body is called (``call`` or ``call_async``), ``Outcome.of_error`` classifies what it
raised, ``tell`` calls handlers and signals.  ``Work`` puts messages around it, ``eager`` does not.

What a handler or a receiver of a signal raises is logged, told as ``task_internal_error``, and
changes nothing of how the task ended.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from taskq import current, signals, states
from taskq.app import soft_limit
from taskq.app.context import Context
from taskq.app.failure import ExceptionInfo, traceback_text
from taskq.app.replacing import Replaced
from taskq.errors import Ignore, Reject, Retry
from taskq.ports import EndingKind, Guard

__all__ = ["Outcome", "TaskPlan", "begin", "call", "call_async", "enter", "leave", "tell"]

logger: Final = logging.getLogger("taskq.app.trace")


class TaskPlan:
    """What is known of a task before it is called; made once for each."""

    __slots__ = (
        "after_return",
        "before_start",
        "function",
        "is_async",
        "on_success",
        "own_call",
        "task",
        "version",
    )

    def __init__(self, task: Any, version: int) -> None:
        self.task, self.version = task, version
        self.own_call: bool = task.overrides("__call__")
        self.function: Callable[..., Any] = task if self.own_call else task.run
        self.is_async = inspect.iscoroutinefunction(inspect.unwrap(task.run))
        self.before_start = task.overrides("before_start")
        self.on_success = task.overrides("on_success")
        self.after_return = task.overrides("after_return")


class Outcome:
    """How a body ended."""

    __slots__ = ("einfo", "kind", "state", "traceback", "value")

    def __init__(
        self,
        kind: EndingKind,
        state: str,
        value: Any,
        traceback: str | None = None,
        einfo: ExceptionInfo | None = None,
    ) -> None:
        self.kind, self.state, self.value = kind, state, value
        self.traceback, self.einfo = traceback, einfo

    @classmethod
    def of_value(cls, value: Any) -> Outcome:
        """The body returned."""
        return cls(EndingKind.SUCCEEDED, states.SUCCESS, value)

    @classmethod
    def of_error(cls, error: BaseException) -> Outcome:
        """The body raised: it failed, or says by it how it wants to end."""
        if isinstance(error, Retry):
            text = traceback_text(error)
            return cls(EndingKind.RETRIED, states.RETRY, error, text, ExceptionInfo(error, text))
        if isinstance(error, Ignore):
            kind = EndingKind.REPLACED if isinstance(error, Replaced) else EndingKind.IGNORED
            return cls(kind, states.IGNORED, error)
        if isinstance(error, Reject):
            kind = EndingKind.REQUEUED if error.requeue else EndingKind.REJECTED
            return cls(kind, states.REJECTED, error)
        _drop_our_frames(error)
        text = traceback_text(error)
        return cls(EndingKind.FAILED, states.FAILURE, error, text, ExceptionInfo(error, text))


_OUR_FILES: Final = frozenset({__file__, soft_limit.__file__})


def _drop_our_frames(error: BaseException) -> None:
    """Let the traceback begin in the user's code; one that never left ours stays as it is."""
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename in _OUR_FILES:
        frame = frame.tb_next
    if frame is not None:
        error.__traceback__ = frame


# -- the pipeline --------------------------------------------------------------------------------


def enter(plan: TaskPlan, request: Context, *, join_blocks: bool = True) -> Any:
    """Put a request on the stack; returns what ``leave`` needs."""
    # An own ``__call__`` that calls that of ``Task`` gets this request; a body that calls its task
    # directly gets one of its own.
    request._protected = 0 if plan.own_call else 1  # noqa: SLF001 - see Task.__call__
    return (
        current.frames.set(current.Frame(plan.task, request, current.frames.get())),
        current.join_blocks.set(join_blocks),
    )


def leave(tokens: Any) -> None:
    """Take the request from the stack."""
    frame, join = tokens
    current.frames.reset(frame)
    current.join_blocks.reset(join)


def begin(plan: TaskPlan, request: Context, args: Any, kwargs: Any) -> None:
    """Tell that the body starts."""
    if plan.before_start:
        plan.task.before_start(request.id, args, kwargs)
    if signals.task_prerun.receivers:
        signals.task_prerun.send(
            sender=plan.task, task_id=request.id, task=plan.task, args=args, kwargs=kwargs
        )


def call(
    plan: TaskPlan, request: Context, args: Any, kwargs: Any, guard: Guard | None = None
) -> Outcome:
    """Run the body.  A ``BaseException`` that is no ``Exception`` passes: it ends the process."""
    try:
        begin(plan, request, args, kwargs)
        if guard is not None:
            return Outcome.of_value(soft_limit.call_limited(guard, plan.function, args, kwargs))
        return Outcome.of_value(plan.function(*args, **kwargs))
    except Exception as error:  # noqa: BLE001 - the boundary: a task's body may raise anything
        return Outcome.of_error(error)


async def call_async(
    plan: TaskPlan,
    request: Context,
    args: Any,
    kwargs: Any,
    guard: Guard | None = None,
    limit_s: float | None = None,
) -> Outcome:
    """Run the body of a coroutine function."""
    try:
        begin(plan, request, args, kwargs)
        body = plan.function(*args, **kwargs)
        if guard is not None and limit_s is not None:
            body = soft_limit.await_limited(body, limit_s, guard.passed)
        return Outcome.of_value(await body)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise  # the pool ends it
        return Outcome.of_error(error)  # the body has raised it, or awaited what was cancelled
    except Exception as error:  # noqa: BLE001 - the boundary: a task's body may raise anything
        return Outcome.of_error(error)


def tell(
    plan: TaskPlan, request: Context, args: Any, kwargs: Any, outcome: Outcome, runtime_s: float
) -> None:
    """Call handlers and signals for how the body ended."""
    try:
        _TELL[outcome.kind](plan, request, args, kwargs, outcome, runtime_s)
        if plan.after_return and outcome.kind in _RETURNED:
            plan.task.after_return(
                outcome.state, outcome.value, request.id, args, kwargs, outcome.einfo
            )
    except Exception as error:  # noqa: BLE001 - the boundary: a user's handler may raise anything
        report_internal_error(plan.task, request, args, kwargs, error)
    if signals.task_postrun.receivers:
        signals.task_postrun.send(
            sender=plan.task,
            task_id=request.id,
            task=plan.task,
            args=args,
            kwargs=kwargs,
            retval=outcome.value,
            state=outcome.state,
        )


def _tell_success(
    plan: TaskPlan, request: Any, args: Any, kwargs: Any, outcome: Outcome, runtime_s: float
) -> None:
    if plan.on_success:
        plan.task.on_success(outcome.value, request.id, args, kwargs)
    if signals.task_success.receivers:
        signals.task_success.send(sender=plan.task, result=outcome.value, runtime=runtime_s)


def _tell_failure(
    plan: TaskPlan, request: Any, args: Any, kwargs: Any, outcome: Outcome, _runtime_s: float
) -> None:
    tell_failure(plan.task, request, args, kwargs, outcome.einfo)


def tell_failure(task: Any, request: Any, args: Any, kwargs: Any, einfo: Any) -> None:
    """Call handler and signal of a failure."""
    task.on_failure(einfo.exception, request.id, args, kwargs, einfo)
    _send_failure(task, request, args, kwargs, einfo)


def _send_failure(task: Any, request: Any, args: Any, kwargs: Any, einfo: Any) -> None:
    if signals.task_failure.receivers:
        error = einfo.exception
        signals.task_failure.send(
            sender=task,
            task_id=request.id,
            exception=error,
            args=args,
            kwargs=kwargs,
            traceback=error.__traceback__,
            einfo=einfo,
        )


def _tell_retry(
    plan: TaskPlan, request: Any, args: Any, kwargs: Any, outcome: Outcome, _runtime_s: float
) -> None:
    reason = outcome.value
    plan.task.on_retry(reason.exc, request.id, args, kwargs, outcome.einfo)
    if signals.task_retry.receivers:
        signals.task_retry.send(
            sender=plan.task, request=request, reason=reason, einfo=outcome.einfo
        )


def _tell_rejection(
    plan: TaskPlan, request: Any, args: Any, kwargs: Any, outcome: Outcome, _runtime_s: float
) -> None:
    """The message is gone, so it is a failure for those who watch; the task's handler is spared."""
    _send_failure(plan.task, request, args, kwargs, ExceptionInfo(outcome.value))


def _tell_nothing(*_ignored: Any) -> None:
    """The task asked that nothing be said."""


_SILENT: Final = frozenset({EndingKind.IGNORED, EndingKind.REPLACED, EndingKind.REQUEUED})
_RETURNED: Final = frozenset({EndingKind.SUCCEEDED, EndingKind.FAILED})
_TELL: Final[Mapping[EndingKind, Callable[..., None]]] = {
    EndingKind.SUCCEEDED: _tell_success,
    EndingKind.FAILED: _tell_failure,
    EndingKind.RETRIED: _tell_retry,
    EndingKind.REJECTED: _tell_rejection,
    **dict.fromkeys(_SILENT, _tell_nothing),
}


def report_internal_error(
    task: Any, request: Any, args: Any, kwargs: Any, error: Exception
) -> None:
    """Log what the machinery around a body raised, and tell it."""
    logger.error(
        "task %s[%s]: %s raised beside its body",
        task.name,
        request.id,
        type(error).__name__,
        exc_info=error,
    )
    if signals.task_internal_error.receivers:
        signals.task_internal_error.send(
            sender=task,
            task_id=request.id,
            args=args,
            kwargs=kwargs,
            request=request,
            exception=error,
            traceback=error.__traceback__,
            einfo=ExceptionInfo(error, internal=True),
        )
