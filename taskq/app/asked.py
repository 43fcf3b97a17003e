"""What members of chords do where the store cannot count: they leave results to be asked for.

In a store that counts, each end of a member is counted, whatever it was.  Here a task looks at the
members' results (``unlocking.py``), so each end must be one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from taskq import states
from taskq.ports import AsksForChords

__all__ = ["asks_for_chords", "must_be_kept", "tell_members"]


def asks_for_chords(app: Any) -> bool:
    """Whether the store of an app cannot count, but can be asked."""
    store = app.ports.store
    return isinstance(store, AsksForChords) and store.asks_for_chords


def must_be_kept(app: Any, chord: Any) -> bool:
    """Whether a result is stored though it is ignored: a chord would wait for it in vain."""
    return bool(chord) and asks_for_chords(app)


def tell_members(app: Any, task_ids: Iterable[str], state: str, error: Any) -> None:
    """Store the end of members that have not succeeded, and may not say so themselves.

    Success is stored by the member, together with its end.
    """
    if state in states.EXCEPTION_STATES and asks_for_chords(app):
        ids = dict.fromkeys(task_id for task_id in task_ids if task_id)
        app.ports.store.store([app.backend.record(task_id, error, state) for task_id in ids])
