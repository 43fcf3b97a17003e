"""Draws canvases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from taskq_testing.strategies.canvas import (
    Callback,
    Canvas,
    Chain,
    Chord,
    Does,
    Errback,
    Form,
    Group,
    Items,
    ItemsKind,
    Leaf,
    Style,
    named,
)

__all__ = ["canvases"]

Draw = Callable[[Any], Any]

# The shapes that a part may have; a leaf is as likely as all others.
_SHAPES = ("leaf", "leaf", "leaf", "leaf", "leaf", "items", "chain", "chain", "group", "chord")
_COMPOSED = ("chain", "chain", "group", "chord")
_WIDEST = 3
# Leaves mostly return: else nothing would ever be behind the first failure.
_ENDS = (*[Does.RETURNS] * 8, Does.RAISES, Does.RAISES, Does.REPLACED, Does.REPLACED)


@st.composite
def canvases(
    draw: Draw,
    *,
    depth: int = 4,
    fail: bool = True,
    refuse: bool = True,
    ignore_results: bool = True,
) -> Canvas:
    """Draw a canvas of parts within parts, ``depth`` levels of them.

    Without ``fail`` nothing raises, without ``refuse`` nothing raises ``Ignore`` or ``Reject``, and
    without ``ignore_results`` all results are kept.
    """
    ends = [end for end in _ENDS if fail or end is not Does.RAISES]
    if refuse:
        ends += [Does.IGNORES, Does.REJECTS]
    drawing = _Drawing(draw, tuple(ends), fails=fail, ignores=ignore_results)
    return named(drawing.part(depth, top=True))


class _Drawing:
    """One canvas that is being drawn."""

    def __init__(self, draw: Draw, ends: tuple[Does, ...], *, fails: bool, ignores: bool) -> None:
        self.draw, self.ends, self.fails, self.ignores = draw, ends, fails, ignores

    def part(self, depth: int, *, top: bool = False) -> Canvas:
        shape = "leaf"
        if depth > 0:
            shape = self.draw(st.sampled_from(_COMPOSED if top else _SHAPES))
        part: Canvas = getattr(self, f"_{shape}")(depth)
        return part

    # -- shapes ----------------------------------------------------------------------------------

    def _leaf(self, depth: int) -> Leaf:
        draw = self.draw
        does = draw(st.sampled_from(self.ends))
        if does is Does.REPLACED and not depth:
            does = Does.RETURNS
        return Leaf(
            does=does,
            retries=draw(st.sampled_from((0, 0, 0, 1, 2))),
            by=self.part(depth - 1) if does is Does.REPLACED else None,
            immutable=self._rarely(),
            ignores_result=self.ignores and self._rarely(),
            **self._links(),
        )

    def _items(self, _depth: int) -> Items:
        least = -1 if self.fails else 0
        return Items(
            kind=self.draw(st.sampled_from(ItemsKind)),
            items=tuple(self.draw(st.lists(st.integers(least, 9), max_size=4))),
            size=self.draw(st.integers(1, 3)),
            **self._links(),
        )

    def _chain(self, depth: int) -> Chain:
        return Chain(steps=self._parts(depth), form=self._form(), **self._links())

    def _group(self, depth: int) -> Group:
        return Group(members=self._parts(depth), form=self._form(), **self._links())

    def _chord(self, depth: int) -> Chord:
        return Chord(
            header=self._parts(depth),
            body=self.part(depth - 1),
            form=self._form(),
            **self._links(),
        )

    # -- small parts -----------------------------------------------------------------------------

    def _parts(self, depth: int) -> tuple[Canvas, ...]:
        many = self.draw(st.sampled_from((0, 1, 2, 2, _WIDEST, _WIDEST)))
        return tuple(self.part(depth - 1) for _ in range(many))

    def _form(self) -> Form:
        form: Form = self.draw(st.sampled_from(Form))
        return form

    def _links(self) -> dict[str, Any]:
        if not self.draw(st.booleans()):
            return {}
        return {
            "callbacks": tuple(
                Callback(fails=self.fails and self._rarely(), immutable=self._rarely())
                for _ in self._few()
            ),
            "errbacks": tuple(
                Errback(style=self.draw(st.sampled_from(Style)), fails=self._rarely())
                for _ in self._few()
            ),
        }

    def _few(self) -> range:
        return range(self.draw(st.sampled_from((0, 1, 1, 2))))

    def _rarely(self) -> bool:
        rarely: bool = self.draw(st.integers(0, 7)) == 7  # noqa: PLR2004 - the rarest is the last
        return rarely
