"""``task.apply``: runs a task in this process, as a worker would.

Arguments and result go through the codec, so that what could not be sent or stored fails here too.
Retries run at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from taskq import states
from taskq.app import run_task
from taskq.app.context import Context
from taskq.app.eager_result import EagerResult
from taskq.app.encode_errors import explain_encode_error
from taskq.app.follow import call_errback
from taskq.app.replacing import Replaced
from taskq.app.run_task import Outcome, TaskPlan
from taskq.canvas.failing import told_of_failure
from taskq.canvas.signature import maybe_signature
from taskq.errors import EncodeError, Retry

__all__ = ["apply", "fail"]


def apply(
    task: Any, args: Any, kwargs: Any, throw: bool | None, options: Mapping[str, Any]
) -> EagerResult[Any]:
    """Run a task here; return a handle that is ready.  ``options`` are those of ``Task.apply``."""
    app = task.app
    throw = app.conf.task_eager_propagates if throw is None else throw
    args, kwargs = _through_codec(task, tuple(args or ()), dict(kwargs or {}), options)
    request = _request_of(task, args, kwargs, options)
    outcome = _run(task, request, args, kwargs)
    value = outcome.value
    if isinstance(value, Retry) and value.sig is not None:
        return _again(value.sig, throw)
    if throw and outcome.state in states.PROPAGATE_STATES and isinstance(value, BaseException):
        raise value
    return EagerResult(
        request.id, value, outcome.state, traceback=outcome.traceback, name=task.name
    )


def _again(sig: Any, throw: bool) -> EagerResult[Any]:
    """Run a retry, without waiting for its time."""
    sig = sig.clone()
    for waiting in ("countdown", "eta"):
        sig.options.pop(waiting, None)
    result: EagerResult[Any] = sig.apply(throw=throw)
    return result


def _through_codec(task: Any, args: Any, kwargs: Any, options: Mapping[str, Any]) -> Any:
    """Send the arguments to ourselves."""
    codec = task.app.ports.codec
    serializer = options.get("serializer") or task.serializer or task.app.conf.task_serializer
    try:
        sent = codec.encode((args, kwargs), serializer)
    except EncodeError as error:
        raise explain_encode_error(
            error, name=task.name, args=args, kwargs=kwargs, serializer=serializer, codec=codec
        ) from error
    accept = codec.accepted([serializer])
    args, kwargs = codec.decode(sent.body, sent.content_type, sent.content_encoding, accept)
    return tuple(args), dict(kwargs)


def _run(task: Any, request: Context, args: Any, kwargs: Any) -> Outcome:
    app = task.app
    plan = TaskPlan(task, 0)
    clock = app.ports.clock
    # Results may be waited for: there is no slot that this would hold.
    tokens = run_task.enter(plan, request, join_blocks=False)
    try:
        began_s = clock.read().elapsed_s
        if plan.is_async:
            outcome = asyncio.run(run_task.call_async(plan, request, args, kwargs))
        else:
            outcome = run_task.call(plan, request, args, kwargs)
        replacement = outcome.value.sig if isinstance(outcome.value, Replaced) else None
        if replacement is not None:
            outcome = _replaced(replacement)
        if outcome.state == states.SUCCESS:
            outcome = _stored_and_read(task, outcome)
        runtime_s = clock.read().elapsed_s - began_s
        run_task.tell(plan, request, args, kwargs, outcome, runtime_s)
        _store(task, request, outcome)
        if replacement is None:  # it has been given all that follows
            _follow(request, outcome)
    finally:
        run_task.leave(tokens)
    return outcome


def _replaced(sig: Any) -> Outcome:
    """Run what takes the place of a task: how that ends, the task ends."""
    try:
        result = sig.apply()
    except Exception as error:  # noqa: BLE001 - the boundary: another task's body
        return Outcome.of_error(error)
    value = result.result
    failed = isinstance(value, BaseException) and result.state != states.SUCCESS
    return Outcome.of_error(value) if failed else Outcome.of_value(value)


def _stored_and_read(task: Any, outcome: Outcome) -> Outcome:
    """Put the result through the codec."""
    backend = task.backend
    try:
        outcome.value = backend.decode(backend.encode(backend.storable(outcome.value)))
    except EncodeError as error:
        return Outcome.of_error(error)
    return outcome


def _store(task: Any, request: Context, outcome: Outcome) -> None:
    """With ``task_store_eager_result``, store how it ended."""
    is_final = outcome.state in states.READY_STATES
    if is_final and task.store_eager_result and not (task.ignore_result or request.ignore_result):
        task.backend.store_result(
            request.id, outcome.value, outcome.state, outcome.traceback, request=request
        )


def _follow(request: Context, outcome: Outcome) -> None:
    """Run callbacks and errbacks here as well."""
    if outcome.state == states.SUCCESS:
        for callback in request.callbacks or ():
            callback.apply((outcome.value,))
    elif isinstance(outcome.value, BaseException) and outcome.state in _FAILED:
        _tell(request, request.errbacks or (), outcome.value, outcome.traceback)


_FAILED: Final = frozenset({states.FAILURE, states.REJECTED})


def _tell(
    request: Context, errbacks: Iterable[Any], error: BaseException, traceback: str | None
) -> None:
    for errback in errbacks:
        if errback.type.takes_failure:
            call_errback(errback, request, error, traceback)
        else:
            errback.apply((request.id,))


def fail(app: Any, body: Any, error: Exception) -> Any:
    """Do what a worker does when the chord of a body has failed; return the body's handle."""
    body = body.clone()
    body.freeze()
    for task, errbacks in told_of_failure(body):
        request = Context(id=task.options["task_id"], task=task.task, is_eager=True)
        _tell(request, _signatures(errbacks, app) or (), error, None)
    return _failed(app, body, error)


def _failed(app: Any, sig: Any, error: Exception) -> Any:
    kind = sig.subtask_type
    if kind == "chain":
        return _failed(app, sig.tasks[-1], error)
    if kind == "chord" and sig.body is not None:
        return _failed(app, sig.body, error)
    if kind in ("group", "chord"):
        members = getattr(sig.tasks, "tasks", sig.tasks)
        return app.GroupResult(sig.id, [_failed(app, each, error) for each in members])
    return EagerResult(sig.id, error, states.FAILURE, name=sig.task)


def _request_of(task: Any, args: Any, kwargs: Any, options: Mapping[str, Any]) -> Context:
    take, app = options.get, task.app
    task_id, headers = take("task_id") or app.new_id(), take("headers")
    stamped = take("stamped_headers")
    return Context(
        task=task.name,
        args=args,
        kwargs=kwargs,
        is_eager=True,
        called_directly=False,
        hostname=app.ports.place.hostname,
        id=task_id,
        root_id=take("root_id") or task_id,
        parent_id=take("parent_id"),
        group=take("group_id"),
        group_index=take("group_index"),
        chord=take("chord"),
        chain=take("chain"),
        shadow=take("shadow"),
        ignore_result=bool(take("ignore_result")),
        reply_to=take("reply_to"),
        replaced_task_nesting=take("replaced_task_nesting") or 0,
        timelimit=[take("time_limit"), take("soft_time_limit")],
        stamped_headers=stamped,
        stamps={name: take(name) for name in stamped or ()},
        delivery_info={
            "is_eager": True,
            "exchange": take("exchange"),
            "routing_key": take("routing_key"),
            "priority": take("priority"),
        },
        retries=take("retries") or 0,
        callbacks=_signatures(take("link"), app),
        errbacks=_signatures(take("link_error"), app),
        headers=dict(headers) if headers else None,
        logfile=take("logfile"),
        loglevel=take("loglevel") or 0,
    )


def _signatures(given: Any, app: Any) -> list[Any] | None:
    if not given:
        return None
    listed = given if isinstance(given, list | tuple) else [given]
    return [maybe_signature(each, app=app) for each in listed]
