"""Chords in stores that cannot: what is asked, how often, and for how long.

Pure.  A task, ``celery.chord_unlock``, asks whether all members of a header have ended.  Name and
arguments are Celery's, so its workers take ours and ours take theirs.  ``app/unlocking.py`` reads
the store, and sends what follows.

The pauses grow with the time that has passed: a chord ends at most a tenth later than it could,
and one that takes a day is asked for a thousand times, not eighty thousand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from taskq.canvas.steps import Step
from taskq.current import AppLike
from taskq.errors import DecodeError
from taskq.protocol.result import ResultTree, read_tree

__all__ = ["BEGAN", "BEGAN_HEADER", "UNLOCK", "given_up", "leaves_of", "pause_s", "unlock_step"]

UNLOCK: Final = "celery.chord_unlock"
# When the task asked first, by the clock of the worker that did: seconds since 1970.
BEGAN: Final = "chord-began"
BEGAN_HEADER: Final = f"taskq-{BEGAN}"

# Of the time that has passed: how much longer it may take until the next look.
SHARE_OF_AGE: Final = 0.1
LONGEST_PAUSE_S: Final = 60.0
# How many of those that are missing an error names.
NAMED: Final = 10
# Where a body goes, its unlocking goes too: somebody works there.
_MEMBERS: Final = {"chain": "tasks", "group": "tasks", "chord": "header"}
_WAY: Final = ("queue", "exchange", "routing_key", "priority", "exchange_type")


def pause_s(age_s: float, interval_s: float) -> float:
    """Say how long to wait until the next look: an interval at least, a minute at most."""
    return max(interval_s, min(age_s * SHARE_OF_AGE, LONGEST_PAUSE_S))


def unlock_step(group_id: str, body: Any, header: Any, app: AppLike) -> Step:
    """Say what is sent when such a chord is opened.  ``header`` is the handle of its members."""
    members = [[[task_id, None], None] for task_id in leaves_of([header.as_tuple()])]
    args = (group_id, dict(body))
    kwargs = {"interval": None, "max_retries": None, "result": members}
    options = {**_way_of(body, app), "countdown": app.conf.result_chord_retry_interval}
    signature = {
        "task": UNLOCK,
        "args": args,
        "kwargs": kwargs,
        "options": options,
        "subtask_type": None,
        "immutable": True,
    }
    return Step(signature, args, kwargs, options)


def _way_of(body: Any, app: AppLike) -> dict[str, Any]:
    """Return where a body is sent to: somebody works there who knows it."""
    first = _first_task(body)
    task = app.tasks.get(first["task"])
    own = {name: getattr(task, name, None) for name in _WAY}
    said = {name: value for name, value in first["options"].items() if name in _WAY}
    asked = {name: value for name, value in {**own, **said}.items() if value is not None}
    if not {"queue", "exchange", "routing_key"} & asked.keys():
        asked = app.router.route(asked, first["task"], (), {}, task)
    return {name: asked[name] for name in _WAY if asked.get(name) is not None}


def _first_task(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the task with which a body begins."""
    while (where := _MEMBERS.get(body.get("subtask_type") or "")) is not None:
        members = body["kwargs"][where]
        # A header is a group, or no more than the list of its members.
        listed = members["kwargs"]["tasks"] if isinstance(members, Mapping) else members
        if not listed:
            break
        body = listed[0]
    return body


def leaves_of(members: Sequence[Any]) -> list[str]:
    """Return the ids of all tasks that a header waits for, in order.

    Members are tuples of results.  One that is a group stands for its own members, as it does in a
    store that counts.
    """
    leaves: list[str] = []
    todo = [read_tree(_without_parents(member)) for member in reversed(members)]
    while todo:
        tree: ResultTree = todo.pop()
        if tree.members is None:
            leaves.append(tree.id)
        else:
            todo.extend(reversed(tree.members))
    return leaves


def _without_parents(member: Any) -> Any:
    """Leave out what stood before a task in its chain: it may be long, and is not waited for."""
    if isinstance(member, str):
        return member
    try:
        (found, _parent), members = member
    except (TypeError, ValueError):
        raise DecodeError(f"not a result tuple: {type(member).__name__}") from None
    return (found, None), None if members is None else [_without_parents(each) for each in members]


def given_up(missing: Sequence[str], size: int, age_s: float, looks: int) -> str:
    """Say what a chord has waited for in vain."""
    named = ", ".join(missing[:NAMED])
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    return (
        f"given up after {age_s:.0f} s and {looks + 1} looks: {len(missing)} of {size} members have"
        f" no result: {named}{more}"
    )
