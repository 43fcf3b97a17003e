"""A workflow as nodes and arrows: who gets whose result.

Each task is a node, each result an arrow.  A chord's header meets in a joint before its body, and
of many members the first few are drawn, with one node for the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from taskq.canvas.drawing import Drawing
from taskq.canvas.parts import listed
from taskq.canvas.showing import MOST, call_text, header_of, kind_of

__all__ = ["draw"]

Sig = Mapping[str, Any]


class _Ends(NamedTuple):
    """Where a part of a drawing begins, and whose results come out of it."""

    first: tuple[int, ...]
    last: tuple[int, ...]


_NOTHING = _Ends((), ())


def draw(sig: Sig, most: int = MOST) -> Drawing:
    """Draw a signature of any kind, or its data; ``most`` members or steps of each part."""
    picture = _Picture(most)
    picture.add(sig)
    return picture.drawing


class _Picture:
    def __init__(self, most: int) -> None:
        self.drawing = Drawing()
        self._most = most

    def add(self, sig: Sig) -> _Ends:
        kind, kwargs = kind_of(sig), sig.get("kwargs") or {}
        if kind == "chain":
            ends = self._in_a_row(kwargs.get("tasks") or ())
        elif kind == "group":
            ends = self._side_by_side(kwargs.get("tasks") or ())
        elif kind == "chord":
            ends = self._chord(sig)
        else:
            number = self.drawing.add(call_text(sig))
            ends = _Ends((number,), (number,))
        return self._with_links(sig, ends)

    def _in_a_row(self, steps: Sequence[Any]) -> _Ends:
        ends = _NOTHING
        for step in islice(steps, self._most):
            ends = self._follow(ends, self.add(step))
        more = len(steps) - self._most
        return self._follow(ends, self._others(more)) if more > 0 else ends

    def _side_by_side(self, members: Sequence[Any]) -> _Ends:
        ends = [self.add(member) for member in islice(members, self._most)]
        more = len(members) - self._most
        if more > 0:
            ends.append(self._others(more))
        return _Ends(_all(each.first for each in ends), _all(each.last for each in ends))

    def _others(self, count: int) -> _Ends:
        number = self.drawing.add(f"… and {count:,} more")
        return _Ends((number,), (number,))

    def _chord(self, sig: Sig) -> _Ends:
        members, _ = header_of(sig)
        header = self._side_by_side(members)
        body = sig["kwargs"].get("body")
        if body is None:
            return header
        if len(members) > 1:
            joint = self.drawing.add(f"all {len(members):,}", is_joint=True)
            header = self._follow(header, _Ends((joint,), (joint,)))
        return self._follow(header, self.add(body))

    def _follow(self, before: _Ends, after: _Ends) -> _Ends:
        """Draw arrows from one part to the next; either may be empty."""
        if not after.first:
            return before
        if not before.last:
            return after
        # Many to many would be a thicket: they meet first.
        starts = before.last
        if len(starts) > 1 and len(after.first) > 1:
            joint = self.drawing.add("all", is_joint=True)
            for start in starts:
                self.drawing.join(start, joint)
            starts = (joint,)
        for start in starts:
            for end in after.first:
                self.drawing.join(start, end)
        return _Ends(before.first, after.last)

    def _with_links(self, sig: Sig, ends: _Ends) -> _Ends:
        options = sig.get("options") or {}
        for step in listed(options.get("chain"))[::-1]:
            ends = self._follow(ends, self.add(step))
        self._link(ends.last, options.get("link"), "then", is_dashed=False)
        self._link(ends.last or ends.first, options.get("link_error"), "on error", is_dashed=True)
        return ends

    def _link(self, starts: Sequence[int], links: Any, label: str, *, is_dashed: bool) -> None:
        for link in islice(listed(links), self._most):
            for end in self.add(link).first:
                for start in starts:
                    self.drawing.join(start, end, label, is_dashed=is_dashed)


def _all(numbers: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(number for each in numbers for number in each)
