"""What is stored for a task or a group, as dictionaries.

A worker builds ``task_meta`` and encodes it; ``AsyncResult`` reads it back with ``read_meta``.
Owned here: the names, their order, and when ``date_done`` is null.  Not owned: keys, expiry and
encoding (the store's and the codec's), exceptions as data (``exceptions.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from taskq.errors import DecodeError
from taskq.protocol.exceptions import FindClass, exception_data, exception_from, loaded_class
from taskq.states import EXCEPTION_STATES, PENDING, READY_STATES

__all__ = [
    "Extended",
    "ResultTree",
    "chord_part",
    "group_meta",
    "pending_meta",
    "read_chord_part",
    "read_group_meta",
    "read_meta",
    "read_tree",
    "started_info",
    "task_meta",
]

# ``[[id, parent], None]`` of a task, ``[[id, parent], [members]]`` of a group.
TreeData: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Extended:
    """What ``result_extended`` adds."""

    name: str | None
    args: Sequence[Any] | None
    kwargs: Mapping[str, Any] | None
    worker: str | None
    retries: int | None
    queue: str | None
    stamps: Mapping[str, Any] | None = None


def task_meta(
    task_id: str,
    state: str,
    result: Any,
    *,
    date_done: str | None = None,
    traceback: str | None = None,
    children: Sequence[TreeData] | None = (),
    parent_id: str | None = None,
    group_id: str | None = None,
    extended: Extended | None = None,
    can_encode: Callable[[Any], bool] | None = None,
) -> dict[str, Any]:
    """Build what is stored for one task.

    ``date_done`` is ISO text with its offset; it is left out of states that are not final.  An
    exception as the result of an exception state is turned into data.  ``children`` is None where
    the task never started.
    """
    if state in EXCEPTION_STATES and isinstance(result, BaseException):
        result = exception_data(result, can_encode)
    meta: dict[str, Any] = {
        "status": state,
        "result": result,
        "traceback": traceback,
        "children": None if children is None else list(children),
        "date_done": date_done if state in READY_STATES else None,
    }
    if group_id:
        meta["group_id"] = group_id
    if parent_id:
        meta["parent_id"] = parent_id
    if extended is not None:
        meta.update(
            name=extended.name,
            args=extended.args,
            kwargs=extended.kwargs,
            worker=extended.worker,
            retries=extended.retries,
            queue=extended.queue,
        )
        if extended.stamps:
            meta["stamped_headers"] = list(extended.stamps)
            # In Celery a stamp called ``status`` takes the place of the state.
            meta.update({k: v for k, v in extended.stamps.items() if k not in meta})
    meta["task_id"] = task_id
    return meta


def started_info(pid: int, hostname: str) -> dict[str, Any]:
    """Build the result of the state STARTED."""
    return {"pid": pid, "hostname": hostname}


def pending_meta(task_id: str) -> dict[str, Any]:
    """Build what stands for a task of which nothing is stored."""
    return {"status": PENDING, "result": None, "task_id": task_id}


def read_meta(meta: Any, find_class: FindClass = loaded_class) -> dict[str, Any]:
    """Check a decoded meta, and turn the data of an exception into an exception."""
    if not isinstance(meta, Mapping) or not isinstance(meta.get("status"), str):
        raise DecodeError(f"not the meta of a task, it has no 'status': {type(meta).__name__}")
    found = dict(meta)
    if found["status"] in EXCEPTION_STATES and found.get("result") is not None:
        found["result"] = exception_from(found["result"], find_class)
    return found


# -- groups and chords ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ResultTree:
    """A result by its ids: what ``as_tuple`` of a result says."""

    id: str
    parent: ResultTree | None = None
    members: tuple[ResultTree, ...] | None = None  # None: a task

    def as_tuple(self) -> tuple[tuple[str, Any], Any]:
        """Return the form that is stored and sent."""
        parent = None if self.parent is None else self.parent.as_tuple()
        members = None if self.members is None else [each.as_tuple() for each in self.members]
        return (self.id, parent), members


def read_tree(data: TreeData) -> ResultTree:
    """Read ``as_tuple`` of a task or a group; an id alone is a task too."""
    if isinstance(data, str):
        return ResultTree(data)
    try:
        (found, parent), members = data
    except (TypeError, ValueError):
        raise DecodeError(f"not a result tuple: {type(data).__name__}") from None
    if not isinstance(found, str):
        raise DecodeError(f"a result tuple has {type(found).__name__} in the place of its id")
    return ResultTree(
        found,
        None if parent is None else read_tree(parent),
        None if members is None else tuple(read_tree(each) for each in members),
    )


def group_meta(group: ResultTree) -> dict[str, Any]:
    """Build what is stored for a saved group."""
    return {"result": group.as_tuple()}


def read_group_meta(meta: Any) -> ResultTree:
    """Read what is stored for a saved group."""
    if not isinstance(meta, Mapping) or meta.get("result") is None:
        raise DecodeError(f"not the meta of a group, it has no 'result': {type(meta).__name__}")
    return read_tree(meta["result"])


_CHORD_PART_MARK = 1  # how a part begins, so that other forms can be told from it


def chord_part(
    task_id: str, state: str, result: Any, can_encode: Callable[[Any], bool] | None = None
) -> list[Any]:
    """Build what a chord keeps of one member of its header."""
    if isinstance(result, BaseException):
        result = exception_data(result, can_encode)
    return [_CHORD_PART_MARK, task_id, state, result]


def read_chord_part(data: Any) -> tuple[str, str, Any]:
    """Read it: task id, state, result."""
    try:
        mark, task_id, state, result = data
    except (TypeError, ValueError):
        mark = task_id = state = result = None
    if mark != _CHORD_PART_MARK:
        raise DecodeError(f"not a part of a chord: {type(data).__name__}")
    return task_id, state, result
