"""A canvas as plain data: what it is made of, and what each part is going to do.

Nothing here knows signatures: ``building.py`` makes them, and a test works out from the same data
what must come of them.  Each part has a tag of its own, in the order in which it is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import Enum, auto
from itertools import count
from typing import Any, TypeAlias

__all__ = [
    "Callback",
    "Canvas",
    "Chain",
    "Chord",
    "Does",
    "Errback",
    "Form",
    "Group",
    "Items",
    "ItemsKind",
    "Leaf",
    "Style",
    "named",
]


class Does(Enum):
    """How the body of a leaf ends, after its retries."""

    RETURNS = auto()  # [its tag, *its args]
    RAISES = auto()  # ValueError(its tag)
    IGNORES = auto()  # raises Ignore
    REJECTS = auto()  # raises Reject
    REPLACED = auto()  # by another canvas


class Style(Enum):
    """How an errback is called."""

    OLD = auto()  # with the id of the task, in a message of its own
    NEW = auto()  # with request, error and traceback, where the task failed
    IMMUTABLE = auto()  # with its own arguments, in a message of its own


class Form(Enum):
    """How the same canvas is written."""

    CALL = auto()  # chain(a, b), group(a, b), chord([a, b], c)
    LIST = auto()  # chain([a, b]), group([a, b]), chord(group(a, b), c)
    ITERATOR = auto()  # a generator of the parts
    PIPE = auto()  # a | b, group(a, b) | c


class ItemsKind(Enum):
    """One task over many items."""

    MAP = auto()
    STARMAP = auto()
    CHUNKS = auto()


class _Shown:
    """Shows what was chosen, not what is as usual."""

    __slots__ = ()

    def __repr__(self) -> str:
        chosen = (
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)  # type: ignore[arg-type]  # its subclasses are dataclasses
            if getattr(self, field.name) != field.default
        )
        return f"{type(self).__name__}({', '.join(chosen)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Tell hypothesis the same."""
        del cycle  # there is none
        printer.text(repr(self))


@dataclass(frozen=True, slots=True, repr=False)
class Callback(_Shown):
    """What is sent after a success."""

    tag: str = ""
    fails: bool = False
    immutable: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Errback(_Shown):
    """What is told a failure."""

    tag: str = ""
    style: Style = Style.OLD
    fails: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Part(_Shown):
    """What all parts have."""

    callbacks: tuple[Callback, ...] = ()
    errbacks: tuple[Errback, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Leaf(_Part):
    """One task."""

    tag: str = ""
    does: Does = Does.RETURNS
    retries: int = 0
    by: Canvas | None = None
    immutable: bool = False
    ignores_result: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Items(_Part):
    """One task over many items; an item below zero makes it raise."""

    tag: str = ""
    kind: ItemsKind = ItemsKind.MAP
    items: tuple[int, ...] = ()
    size: int = 1  # of a chunk


@dataclass(frozen=True, slots=True, repr=False)
class Chain(_Part):
    """One after the other."""

    steps: tuple[Canvas, ...] = ()
    form: Form = Form.CALL


@dataclass(frozen=True, slots=True, repr=False)
class Group(_Part):
    """Side by side."""

    members: tuple[Canvas, ...] = ()
    form: Form = Form.CALL


@dataclass(frozen=True, slots=True, repr=False)
class Chord(_Part):
    """Side by side, and then one more with the list of all results."""

    header: tuple[Canvas, ...] = ()
    body: Canvas = Leaf()
    form: Form = Form.CALL


Canvas: TypeAlias = Leaf | Items | Chain | Group | Chord

_TAGGED = (Leaf, Items, Callback, Errback)


def named(canvas: Canvas, prefix: str = "") -> Canvas:
    """Give each part a tag of its own: ``t0``, ``t1``, ... in the order of writing."""
    numbers = count()
    named_one: Canvas = _named(canvas, (f"{prefix}t{number}" for number in numbers))
    return named_one


def _named(part: Any, tags: Iterator[str]) -> Any:
    if isinstance(part, tuple):
        return tuple(_named(each, tags) for each in part)
    if not isinstance(part, _Shown):
        return part
    told: dict[str, Any] = {"tag": next(tags)} if isinstance(part, _TAGGED) else {}
    for name in (field.name for field in fields(part) if field.name != "tag"):  # type: ignore[arg-type]  # its subclasses are dataclasses
        told[name] = _named(getattr(part, name), tags)
    return type(part)(**told)
