"""What members of chords do where the store cannot count: they leave results to be asked for.

In a store that counts, each end of a member is counted, whatever it was.  Here a task looks at the
members' results (``unlocking.py``), so each end must be one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskq import states
from taskq.app.context import Context
from taskq.ports import AsksForChords

__all__ = ["asks_for_chords", "must_be_kept", "tell_members"]


def asks_for_chords(app: Any) -> bool:
    """Whether the store of an app cannot count, but can be asked."""
    store = app.ports.store
    return isinstance(store, AsksForChords) and store.asks_for_chords


def must_be_kept(app: Any, chord: Any) -> bool:
    """Whether a result is stored though it is ignored: a chord would wait for it in vain."""
    return bool(chord) and asks_for_chords(app)


def tell_members(app: Any, places: Sequence[Any], state: str, error: Any) -> None:
    """Store the end of members that have not succeeded, and do not say so themselves.

    Success is stored by the member, together with its end.
    """
    if state not in states.EXCEPTION_STATES or not asks_for_chords(app):
        return
    records = [
        app.backend.record(place.task_id, error, state, request=_request(place))
        for place in places
        if place.task_id
    ]
    if records:
        app.ports.store.store(records)


def _request(place: Any) -> Context:
    """Return what a store that counts by itself must know of a member."""
    return Context(
        id=place.task_id,
        group=place.group_id,
        group_index=place.member,
        chord=dict(place.body),
    )
