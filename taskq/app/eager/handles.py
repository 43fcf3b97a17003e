"""Handles of what has run here: made of those that a call returns where it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from taskq import states
from taskq.app.eager.place import EagerPlace
from taskq.app.eager_result import EagerResult
from taskq.app.related import tasks_before
from taskq.app.run_task import Outcome

__all__ = ["handle_of", "raise_failure"]


def handle_of(place: EagerPlace, handle: Any) -> Any:
    """Return the same handle, ready, with all that stands before it."""
    if handle is None:
        return None
    first = last = _ready(place, handle)
    while (handle := handle.parent) is not None:  # of a long chain there are thousands
        last.parent = _ready(place, handle)
        last = last.parent
    return first


def _ready(place: EagerPlace, handle: Any) -> Any:
    members = getattr(handle, "results", None)
    if members is None:
        return _of_task(place, handle.id)
    return place.app.GroupResult(handle.id, [handle_of(place, each) for each in members])


def _of_task(place: EagerPlace, task_id: str) -> EagerResult[Any]:
    """Say what the store says; where nothing is stored, how the body ended."""
    meta = place.app.backend.get_task_meta(task_id)
    outcome, name = place.outcomes.get(task_id), place.names.get(task_id)
    if outcome is None:
        state, traceback = meta["status"], meta.get("traceback")
        return EagerResult(task_id, meta.get("result"), state, traceback, name)
    if meta["status"] in states.READY_STATES:
        value = _read(meta.get("result"), outcome)
        return EagerResult(task_id, value, meta["status"], outcome.traceback, name)
    value = _not_stored(place, outcome)
    return EagerResult(task_id, value, _told(outcome), outcome.traceback, name)


def _told(outcome: Outcome) -> str:
    """Where a rejected task is stored, it is as a failure."""
    return states.FAILURE if outcome.state == states.REJECTED else outcome.state


def _read(stored: Any, outcome: Outcome) -> Any:
    """Give an exception as it was raised if it comes back as it was, else as it comes back."""
    raised = outcome.value
    if not isinstance(raised, BaseException) or not isinstance(stored, BaseException):
        return stored
    if type(stored) is type(raised) and repr(stored) == repr(raised):
        return raised  # it knows where it was raised
    stored.__cause__ = raised
    return stored


def _not_stored(place: EagerPlace, outcome: Outcome) -> Any:
    """Send a value through the codec all the same; the caller of ``apply`` wants it."""
    if outcome.state != states.SUCCESS:
        return outcome.value
    backend = place.app.backend
    return backend.decode(backend.encode(backend.storable(outcome.value)))


def raise_failure(handle: Any) -> None:
    """Raise what failed first, in the order in which it was asked for; nothing if all went well."""
    for each in _tasks(handle):
        if each.state in states.PROPAGATE_STATES and isinstance(each.result, BaseException):
            raise each.result


def _tasks(handle: Any) -> Iterator[Any]:
    if handle is None:
        return
    yield from tasks_before(handle)
    for member in getattr(handle, "results", ()):
        yield from _tasks(member)
    if getattr(handle, "results", None) is None:
        yield handle
