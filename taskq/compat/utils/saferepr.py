"""``celery.utils.saferepr``: a repr of bounded length and depth."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from taskq.protocol.saferepr import safe_repr

__all__ = ["reprstream", "saferepr"]

MAXLEVELS = 3


def saferepr(o: Any, maxlen: int = 1024, maxlevels: int = MAXLEVELS, seen: Any = None) -> str:
    """Return a repr of at most ``maxlen`` characters, ``maxlevels`` containers deep."""
    del seen  # cycles are found without help
    return safe_repr(o, maxlen or 2**31, maxlevels)


def reprstream(
    stack: Any, seen: Any = None, maxlevels: int = MAXLEVELS, level: int = 0
) -> Iterator[tuple[str, Any]]:
    """Return the text of what the iterators on a stack give, each with its iterator."""
    del seen
    while stack:
        source = stack.popleft()
        for each in chain(source):
            yield safe_repr(each, 2**31, max(maxlevels - level, 0)), source
