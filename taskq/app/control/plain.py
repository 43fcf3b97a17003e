"""Values as JSON has them: what is shown to a client must not fail to be encoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from taskq.protocol.saferepr import safe_repr

_SHOWN: Final = 1024
# A value that is deeper than this is shown as text.
_DEEPEST: Final = 16


def plain(value: Any, depth: int = _DEEPEST) -> Any:
    """Return a value as dictionaries, lists, text and numbers; else its repr."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if depth:
        if isinstance(value, Mapping):
            return {str(name): plain(each, depth - 1) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [plain(each, depth - 1) for each in value]
        if isinstance(value, set | frozenset):
            return sorted((plain(each, depth - 1) for each in value), key=repr)
    return safe_repr(value, _SHOWN)
