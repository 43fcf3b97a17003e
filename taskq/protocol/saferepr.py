"""A short text for a value, for headers, events and logs.

Called for the arguments of each message that is sent.  What it owns: the bound on length and
depth, cycles, and values whose ``repr`` fails.  It never changes or copies what it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

__all__ = ["safe_repr"]

# Types whose repr is short, quick and cannot fail; a bool is an int.
_PLAIN: Final = frozenset({int, float, bool, type(None)})
_FLAT: Final = 8  # arguments that are looked at before the general way is taken
_SHORT_TEXT: Final = 64
_LARGEST_PLAIN: Final = 1 << 64  # beyond, a repr may be long, or refused by the interpreter
_DOTS: Final = "..."


def safe_repr(value: Any, maxlen: int = 1024, maxlevels: int = 3) -> str:
    """Return a repr of at most ``maxlen`` characters and three dots.

    What lies deeper than ``maxlevels`` containers, and what contains itself, is three dots.
    """
    if maxlen > _SHORT_TEXT and _is_small(value):
        text = repr(value)
        return text if len(text) <= maxlen else text[:maxlen] + _DOTS
    return _bounded(_walk(value, maxlen, maxlevels, set()), maxlen)


def _is_small(value: Any) -> bool:
    kind = type(value)
    if kind is tuple:
        return len(value) <= _FLAT and all(map(_is_plain, value))
    if kind is dict:
        return len(value) <= _FLAT and all(map(_is_plain, value.values())) and _has_text_keys(value)
    return _is_plain(value)


def _has_text_keys(value: dict[Any, Any]) -> bool:
    return all(type(key) is str and len(key) <= _SHORT_TEXT for key in value)


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return len(value) <= _SHORT_TEXT
    if kind is int:
        return bool(-_LARGEST_PLAIN < value < _LARGEST_PLAIN)
    return kind in _PLAIN


def _bounded(pieces: Iterator[str], maxlen: int) -> str:
    kept: list[str] = []
    room = maxlen
    for piece in pieces:
        if len(piece) > room:
            kept.extend((piece[:room], _DOTS))
            break
        kept.append(piece)
        room -= len(piece)
    return "".join(kept)


def _walk(value: Any, maxlen: int, levels: int, above: set[int]) -> Iterator[str]:
    """Yield the pieces of a repr, so that nothing is made that nobody will read."""
    container = _container_of(value)
    if container is None:
        yield _leaf(value, maxlen)
        return
    left, right, pieces = container
    if not value:
        yield left + right
    elif levels <= 0 or id(value) in above:
        yield left + _DOTS + right
    else:
        above.add(id(value))
        yield left
        yield from pieces(value, maxlen, levels - 1, above)
        yield right
        above.discard(id(value))


_Pieces = Callable[[Any, int, int, set[int]], Iterator[str]]


def _container_of(value: Any) -> tuple[str, str, _Pieces] | None:
    """Find the brackets of a value; None for what is shown in one piece."""
    if isinstance(value, dict):
        return "{", "}", _pairs
    if isinstance(value, list):
        return "[", "]", _items
    if isinstance(value, tuple):
        # A named tuple says more about itself than its items do.
        return ("(", ",)" if len(value) == 1 else ")", _items) if type(value) is tuple else None
    if isinstance(value, set) and value:
        return "{", "}", _sorted_items
    if isinstance(value, frozenset) and value:
        return "frozenset({", "})", _sorted_items
    return None


def _items(value: Any, maxlen: int, levels: int, above: set[int]) -> Iterator[str]:
    for position, item in enumerate(value):
        if position:
            yield ", "
        yield from _walk(item, maxlen, levels, above)


def _sorted_items(value: Any, maxlen: int, levels: int, above: set[int]) -> Iterator[str]:
    # The order of a set depends on the process; the text of a message must not.
    texts = sorted("".join(_walk(item, maxlen, levels, above)) for item in value)
    yield ", ".join(texts)


def _pairs(value: Mapping[Any, Any], maxlen: int, levels: int, above: set[int]) -> Iterator[str]:
    for position, (key, item) in enumerate(value.items()):
        if position:
            yield ", "
        yield from _walk(key, maxlen, levels, above)
        yield ": "
        yield from _walk(item, maxlen, levels, above)


def _leaf(value: Any, maxlen: int) -> str:
    if isinstance(value, str):
        return repr(value[: maxlen + 1]) if type(value) is str else _guarded(value)
    if isinstance(value, bytes):
        return _bytes_text(value[: maxlen + 1])
    return _guarded(value)


def _bytes_text(value: bytes) -> str:
    # As recorded: bytes that are text are shown as text, all others in hexadecimal.
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.hex()
    return f"b'{text}'" if text.isprintable() else f"b'{value.hex()}'"


def _guarded(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - a user's repr may raise anything
        return f"<unrepresentable {type(value).__name__}: {type(error).__name__}>"
