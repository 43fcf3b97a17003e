# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""The parts of ``celery.app.trace`` that end a task, and those that run one from its message.

``TraceInfo`` is how a body ended, for programs that call bodies themselves and want the end stored
and told as a worker does.  ``trace_task_ret`` and ``fast_trace_task`` are a worker's slot and its
hands in one call: what follows from the task is sent and stored before they return.  Nothing is
acknowledged here; the message is the caller's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

from taskq import current, signals, states
from taskq.app import run_task
from taskq.app.failure import ExceptionInfo
from taskq.app.work import Work
from taskq.errors import TaskqError
from taskq.ports import (
    ChordFull,
    Completion,
    Ending,
    EndingKind,
    Job,
    end_chords,
    weigh_chords,
)
from taskq.ports.chords import grow_chords

__all__ = [
    "TraceInfo",
    "fast_trace_task",
    "reset_worker_optimizations",
    "setup_worker_optimizations",
    "trace_task_ret",
]

logger: Final = logging.getLogger("taskq.app.trace")


class TraceInfo:
    """How a body ended: a state, and what it returned or raised."""

    __slots__ = ("retval", "state")

    def __init__(self, state: str, retval: Any = None) -> None:
        self.state, self.retval = state, retval

    def handle_error_state(
        self, task: Any, req: Any, eager: bool = False, call_errbacks: bool = True
    ) -> Any:
        """Do what its state asks for; what ran eagerly is stored only if the task wants it."""
        if task.ignore_result:
            store_errors = bool(task.store_errors_even_if_ignored)
        else:
            store_errors = not eager or bool(task.store_eager_result)
        handle: Callable[..., Any] = getattr(self, _HANDLERS[self.state])
        return handle(task, req, store_errors=store_errors, call_errbacks=call_errbacks)

    def handle_ignore(self, task: Any, req: Any, **kwargs: Any) -> ExceptionInfo:
        """Log that the body asked to be ignored."""
        del kwargs
        logger.info("task %s[%s] asked to be ignored", task.name, req.id)
        return ExceptionInfo(self.retval)

    def handle_reject(self, task: Any, req: Any, **kwargs: Any) -> ExceptionInfo:
        """Log that the body rejected its message."""
        del kwargs
        reason = getattr(self.retval, "reason", self.retval)
        logger.warning("task %s[%s] rejected its message: %s", task.name, req.id, reason)
        return ExceptionInfo(self.retval)

    def handle_retry(
        self, task: Any, req: Any, store_errors: bool = True, **kwargs: Any
    ) -> ExceptionInfo:
        """Store RETRY, and tell handler and signal; what is to be sent was sent by ``retry``."""
        del kwargs
        reason = self.retval
        einfo = ExceptionInfo(reason)
        if store_errors:
            task.backend.mark_as_retry(req.id, reason.exc, einfo.traceback, request=req)
        task.on_retry(reason.exc, req.id, req.args, req.kwargs, einfo)
        signals.task_retry.send(sender=task, request=req, reason=reason, einfo=einfo)
        logger.info("task %s[%s] will be tried again: %s", task.name, req.id, reason)
        return einfo

    def handle_failure(
        self, task: Any, req: Any, store_errors: bool = True, call_errbacks: bool = True
    ) -> ExceptionInfo:
        """Store FAILURE, call errbacks, and tell handler and signal."""
        error = self.retval
        einfo = ExceptionInfo(error)
        task.backend.mark_as_failure(
            req.id,
            error,
            einfo.traceback,
            request=req,
            store_result=store_errors,
            call_errbacks=call_errbacks,
        )
        run_task.tell_failure(task, req, req.args, req.kwargs, einfo)
        logger.error("task %s[%s] failed: %r", task.name, req.id, error, exc_info=error)
        return einfo


_HANDLERS: Final[Mapping[str, str]] = {
    states.IGNORED: "handle_ignore",
    states.REJECTED: "handle_reject",
    states.RETRY: "handle_retry",
    states.FAILURE: "handle_failure",
}


# -- from a message --------------------------------------------------------------------------------


class _Here:
    """Whose process this is."""

    app: ClassVar[Any] = None
    hostname: ClassVar[str] = ""


def setup_worker_optimizations(app: Any, hostname: str | None = None) -> None:
    """Let this process run tasks of an app: it is the current one and the default, and is ready."""
    app.set_current()
    app.set_default()
    app.finalize(auto=True)
    app.use_fast_trace_task = True
    _Here.app, _Here.hostname = app, hostname or app.ports.place.hostname


def reset_worker_optimizations(app: Any = None) -> None:
    """Forget that; the app that was the default is no more."""
    known = app or _Here.app
    if known is not None and known is _Here.app:
        known.use_fast_trace_task = False
        current.set_default_app(None)
    _Here.app, _Here.hostname = None, ""


def trace_task_ret(
    name: str,
    uuid: str,
    request: Mapping[str, Any],
    body: Any,
    content_type: str | None,
    content_encoding: str | None,
    app: Any = None,
    **extra_request: Any,
) -> tuple[int, Any, float]:
    """Run a task from its message; returns whether it failed, what it came to, how long it took.

    Without a content type the body is the triple of arguments, named arguments and what follows.
    """
    app = app or _Here.app or current.get_current_app()
    job = _job(app, name, uuid, {**request, **extra_request}, body, content_type, content_encoding)
    work = Work(app, str(job.headers.get("hostname") or _Here.hostname))
    ending = work(job)
    _carry_out(app, work, job, ending)
    if ending.kind in _WENT_WELL:
        return 0, ending.summary, ending.runtime_s
    return 1, _error(app, ending), ending.runtime_s


def fast_trace_task(
    task: str,
    uuid: str,
    request: Mapping[str, Any],
    body: Any,
    content_type: str | None,
    content_encoding: str | None,
    hostname: str | None = None,
) -> tuple[int, Any, float]:
    """Do the same in a process that ``setup_worker_optimizations`` has made ready."""
    if _Here.app is None:
        raise TaskqError(
            "this process is no worker's yet; call setup_worker_optimizations(app) before"
        )
    more = {"hostname": hostname} if hostname else {}
    return trace_task_ret(
        task, uuid, request, body, content_type, content_encoding, _Here.app, **more
    )


_WENT_WELL: Final = frozenset({EndingKind.SUCCEEDED, EndingKind.REPEATED, EndingKind.REPLACED})


def _job(
    app: Any,
    name: str,
    uuid: str,
    request: Mapping[str, Any],
    body: Any,
    content_type: str | None,
    content_encoding: str | None,
) -> Job:
    if not content_type:
        args, kwargs, embed = body
        encoded = app.ports.codec.encode([args, kwargs, embed], app.conf.task_serializer)
        body, content_type = encoded.body, encoded.content_type
        content_encoding = encoded.content_encoding
    properties = {"reply_to": request.get("reply_to"), "correlation_id": uuid}
    return Job(
        token=0,
        headers={**request, "task": name, "id": uuid},
        body=body.encode() if isinstance(body, str) else body,
        content_type=content_type,
        content_encoding=content_encoding or "binary",
        properties={**properties, **(request.get("properties") or {})},
        delivery_info=request.get("delivery_info") or {},
    )


def _carry_out(app: Any, work: Work, job: Job, ending: Ending) -> None:
    """Send and store what follows, in the order in which a worker does."""
    broker, store = app.ports.broker, app.ports.store
    chord = ending.chord if store.counts_chords else None
    done = Completion(ending.follow_ups, ending.result, None, chord, growth=ending.growth)
    grow_chords([done], store)
    if done.follow_ups:
        broker.publish(done.follow_ups)
    if done.result is not None:
        store.store([done.result])
    due = weigh_chords(0, done, store)
    while isinstance(due, ChordFull):
        made = work.chord_ending(job, due, len(done.endings))
        done = replace(done, endings=(*done.endings, made))
        due = weigh_chords(0, done, store)
    end_chords(due, store, broker.publish)


def _error(app: Any, ending: Ending) -> ExceptionInfo:
    record = ending.result
    found = None if record is None else app.backend.decode_record(record).get("result")
    error = found if isinstance(found, BaseException) else TaskqError(ending.summary)
    return ExceptionInfo(error, ending.traceback)
