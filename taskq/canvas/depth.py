"""How deep a workflow is nested: said where it is sent, before a worker has to find out.

Signatures in signatures are copied, written and read by functions that call themselves, so the
stack of a process limits them.  A worker's is a little deeper than a client's when it does the
same; the limit here leaves room for both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from taskq.canvas.parts import listed
from taskq.errors import CanvasTooDeep

__all__ = ["MOST_NESTED", "check_depth"]

# Levels of signatures in each other: a chain whose group is a chord counts twice, so this is fifty
# levels of anything.  With the usual recursion limit of 1,000 a few more would do.
MOST_NESTED: Final = 104

_IN_KWARGS: Final = ("tasks", "header", "body")
_IN_OPTIONS: Final = ("link", "link_error", "chain", "chord")


def check_depth(sig: Mapping[str, Any]) -> None:
    """Raise ``CanvasTooDeep`` for a signature that is nested too deep."""
    level, depth = [sig], 0
    while level:
        depth += 1
        if depth > MOST_NESTED:
            raise CanvasTooDeep(str(sig.get("task")), MOST_NESTED)
        level = [inner for each in level for inner in _inside(each)]


def _inside(sig: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Go through the signatures that a signature consists of, and those that hang on it."""
    if sig.get("subtask_type"):
        yield from _signatures(sig.get("kwargs"), _IN_KWARGS)
    yield from _signatures(sig.get("options"), _IN_OPTIONS)


def _signatures(found: Any, names: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
    if not found:
        return
    for name in names:
        for each in listed(found.get(name)):
            if isinstance(each, Mapping):
                yield each
