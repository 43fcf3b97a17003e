# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""What a backend class does when tasks end: the states it stores, and the chords it opens and ends.

Our workers do most of it themselves.  Packages call these, and classes override some of them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from taskq import states
from taskq.app.chording import Chording
from taskq.app.failure import traceback_text
from taskq.app.follow import Place, ids_of
from taskq.canvas.signature import maybe_signature
from taskq.canvas.unlocking import UNLOCK
from taskq.errors import ChordError, TaskRevokedError
from taskq.protocol.message import Call

__all__ = ["Ending"]


class Ending:
    """The half of ``Backend`` that is about ends and chords."""

    app: Any

    # -- states ----------------------------------------------------------------------------------

    def mark_as_started(self, task_id: str, **meta: Any) -> Any:
        """Store that the body began."""
        return self._stored(task_id, meta, states.STARTED)

    def mark_as_done(
        self,
        task_id: str,
        result: Any,
        request: Any = None,
        store_result: bool = True,
        state: str = states.SUCCESS,
    ) -> None:
        """Store a success."""
        if store_result:
            self._stored(task_id, result, state, request=request)
        self._tell_chord(request, state, result)

    def mark_as_failure(
        self,
        task_id: str,
        exc: BaseException,
        traceback: Any = None,
        request: Any = None,
        store_result: bool = True,
        call_errbacks: bool = True,
        state: str = states.FAILURE,
    ) -> None:
        """Store a failure."""
        if store_result:
            self._stored(task_id, exc, state, traceback=traceback, request=request)
        self._tell_chord(request, state, exc)
        if call_errbacks and request is not None and getattr(request, "errbacks", None):
            self._call_task_errbacks(request, exc, traceback)

    def mark_as_retry(
        self,
        task_id: str,
        exc: BaseException,
        traceback: Any = None,
        request: Any = None,
        store_result: bool = True,
        state: str = states.RETRY,
    ) -> Any:
        """Store that it is tried again."""
        if not store_result:
            return exc
        return self._stored(task_id, exc, state, traceback=traceback, request=request)

    def mark_as_revoked(
        self,
        task_id: str,
        reason: str = "",
        request: Any = None,
        store_result: bool = True,
        state: str = states.REVOKED,
    ) -> None:
        """Store that it will not run."""
        error = TaskRevokedError(reason)
        if store_result:
            self._stored(task_id, error, state, request=request)
        self._tell_chord(request, state, error)

    def _stored(self, task_id: str, result: Any, state: str, **options: Any) -> Any:
        return self.store_result(task_id, result, state, **options)  # type: ignore[attr-defined]  # of ``Backend``

    def _tell_chord(self, request: Any, state: str, result: Any) -> None:
        if request is not None and getattr(request, "chord", None):
            self.on_chord_part_return(request, state, result)

    def _call_task_errbacks(self, request: Any, exc: BaseException, traceback: Any) -> None:
        """Call errbacks of the new style here, send the others."""
        from taskq.app import follow  # noqa: PLC0415 - its name is also an argument's

        call = Call(task=request.task or "", id=request.id, errbacks=list(request.errbacks))
        messages = follow.after_failure(self.app, call, request, exc, traceback)
        if messages:
            self.app.ports.broker.publish(messages)

    def fail_from_current_stack(self, task_id: str, exc: BaseException | None = None) -> Any:
        """Store the exception that is being handled as a task's failure."""
        error = exc or sys.exc_info()[1]
        assert error is not None, "an exception is given, or being handled"
        self.mark_as_failure(task_id, error, traceback_text(error))
        return error

    # -- chords ----------------------------------------------------------------------------------

    @property
    def ends_chords(self) -> bool:
        """Whether a class does by itself what this one leaves to ``celery.chord_unlock``."""
        return any(
            getattr(type(self), name) is not getattr(Ending, name)
            for name in ("apply_chord", "fallback_chord_unlock", "on_chord_part_return")
        )

    def ensure_chords_allowed(self) -> None:
        """Refuse, where a class cannot do them."""

    def apply_chord(self, header_result_args: Any, body: Any, **kwargs: Any) -> None:
        """Open a chord: ``(id, results)`` of its header, and its body."""
        self.ensure_chords_allowed()
        header = self.app.GroupResult(*header_result_args)
        self.fallback_chord_unlock(header, body, **kwargs)

    def fallback_chord_unlock(
        self, header_result: Any, body: Any, countdown: float = 1, **kwargs: Any
    ) -> None:
        """Send the task that asks whether the header has ended."""
        kwargs["result"] = [each.as_tuple() for each in header_result]
        options: Mapping[str, Any] = getattr(body, "options", None) or body.get("options") or {}
        way = {name: options[name] for name in ("queue", "priority") if options.get(name)}
        self.app.send_task(
            UNLOCK, (header_result.id, dict(body)), kwargs, countdown=countdown, **way
        )

    def on_chord_part_return(self, request: Any, state: str, result: Any, **kwargs: Any) -> None:
        """Count a member that has ended."""

    def add_to_chord(self, chord_id: str, result: Any) -> Any:
        """Let a chord wait for one more."""
        raise NotImplementedError("Backend does not support add_to_chord")

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        """Say how many members a header has."""

    def chord_error_from_stack(self, callback: Any, exc: BaseException | None = None) -> Any:
        """Fail the body of a chord: store that, and tell its errbacks."""
        error = exc or sys.exc_info()[1]
        chord_error = error if isinstance(error, ChordError) else ChordError(repr(error))
        body = maybe_signature(callback, app=self.app)
        body_id = next(iter(ids_of(body)), "")
        place = Place(dict(body), body.options.get("group_id") or "", 0, "")
        messages = Chording(self.app).failed(Call(task=UNLOCK, id=body_id), place, chord_error)
        if messages:
            self.app.ports.broker.publish(messages)
        return chord_error

    def on_task_call(self, producer: Any, task_id: str) -> Mapping[str, Any]:  # noqa: ARG002 - to be overridden
        """Say what is added to the options of a call."""
        return {}

    def _fail_chain(
        self,
        chain: Sequence[Any],
        exc: BaseException,
        traceback: Any = None,
        store_result: bool = True,
        state: str = states.FAILURE,
    ) -> None:
        """Store the failure of steps that will not come."""
        for step in chain if store_result else ():
            for task_id in ids_of(step):
                self._stored(task_id, exc, state, traceback=traceback)
