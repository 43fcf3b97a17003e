"""What ``task.retry`` does: builds the same call once more, and says so by raising ``Retry``.

The message of the retry is not sent here.  ``run_task`` sends it together with the result, so that
a worker that dies in between neither loses the task nor runs it twice.  Only with ``throw=False``
the body goes on, and the message is sent at once.
"""

from __future__ import annotations

import sys
from typing import Any, Final, NoReturn

from taskq.app.context import OUR_PREFIX
from taskq.app.eager.place import post
from taskq.errors import MaxRetriesExceededError, Retry

__all__ = ["MAX_RETRIES", "retry", "signature_from_request"]

# What a retry has said of the retries after it.
MAX_RETRIES: Final = "max-retries"
MAX_RETRIES_HEADER: Final = f"{OUR_PREFIX}{MAX_RETRIES}"


def signature_from_request(
    task: Any,
    request: Any = None,
    args: Any = None,
    kwargs: Any = None,
    queue: Any = None,
    **extra_options: Any,
) -> Any:
    """Return a signature of the call that a request describes."""
    request = task.request if request is None else request
    args = request.args if args is None else args
    kwargs = request.kwargs if kwargs is None else kwargs
    options = {**request.as_execution_options(), **_where_it_came_from(request, queue)}
    options.update(extra_options)
    return task.signature(args, kwargs, options)


def _where_it_came_from(request: Any, queue: Any) -> dict[str, Any]:
    """Send it the way that it came, unless a queue is given."""
    delivery_info = request.delivery_info or {}
    found: dict[str, Any] = {}
    if delivery_info.get("priority") is not None:
        found["priority"] = delivery_info["priority"]
    exchange, key = delivery_info.get("exchange"), delivery_info.get("routing_key")
    if queue:
        found["queue"] = queue
    elif not exchange and key:
        found["queue"] = key
    elif exchange:
        found.update(exchange=exchange, routing_key=key)
    return found


def retry(
    task: Any,
    args: Any = None,
    kwargs: Any = None,
    *,
    exc: BaseException | None = None,
    throw: bool = True,
    eta: Any = None,
    countdown: float | None = None,
    max_retries: int | None = None,
    **options: Any,
) -> Any:
    """Raise ``Retry`` (or return it), or what is to be raised when no retry is left."""
    request = task.request
    allowed = task.max_retries if max_retries is None else max_retries
    if request.called_directly:
        # Nobody would send it again: the caller gets the error.
        _raise(exc or sys.exc_info()[1] or Retry("Task can be retried"))
    if isinstance(exc, type):
        exc = exc()
    if not eta and countdown is None:
        countdown = task.default_retry_delay
    if max_retries is not None:
        # The autoretry of a later attempt keeps to it.
        given = options.get("headers") or request.headers or {}
        options["headers"] = {**given, MAX_RETRIES_HEADER: max_retries}
    if allowed is not None and request.retries >= allowed:
        if exc is None:
            raise _exhausted(task, request, args, kwargs)
        _raise(exc)
    sig = signature_from_request(
        task,
        request,
        args,
        kwargs,
        countdown=countdown,
        eta=eta,
        retries=request.retries + 1,
        **{"ignore_result": _is_ignored(task, request), **options},
    )
    said = Retry(exc=exc, when=eta or countdown, is_eager=request.is_eager, sig=sig)
    if throw:
        raise said
    if request.is_eager:
        post(task.app, sig.apply_async)
    else:
        sig.apply_async()
    return said


def _is_ignored(task: Any, request: Any) -> bool:
    said = request.ignore_result
    return bool(task.ignore_result if said is None else said)


def _exhausted(task: Any, request: Any, args: Any, kwargs: Any) -> MaxRetriesExceededError:
    args = tuple(request.args if args is None else args)
    kwargs = request.kwargs if kwargs is None else kwargs
    return MaxRetriesExceededError(
        f"Can't retry {task.name}[{request.id}] args:{args} kwargs:{kwargs}",
        task_args=args,
        task_kwargs=kwargs,
    )


def _raise(error: BaseException) -> NoReturn:
    """Raise with the error that is being handled as its cause, unless it is that one."""
    handled = sys.exc_info()[1]
    if handled is None or handled is error:
        raise error
    raise error from handled
