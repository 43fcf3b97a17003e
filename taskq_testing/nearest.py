"""Suggests what was meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return the end of a message: what is allowed, and which of it is closest."""
    names = list(allowed)
    close = get_close_matches(word, names, n=1, cutoff=0.5)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    return f"{meant or ';'} allowed: {', '.join(map(str, names))}"
