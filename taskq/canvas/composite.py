"""What chains, groups, chords and chunks have in common: they are no single message.

Each kind says in ``unfold`` which messages it comes to; here that list is carried out.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Self, TypeVar

from taskq.canvas.depth import check_depth
from taskq.canvas.parts import Item, listed
from taskq.canvas.signature import Signature
from taskq.canvas.stamping import StampingVisitor, merged_stamps, with_stamps
from taskq.canvas.steps import Unfolded, carry_out, is_chunks

__all__ = [
    "Composite",
    "Row",
    "add_links",
    "gathered",
    "is_gathered",
    "is_many",
    "leaves",
    "link_results",
    "take",
]

R = TypeVar("R")

# Hands on what it is given.
GATHERS: Final = "celery.accumulate"


class Composite(Signature[R]):
    """A signature that is made of others."""

    def apply_async(
        self,
        args: Sequence[Any] | None = (),
        kwargs: Mapping[str, Any] | None = None,
        route_name: str | None = None,
        **options: Any,
    ) -> Any:
        """Send it; returns the handle of what comes of it."""
        if route_name is not None:
            options["route_name"] = route_name
        if self.app.runs_here:
            return self.app.run_here(lambda: self._send(args, kwargs, options))
        return self._send(args, kwargs, options)

    def apply(
        self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        """Run all of it here."""
        throw = options.pop("throw", None)
        return self.app.run_here(lambda: self._send(args, kwargs, options), throw)

    def _send(self, args: Sequence[Any] | None, kwargs: Any, options: Mapping[str, Any]) -> Any:
        """Send it, whatever the settings say."""
        check_depth(self)
        unfolded = self.unfold(args, kwargs, **options)
        with self.app.together():
            carry_out(unfolded.operations, self.app)
        return unfolded.result

    def unfold(
        self, args: Sequence[Any] | None = (), kwargs: Any = None, **options: Any
    ) -> Unfolded:
        """Say what ``apply_async`` with these arguments would do; this is not changed."""
        own: Any = self.clone()
        own._give_app(self._known_app())  # noqa: SLF001 - its own copy
        said = merged_stamps(own.options, options)
        unfolded: Unfolded = own._come_apart(own._in_front(args), dict(kwargs or {}), said)  # noqa: SLF001 - its own copy
        return unfolded

    @abstractmethod
    def _come_apart(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], said: dict[str, Any]
    ) -> Unfolded:
        """Do what ``unfold`` says, on a copy that may be changed; ``said`` are all options."""

    @abstractmethod
    def _parts(self) -> Iterable[Any]:
        """Return the signatures that this is made of."""

    def _known_app(self) -> Any:
        known = self._app
        for part in () if known is not None else self._parts():
            known = part._known_app()  # noqa: SLF001 - the same class
            if known is not None:
                break
        return known

    def _give_app(self, app: Any) -> None:
        super()._give_app(app)
        for part in self._parts():
            part._give_app(app)  # noqa: SLF001 - the same class

    def _in_front(self, args: Sequence[Any] | None) -> tuple[Any, ...]:
        """Put a call's args in front of its own."""
        return tuple(self.args) if self.immutable else (*(args or ()), *self.args)


class Row(Composite[R]):
    """What is made of tasks in a row: a chain, or a group."""

    tasks = Item("kwargs", "tasks")
    # What a visitor is asked before the first of them, and told after the last.
    _hooks: ClassVar[tuple[str, str]]

    def _parts(self) -> list[Any]:
        parts: list[Any] = self.tasks
        return parts

    def stamp(
        self,
        visitor: StampingVisitor | None = None,
        append_stamps: bool = False,
        **headers: Any,
    ) -> Self:
        """Stamp all of its tasks, and its own links."""
        start, end = self._hooks
        found = getattr(visitor, start)(self, **headers) if visitor is not None else None
        headers = with_stamps(headers, found)
        self.stamp_links(visitor, append_stamps, **headers)
        for task in self.tasks:
            task.stamp(visitor, append_stamps, **headers)
        if visitor is not None:
            getattr(visitor, end)(self, **headers)
        return self


def leaves(sig: Any) -> int:
    """Count the messages whose results are the result of a signature.

    That is how many members it brings to a group: of a chain only the last step counts.
    """
    count: int = sig._leaves()  # noqa: SLF001 - the same class
    return count


def is_many(sig: Any) -> bool:
    """Whether what comes of a signature are many results: at its end stands a group."""
    kind = sig.subtask_type
    if kind == "chain":
        return bool(sig.tasks) and is_many(sig.tasks[-1])
    if kind == "chord":
        return sig.body is None or is_many(sig.body)
    return kind == "group" or is_chunks(sig)


def gathered(sig: Any) -> Any:
    """Let a task follow that hands on the list of many results, so that it is one."""
    accumulate = Signature(GATHERS, kwargs={"index": 0}, app=sig._app)  # noqa: SLF001 - the same class
    return sig | accumulate


def is_gathered(chord: Any) -> bool:
    """Whether a chord is there only to make one result of many."""
    return chord.body is not None and chord.body.task == GATHERS


def take(options: dict[str, Any], *names: str) -> dict[str, Any]:
    """Take options out, as far as they say something."""
    taken = {name: options.pop(name, None) for name in names}
    return {name: value for name, value in taken.items() if value is not None}


def link_results(result: Any, parent: Any) -> None:
    """Say what came before the first of a row of results."""
    while result.parent is not None:
        result = result.parent
    result.parent = parent


def add_links(options: dict[str, Any], sig: Signature[Any]) -> None:
    """Take callbacks and errbacks out of options, and give them to a signature."""
    for callback in listed(options.pop("link", None)):
        sig.link(callback)
    for errback in listed(options.pop("link_error", None)):
        sig.link_error(errback)
