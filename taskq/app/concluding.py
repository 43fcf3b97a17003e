# ruff: noqa: PLR0917 - one pipeline hands the same few values on from step to step
"""Endings of jobs that failed, and of jobs whose body was not run, or not to its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from taskq import signals, states
from taskq.app import follow, run_task
from taskq.app.asked import must_be_kept
from taskq.app.context import Context
from taskq.app.failure import ExceptionInfo
from taskq.app.incoming import Incoming, decode, request_of, way_back
from taskq.app.received import Consumer
from taskq.app.run_task import Outcome
from taskq.canvas.plan import retry_step
from taskq.errors import (
    NotRegistered,
    OperationalError,
    Reject,
    TaskqError,
    TaskRevokedError,
    TimeLimitExceeded,
    WorkerLostError,
)
from taskq.ports import ChordPart, Ending, EndingKind, Job, Outgoing, ResultRecord
from taskq.protocol.saferepr import safe_repr

__all__ = ["Concluding", "error_of"]

logger: Final = logging.getLogger("taskq.worker")

Consequences = tuple[tuple[Outgoing, ...], ResultRecord | None, ChordPart | None]

_SUMMARY_LIMIT: Final = 1024


def error_of(job: Job, kind: EndingKind, reason: str, detail: Mapping[str, Any]) -> Exception:
    """Return what is stored as the reason of an ending."""
    given = detail.get("error")
    return given if isinstance(given, Exception) else _ERRORS[kind](job, reason)


_ERRORS: Final[Mapping[EndingKind, Callable[[Job, str], Exception]]] = {
    EndingKind.UNKNOWN: lambda job, _reason: NotRegistered(job.headers.get("task")),
    EndingKind.REVOKED: lambda _job, reason: TaskRevokedError(reason or "revoked"),
    EndingKind.TIMED_OUT: lambda job, _reason: TimeLimitExceeded(job.time_limit_s),
    EndingKind.LOST: lambda _job, reason: WorkerLostError(reason),
    EndingKind.MALFORMED: lambda _job, reason: TaskqError(reason),
    EndingKind.FAILED: lambda _job, reason: TaskqError(reason),
    EndingKind.REJECTED: lambda _job, reason: Reject(reason),
}


class Concluding:
    """Works out what is stored and sent for what did not succeed."""

    def __init__(self, consumer: Consumer) -> None:
        self.app, self.node = consumer
        self._consumer = consumer

    # -- a failure --------------------------------------------------------------------------------

    def after_failure(
        self, job: Job, incoming: Incoming, task: Any, request: Context, outcome: Outcome
    ) -> Consequences:
        """Return what follows a failure: errbacks, the result, the part of a chord.

        The steps of the chain that will not come are stored as failed too, now: they are told
        before the task itself is.
        """
        app, error = self.app, outcome.value
        record = self._failure(task, request, outcome)
        embed = incoming.embed
        if not embed or not any(embed.get(key) for key in ("errbacks", "chain", "chord")):
            return (), record, None
        call = incoming.call(job)
        follow_ups = follow.after_failure(app, call, request, error, outcome.traceback)
        # Also where its own result is not kept: who waits for the last step waits for that one.
        rest = follow.failed_rest(app, call, error, outcome.traceback)
        if rest:
            app.ports.store.store(rest)
        places = follow.chord_places(call)
        part = follow.part_of_chord(app, places, call.id, states.FAILURE, error)
        return follow_ups, record, part

    def _failure(self, task: Any, request: Context, outcome: Outcome) -> ResultRecord | None:
        """Return what is stored of it."""
        if _is_ignored(task, request) and not must_be_kept(self.app, request.chord):
            return None
        record: ResultRecord = self.app.backend.record(
            request.id, outcome.value, states.FAILURE, outcome.traceback, request
        )
        return record

    def after_ignore(self, job: Job, incoming: Incoming, outcome: Outcome) -> Consequences:
        """Leave the state alone; but a chord whose member says nothing would never end."""
        if not incoming.has_followers:
            return (), None, None
        call = incoming.call(job)
        places = follow.chord_places(call)
        part = follow.part_of_chord(
            self.app, places, call.id, states.FAILURE, outcome.value, recorded=False
        )
        return (), None, part

    # -- without a body ---------------------------------------------------------------------------

    def conclude(
        self, job: Job, kind: EndingKind, reason: str, detail: Mapping[str, Any]
    ) -> Ending:
        """Make an ending."""
        error = error_of(job, kind, reason, detail)
        if kind is EndingKind.MALFORMED:
            return self._malformed(job, error)
        try:
            incoming = decode(self.app, job)
            return self._concluded(job, kind, reason, detail, incoming, error)
        except (OperationalError, OSError):
            raise  # broker or store are lost: it is done once more when they are back
        except TaskqError as unreadable:
            return self._malformed(job, unreadable)
        # The boundary to what a stranger has put into the body: callbacks and chains that are none.
        # It costs its message; what runs here is the worker itself.
        except Exception as bad:
            logger.exception("the message of task [%s] cannot be followed", job.headers.get("id"))
            return self._malformed(job, bad)

    def _concluded(
        self,
        job: Job,
        kind: EndingKind,
        reason: str,
        detail: Mapping[str, Any],
        incoming: Incoming,
        error: Exception,
    ) -> Ending:
        request = request_of(job, incoming, self.node)
        task = self._task(incoming.headers.get("task"))
        if kind is EndingKind.LOST and _is_tried_again(task, detail):
            retried = self._retried(job, incoming, task, request, error)
            if retried is not None:
                return retried
        state = states.REVOKED if kind is EndingKind.REVOKED else states.FAILURE
        text = f"{type(error).__name__}: {error}" if state == states.FAILURE else None
        outcome = Outcome(kind, state, error, None if kind is EndingKind.REVOKED else text)
        if kind is EndingKind.REVOKED:
            consequences = self._after_revoke(job, incoming, task, request, error)
        else:
            again = bool(detail.get("again"))
            consequences = self._told_failure(job, incoming, task, request, outcome, again=again)
        self._announce(job, kind, reason, detail, task, request, error)
        follow_ups, record, part = consequences
        return Ending(
            token=job.token,
            kind=kind,
            result=record,
            follow_ups=follow_ups,
            chord=part,
            summary=safe_repr(error, _SUMMARY_LIMIT),
            traceback=outcome.traceback or "",
            expected=task is not None and isinstance(error, task.throws),
        )

    def _task(self, name: Any) -> Any:
        try:
            return self.app.tasks[name]
        except NotRegistered:
            return None

    def _malformed(self, job: Job, error: Exception) -> Ending:
        # Who cannot be read cannot be answered: nothing is stored.  But its chord waits for it.
        signals.task_rejected.send(sender=self._consumer, message=job, exc=error)
        said = str(error) if isinstance(error, TaskqError) else f"{type(error).__name__}: {error}"
        summary = said[:_SUMMARY_LIMIT]
        part = follow.part_of_unreadable(self.app, job.headers, error)
        return Ending(token=job.token, kind=EndingKind.MALFORMED, summary=summary, chord=part)

    def _told_failure(
        self,
        job: Job,
        incoming: Incoming,
        task: Any,
        request: Context,
        outcome: Outcome,
        *,
        again: bool,
    ) -> Consequences:
        """Do as if the body had raised; what a handler raises changes nothing of it.

        ``again``: the broker gives the message out again.  That it failed this time is stored, but
        what follows from its end (errbacks, its chord) follows once, from the last time.
        """
        if again:
            consequences: Consequences = (), self._failure(task, request, outcome), None
        else:
            consequences = self.after_failure(job, incoming, task, request, outcome)
        if task is not None:
            einfo = ExceptionInfo(outcome.value, outcome.traceback)
            try:
                run_task.tell_failure(task, request, incoming.args, incoming.kwargs, einfo)
            except Exception as error:  # noqa: BLE001 - the boundary: a user's handler
                run_task.report_internal_error(task, request, incoming.args, incoming.kwargs, error)
        return consequences

    def _after_revoke(
        self, job: Job, incoming: Incoming, task: Any, request: Context, error: Exception
    ) -> Consequences:
        record = None
        if not _is_ignored(task, request) or must_be_kept(self.app, request.chord):
            record = self.app.backend.record(request.id, error, states.REVOKED, None, request)
        embed = incoming.embed
        if not embed or not (embed.get("chord") or embed.get("chain")):
            return (), record, None
        call = incoming.call(job)
        # A member that will never run would keep its chord waiting for ever.
        places = follow.chord_places(call)
        part = follow.part_of_chord(self.app, places, call.id, states.REVOKED, error)
        return (), record, part

    def _retried(
        self, job: Job, incoming: Incoming, task: Any, request: Context, error: Exception
    ) -> Ending | None:
        """Send it once more, as a retry; None when no retry is left."""
        retries = request.retries or 0
        if task.max_retries is not None and retries >= task.max_retries:
            return None
        step = retry_step(incoming.call(job), None, **way_back(job))
        record = None
        if not _is_ignored(task, request):
            record = self.app.backend.record(request.id, error, states.RETRY, None, request)
        return Ending(
            token=job.token,
            kind=EndingKind.RETRIED,
            result=record,
            follow_ups=follow.messages(self.app, [step]),
            summary=safe_repr(error, _SUMMARY_LIMIT),
        )

    def _announce(
        self,
        job: Job,
        kind: EndingKind,
        reason: str,
        detail: Mapping[str, Any],
        task: Any,
        request: Context,
        error: Exception,
    ) -> None:
        if kind is EndingKind.REVOKED and signals.task_revoked.receivers:
            signals.task_revoked.send(
                sender=task,
                request=request,
                terminated=bool(detail.get("terminated", reason == "terminated")),
                signum=detail.get("signum"),
                expired=bool(detail.get("expired", reason == "expired")),
            )
        if kind is EndingKind.UNKNOWN and signals.task_unknown.receivers:
            signals.task_unknown.send(
                sender=self._consumer, message=job, exc=error, name=request.task, id=request.id
            )


def _is_tried_again(task: Any, detail: Mapping[str, Any]) -> bool:
    """Whether a task whose process is lost is sent once more; not one that was given up."""
    return task is not None and task.retry_on_worker_lost and not detail.get("given_up")


def _is_ignored(task: Any, request: Context) -> bool:
    """Whether a failure is not stored."""
    said = request.ignore_result
    if task is None:
        return bool(said)
    ignored = bool(task.ignore_result if said is None else said)
    return ignored and not task.store_errors_even_if_ignored
