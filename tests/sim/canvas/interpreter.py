"""What must come of a canvas: an interpreter that knows no signature, no message and no worker.

First a canvas is brought into its plainest form (``plain``): rows stand in no row of their kind, a
chord is a chain whose first step is a group, and links stand at the leaves.  Then it is run.

* Of a step that fails, the steps behind it fail too, without a word: they are ``dead``.
* Of a group that something follows, a member that does not succeed makes what follows fail with
  ``ChordError``, and its errbacks hear of it, each once: it is ``doomed``.
* A task that raises ``Ignore`` leaves its state alone, and what follows it never comes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from taskq_testing.strategies.canvas import (
    Callback,
    Canvas,
    Chain,
    Chord,
    Does,
    Errback,
    Group,
    Items,
    ItemsKind,
    Leaf,
    Style,
)

PENDING, RETRY, SUCCESS, FAILURE = "PENDING", "RETRY", "SUCCESS", "FAILURE"
CHORD_ERROR = ("ChordError",)
ACCUMULATE = Leaf("accumulate")


@dataclass(frozen=True)
class One:
    """What became of a task; an error is its type and, where it is known, its text."""

    state: str
    value: Any = None
    kept: bool = True  # whether that is stored
    before: str = PENDING  # the state that is stored if it is not


NOTHING = One(PENDING, kept=False)

Came: TypeAlias = "One | list[Came] | None"


@dataclass
class Report:
    """All that can be seen from outside."""

    came: Came = None
    runs: Counter[str] = field(default_factory=Counter)  # of bodies, with their arguments
    errbacks: Counter[str] = field(default_factory=Counter)
    new_style: set[str] = field(default_factory=set)  # of errbacks
    states: dict[str, One] = field(default_factory=dict)
    errors: set[tuple[str, ...]] = field(default_factory=set)  # of all that failed
    messages: int = 0


def interpret(canvas: Canvas, *, header_errbacks: bool = False) -> Report:
    """Say what must come of it."""
    run = _Run(header_errbacks)
    top = run.plain(canvas)
    run.report.came = run.run(top, (), None) if top != Chain() else None
    return run.report


class _Run:
    def __init__(self, header_errbacks: bool) -> None:
        self.header_errbacks = header_errbacks
        self.report = Report()

    # -- the plainest form -------------------------------------------------------------------------

    def plain(self, canvas: Canvas) -> Canvas:
        match canvas:
            case Items(kind=ItemsKind.CHUNKS):
                bare: Canvas = Group(members=_chunks(canvas))
            case Leaf() | Items():
                return canvas
            case Group():
                members = (self.plain(each) for each in canvas.members)
                bare = Group(members=tuple(_spliced(members, Group)))
            case Chord():
                bare = self.row(Group(members=canvas.header), canvas.body)
            case Chain():
                bare = self.row(*canvas.steps)
        return self.linked(bare, canvas.callbacks, canvas.errbacks)

    def row(self, *steps: Canvas) -> Canvas:
        found = tuple(_spliced(map(self.plain, steps), Chain))
        # A chain of one group stays a chain: in another group, its results stay a list.
        alone = len(found) == 1 and not isinstance(found[0], Group)
        return found[0] if alone else Chain(steps=found)

    def linked(
        self, part: Canvas, callbacks: Sequence[Callback], errbacks: Sequence[Errback]
    ) -> Canvas:
        """Give links to the leaves that they are for."""
        match part:
            case Group():
                told = tuple(replace(each, immutable=True) for each in callbacks)
                full = (at for at, each in enumerate(part.members) if not is_hollow(each))
                first = next(full, None)
                members = (
                    self.linked(each, told if at == first else (), errbacks)
                    for at, each in enumerate(part.members)
                )
                return replace(part, members=tuple(members))
            case Chain():
                last = len(part.steps) - 1
                steps = (
                    self.linked(
                        each,
                        callbacks if at == last else (),
                        errbacks if at == last or self.hears(each) else (),
                    )
                    for at, each in enumerate(part.steps)
                )
                return replace(part, steps=tuple(steps))
        return replace(
            part,
            callbacks=(*part.callbacks, *callbacks),
            errbacks=tuple(dict.fromkeys((*part.errbacks, *errbacks))),
        )

    def hears(self, step: Canvas) -> bool:
        """Whether a step that is not the last one gets the errbacks of its chain."""
        return self.header_errbacks or not isinstance(step, Group)

    # -- running -----------------------------------------------------------------------------------

    def run(self, part: Canvas, given: tuple[Any, ...], own_id: str | None) -> Came:
        match part:
            case Group():
                return [self.run(each, given, None) for each in part.members]
            case Chain():
                return self.run_steps(part.steps, given, own_id)
            case Items():
                self.report.messages += 1
                bad = [number for number in part.items if number < 0]
                pairs = [self.item(part, number) for number in part.items]
                if bad:
                    item = tuple(self.item(part, bad[0]))
                    return self.fail(part, ("ValueError", f"item {item}"), own_id)
                return self.succeed(part, pairs, own_id)
            case Leaf():
                return self.run_leaf(part, given, own_id)
        raise AssertionError(f"{part} is not plain")

    @staticmethod
    def item(part: Items, number: int) -> list[int]:
        return [number] if part.kind is ItemsKind.MAP else [number, number]

    def run_steps(
        self, steps: Sequence[Canvas], given: tuple[Any, ...], own_id: str | None
    ) -> Came:
        first, *rest = steps
        if rest and isinstance(first, Group):
            first = Group(members=tuple(self.gathered(each) for each in first.members))
        came = self.run(first, given, None if rest else own_id)
        if not rest:
            return came
        if isinstance(came, list):
            if all(one.state == SUCCESS for one in ones(came)):
                return self.run_steps(rest, (value_of(came),), own_id)
            return self.doom(Chain(steps=tuple(rest)), own_id, set())
        assert came is not None
        if came.state == SUCCESS:
            return self.run_steps(rest, (came.value,), own_id)
        if came.state == PENDING:
            return self.never(rest[-1])
        return self.dead(Chain(steps=tuple(rest)), came.value, own_id)

    def run_leaf(self, leaf: Leaf, given: tuple[Any, ...], own_id: str | None) -> Came:
        args = [] if leaf.immutable else list(given)
        self.report.messages += leaf.retries + 1
        if leaf.tag == ACCUMULATE.tag:
            return self.succeed(leaf, args[0], own_id)
        self.report.runs[seen(leaf.tag, args)] += leaf.retries + 1
        match leaf.does:
            case Does.RAISES:
                return self.fail(leaf, ("ValueError", leaf.tag), own_id)
            case Does.REJECTS:
                return self.fail(leaf, ("Reject",), own_id)
            case Does.IGNORES:
                return self.left(leaf, NOTHING, own_id)
            case Does.REPLACED:
                return self.run_replacement(leaf, own_id)
        return self.succeed(leaf, [leaf.tag, *args], own_id)

    def run_replacement(self, leaf: Leaf, own_id: str | None) -> Came:
        assert leaf.by is not None
        by = self.plain(leaf.by)
        if by == Chain():
            return self.fail(leaf, ("ImproperlyConfigured",), own_id)
        linked = self.linked(self.gathered(by), leaf.callbacks, leaf.errbacks)
        came = self.run(linked, (), own_id or leaf.tag)
        assert isinstance(came, One)
        return self.left(leaf, came, own_id)

    def left(self, leaf: Leaf, came: One, own_id: str | None) -> One:
        """If nothing is stored in the end, what was stored at the last retry stays."""
        if leaf.retries and not leaf.ignores_result and not came.kept:
            came = replace(came, before=RETRY)
            self.report.states[own_id or leaf.tag] = came
        return came

    def gathered(self, part: Canvas) -> Canvas:
        """Let one task hand on many results as a list."""
        last = part.steps[-1] if isinstance(part, Chain) else part
        return self.row(part, ACCUMULATE) if isinstance(last, Group) else part

    # -- ends --------------------------------------------------------------------------------------

    def end(self, part: Leaf | Items, state: str, value: Any, own_id: str | None) -> One:
        kept = isinstance(part, Items) or not part.ignores_result
        came = One(state, value, kept)
        if state == FAILURE:
            self.report.errors.add(value)
        if own_id or part.tag not in ("", ACCUMULATE.tag):
            self.report.states[own_id or part.tag] = came
        return came

    def succeed(self, part: Leaf | Items, value: Any, own_id: str | None) -> One:
        for each in part.callbacks:
            does = Does.RAISES if each.fails else Does.RETURNS
            self.run_leaf(Leaf(each.tag, does, immutable=each.immutable), (value,), None)
        return self.end(part, SUCCESS, value, own_id)

    def fail(self, part: Leaf | Items, error: tuple[str, ...], own_id: str | None = None) -> One:
        self.tell(part.errbacks)
        return self.end(part, FAILURE, error, own_id)

    def tell(self, errbacks: Iterable[Errback]) -> None:
        for each in errbacks:
            self.report.errbacks[each.tag] += 1
            if each.style is Style.NEW:
                self.report.new_style.add(each.tag)
            else:
                self.report.messages += 1

    def never(self, part: Canvas) -> Came:
        """It does not come, and nobody says so."""
        match part:
            case Group():
                return [self.never(each) for each in part.members]
            case Chain():
                return self.never(part.steps[-1])
        return NOTHING

    def dead(self, part: Canvas, error: tuple[str, ...], own_id: str | None) -> Came:
        """It fails with what came before it, and nobody is told."""
        match part:
            case Group():
                return [self.dead(each, error, None) for each in part.members]
            case Chain():
                *before, last = part.steps
                for each in before:
                    self.dead(each, error, None)
                return self.dead(last, error, own_id)
            case Leaf() | Items():
                return self.end(part, FAILURE, error, own_id)
        raise AssertionError(f"{part} is not plain")

    def doom(self, part: Canvas, own_id: str | None, told: set[str]) -> Came:
        """It fails because the chord whose body it is has failed; each errback is told once."""
        match part:
            case Group():
                return [self.doom(each, None, told) for each in part.members]
            case Chain():
                first, *rest = part.steps
                if not rest:
                    return self.doom(first, own_id, told)
                if isinstance(first, Group):
                    # The header of another chord: that one has failed, not the members.  But
                    # where it is there to make one result of many, they were the body.
                    if isinstance(rest[0], Leaf) and rest[0].tag == ACCUMULATE.tag:
                        self.doom(first, None, told)
                    else:
                        self.dead(first, CHORD_ERROR, None)
                    return self.doom(Chain(steps=tuple(rest)), own_id, told)
                self.doom(first, None, told)
                return self.dead(Chain(steps=tuple(rest)), CHORD_ERROR, own_id)
            case Leaf() | Items():
                self.tell(each for each in part.errbacks if each.tag not in told)
                told.update(each.tag for each in part.errbacks)
                return self.end(part, FAILURE, CHORD_ERROR, own_id)
        raise AssertionError(f"{part} is not plain")


def is_hollow(part: Canvas) -> bool:
    """Whether it ends in no task at all."""
    if isinstance(part, Chain):
        return is_hollow(part.steps[-1])
    return isinstance(part, Group) and all(map(is_hollow, part.members))


def seen(tag: str, args: Iterable[Any]) -> str:
    """Show a call in one way, whatever its lists were made of."""
    return f"{tag}{_plainly(list(args))}"


def _plainly(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plainly, value))}]"
    return repr(value)


def ones(came: Came) -> Iterable[One]:
    """Yield the ends of all tasks of which this is made."""
    for each in came if isinstance(came, list) else [came]:
        if isinstance(each, list):
            yield from ones(each)
        elif each is not None:
            yield each


def value_of(came: Came) -> Any:
    """Return what whoever waits for it gets."""
    if isinstance(came, list):
        return [value_of(each) for each in came]
    return None if came is None else came.value


def _spliced(parts: Iterable[Canvas], kind: type[Any]) -> Iterable[Canvas]:
    """Put what stands in rows of this kind in the place of the rows; empty chains are nothing."""
    for part in parts:
        if isinstance(part, kind):
            yield from part.members if isinstance(part, Group) else part.steps
        elif part != Chain():
            yield part


def _chunks(items: Items) -> tuple[Canvas, ...]:
    starts = range(0, len(items.items), items.size)
    return tuple(
        Items(kind=ItemsKind.STARMAP, items=items.items[at : at + items.size]) for at in starts
    )
