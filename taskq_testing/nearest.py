"""Suggests what was meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, allowed: Iterable[str], *, listed: bool = True) -> str:
    """Return the end of a message: which of what is allowed is closest, and all of it."""
    names = list(allowed)
    close = get_close_matches(str(word), names, n=1, cutoff=0.5)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    if not listed:
        return meant
    return f"{meant or ';'} allowed: {', '.join(map(str, names)) or 'none'}"
