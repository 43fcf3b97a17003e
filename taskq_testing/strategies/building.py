"""From a canvas as data to the signature that users would write for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import or_
from typing import Any

from taskq.canvas import chain, chord, group
from taskq.canvas.parts import is_nothing
from taskq_testing.strategies.canvas import (
    Callback,
    Canvas,
    Chain,
    Chord,
    Errback,
    Form,
    Group,
    Items,
    ItemsKind,
    Leaf,
    Style,
)
from taskq_testing.strategies.tasks import CanvasTasks

__all__ = ["build"]


def build(canvas: Canvas, tasks: CanvasTasks, *, ids: str | None = None) -> Any:
    """Make the signature; with ``ids``, leaves get ids: that text and their tag."""
    return _Builder(tasks, ids).build(canvas)


class _Builder:
    def __init__(self, tasks: CanvasTasks, ids: str | None) -> None:
        self.tasks, self.ids, self.app = tasks, ids, tasks.app

    def build(self, canvas: Canvas) -> Any:
        sig = self._bare(canvas)
        for callback in canvas.callbacks:
            sig.link(self._callback(callback))
        for errback in canvas.errbacks:
            sig.link_error(self._errback(errback))
        return sig

    def _bare(self, canvas: Canvas) -> Any:
        match canvas:
            case Leaf():
                return self._leaf(canvas)
            case Items():
                return self._items(canvas)
            case Chain():
                return self._chain(self._all(canvas.steps), canvas.form)
            case Group():
                return self._group(self._all(canvas.members), canvas.form)
            case Chord():
                header = self._all(canvas.header)
                return self._chord(header, self.build(canvas.body), canvas.form)

    def _all(self, parts: Iterable[Canvas]) -> list[Any]:
        return [self.build(part) for part in parts]

    # -- kinds -----------------------------------------------------------------------------------

    def _leaf(self, leaf: Leaf) -> Any:
        what: dict[str, Any] = {"tag": leaf.tag, "does": leaf.does.name, "retries": leaf.retries}
        if leaf.by is not None:
            what["by"] = self.build(leaf.by)
        make = self.tasks.leaf.si if leaf.immutable else self.tasks.leaf.s
        sig = self._identified(make(**what), leaf.tag)
        return sig.set(ignore_result=True) if leaf.ignores_result else sig

    def _items(self, items: Items) -> Any:
        item, numbers = self.tasks.item, items.items
        pairs = [(number, number) for number in numbers]
        match items.kind:
            case ItemsKind.MAP:
                return self._identified(item.map(list(numbers)), items.tag)
            case ItemsKind.STARMAP:
                return self._identified(item.starmap(pairs), items.tag)
            case ItemsKind.CHUNKS:
                return item.chunks(pairs, items.size)

    def _identified(self, sig: Any, tag: str) -> Any:
        return sig if self.ids is None else sig.set(task_id=self.ids + tag)

    def _chain(self, steps: list[Any], form: Form) -> Any:
        if form is Form.PIPE and len(steps) > 1 and not any(map(is_nothing, steps)):
            return reduce(or_, steps)
        return chain(*steps, app=self.app) if form is Form.CALL else self._given(chain, steps, form)

    def _group(self, members: list[Any], form: Form) -> Any:
        if form is Form.CALL:
            return group(*members, app=self.app)
        return self._given(group, members, form)

    def _given(self, kind: Any, parts: Sequence[Any], form: Form) -> Any:
        return kind(_each(parts) if form is Form.ITERATOR else parts, app=self.app)

    def _chord(self, header: list[Any], body: Any, form: Form) -> Any:
        match form:
            # A group that nothing follows is that group, not a chain of it.
            case Form.PIPE if not is_nothing(body):
                return group(header, app=self.app) | body
            case Form.LIST:
                return chord(group(header, app=self.app), body, app=self.app)
            case Form.ITERATOR:
                return chord(_each(header), body, app=self.app)
            case _:
                return chord(header, body, app=self.app)

    # -- links -----------------------------------------------------------------------------------

    def _callback(self, callback: Callback) -> Any:
        does = "RAISES" if callback.fails else "RETURNS"
        make = self.tasks.leaf.si if callback.immutable else self.tasks.leaf.s
        return self._identified(make(tag=callback.tag, does=does), callback.tag)

    def _errback(self, errback: Errback) -> Any:
        told: dict[str, Any] = {"tag": errback.tag, "fails": errback.fails}
        match errback.style:
            case Style.OLD:
                return self.tasks.old_errback.s(**told)
            case Style.IMMUTABLE:
                return self.tasks.old_errback.si(**told)
            case Style.NEW:
                return self.tasks.new_errback.s(**told)


def _each(parts: Iterable[Any]) -> Iterator[Any]:
    yield from parts
