"""Who is told when what stands in a canvas fails before it has begun."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from taskq.canvas.composite import is_gathered
from taskq.canvas.joining import pieces
from taskq.canvas.parts import listed

__all__ = ["told_of_failure"]


def told_of_failure(sig: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Yield the tasks that fail with a chord whose body this is, and their errbacks.

    Of a chain that is its first step, of a chord its body, of a group each member: those whose
    errbacks would have heard of a failure there.  An errback of several is told once.
    """
    told: list[Any] = []
    for task in _first(sig):
        errbacks = [each for each in listed(task.options.get("link_error")) if each not in told]
        told += errbacks
        if errbacks:
            yield task, errbacks


def _first(sig: Any) -> Iterator[Any]:
    kind = sig.subtask_type
    if kind == "chain":
        for step in pieces(sig)[:1]:
            yield from _first(step)
    elif kind == "chord" and sig.body is not None:
        yield from _first(sig.body)
        if is_gathered(sig):
            # As a body it was a group: errbacks were given to its members.
            for member in _members(sig):
                yield from _first(member)
    elif kind in ("group", "chord"):
        for member in _members(sig):
            yield from _first(member)
    else:
        yield sig


def _members(sig: Any) -> Iterable[Any]:
    """Return the members of a group or of a header, which may be no more than their list."""
    found: Iterable[Any] = (
        getattr(sig.tasks, "tasks", sig.tasks) if sig.subtask_type == "chord" else sig.tasks
    )
    return found
