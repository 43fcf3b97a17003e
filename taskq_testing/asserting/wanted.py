"""What a test asked for, and how far something is from it.

A ``Wanted`` is a list of claims; each says of one candidate what is wrong with it, or nothing.  The
candidate with the fewest faults is the nearest miss, and the message says what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from enum import Enum
from typing import Any, Final, Generic, Protocol, TypeVar

from taskq_testing.asserting.history import Run, Sent

# More lines than a person reads in a failure; the rest is counted.
LISTED: Final = 20


class Any_(Enum):  # noqa: N801 - ``Any`` is taken; a user sees ``ANYTHING``
    """The value of what was not asked for."""

    ANYTHING = "anything"

    def __repr__(self) -> str:
        return "ANYTHING"


ANYTHING: Final = Any_.ANYTHING


class Named(Protocol):
    """A task."""

    name: str


class Called(Protocol):
    """What any candidate says of itself."""

    @property
    def task(self) -> str:
        """The name of its task."""


C = TypeVar("C", bound=Called)


@dataclass(frozen=True, slots=True)
class Claim(Generic[C]):
    """One thing that must be so."""

    said: str  # as the test has said it
    fault: Callable[[C], str]  # what is wrong; "" if nothing is


@dataclass(frozen=True, slots=True)
class Wanted(Generic[C]):
    """All that was asked for."""

    task: str
    claims: Sequence[Claim[C]]

    def among(self, candidates: Sequence[C]) -> list[C]:
        """Those that are as asked."""
        return [each for each in candidates if each.task == self.task and not self.faults(each)]

    def faults(self, candidate: C) -> list[str]:
        """What is wrong with one."""
        return [fault for claim in self.claims if (fault := claim.fault(candidate))]

    def nearest(self, candidates: Sequence[C]) -> tuple[C, list[str]] | None:
        """The one with the fewest faults, and what they are.

        Of several it is the one whose arguments are right, as they are claimed first; of several
        such the last.
        """
        best: tuple[tuple[float, list[bool]], C, list[str]] | None = None
        for each in candidates:
            faults = self.faults(each)
            likeness = SequenceMatcher(None, self.task, each.task).ratio()
            if each.task != self.task:
                faults.insert(0, f"it is {each.task!r}")
            worth = likeness - len(faults), [not claim.fault(each) for claim in self.claims]
            if best is None or worth >= best[0]:
                best = worth, each, faults
        return None if best is None else best[1:]

    def __str__(self) -> str:
        said = ", ".join(claim.said for claim in self.claims)
        return f"{self.task!r}" + (f" with {said}" if said else "")


def name_of(task: str | Named) -> str:
    """The name of a task that was given by itself or by its name."""
    return task if isinstance(task, str) else task.name


def how_many(found: Sequence[object], times: int | None) -> bool:
    """Whether there are as many as asked; None: at least one."""
    return bool(found) if times is None else len(found) == times


def failure(
    wanted: Wanted[C], done: str, times: int | None, found: Sequence[C], there: Sequence[C]
) -> AssertionError:
    """Say what was asked for, what was nearest to it, and what there is."""
    asked = "" if times is None else f" {_times(times)}"
    lines = [f"{wanted} was not {done}{asked}" + (f", but {_times(len(found))}" if found else "")]
    if found:
        lines += listed("those are", found)
    elif (near := wanted.nearest(there)) is not None:
        candidate, faults = near
        lines += [f"nearest: {candidate}", *(f"    {fault}" for fault in faults)]
    lines += listed(f"{done} were", there)
    return AssertionError("\n".join(lines))


def unwanted(wanted: Wanted[C], done: str, found: Sequence[C]) -> AssertionError:
    """Say what is there and should not be."""
    return AssertionError(
        "\n".join([f"{wanted} was {done} {_times(len(found))}", *listed("those are", found)])
    )


def listed(title: str, things: Sequence[object]) -> list[str]:
    """Lines for some of them."""
    if not things:
        return [f"{title}: none"]
    rest = len(things) - LISTED
    lines = [f"{title}:", *(f"    {each}" for each in things[:LISTED])]
    return lines if rest <= 0 else [*lines, f"    and {rest} more"]


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def plain(value: Any) -> Any:
    """Values as JSON makes them, so that a tuple equals the list that it became."""
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return value


# -- claims ---------------------------------------------------------------------------------------


def equal(name: str, wanted: Any, of: Callable[[C], Any]) -> list[Claim[C]]:
    """Something is equal to what was given, if it was given."""
    if wanted is ANYTHING:
        return []

    def fault(candidate: C) -> str:
        value = of(candidate)
        same = plain(wanted) == plain(value)
        return "" if same else f"{name} is {value!r}, not {wanted!r}"

    return [Claim(f"{name}={wanted!r}", fault)]


def contains(
    name: str, wanted: Mapping[str, Any] | None, of: Callable[[C], Mapping[str, Any]]
) -> list[Claim[C]]:
    """A mapping says all that was given; it may say more."""
    if wanted is None:
        return []

    def fault(candidate: C) -> str:
        there = of(candidate)
        off = [
            f"{key!r} is {there.get(key)!r}, not {value!r}" if key in there else f"no {key!r}"
            for key, value in wanted.items()
            if key not in there or plain(there[key]) != plain(value)
        ]
        return f"{name}: {', '.join(off)}" if off else ""

    return [Claim(f"{name}={dict(wanted)!r}", fault)]


def due_in(wanted: float | None, within_s: float) -> list[Claim[Sent]]:
    """It has to wait so long from when it was sent."""
    if wanted is None:
        return []

    def fault(sent: Sent) -> str:
        off = abs(sent.due_in_s - wanted)
        return "" if off <= within_s else f"due_in_s is {sent.due_in_s:g}, not {wanted:g}"

    return [Claim(f"due_in_s={wanted:g}±{within_s:g}", fault)]


def due_at(wanted: datetime | Any_ | None, within_s: float) -> list[Claim[Sent]]:
    """It may begin at that moment; None: at once."""
    if isinstance(wanted, Any_):
        return []

    def fault(sent: Sent) -> str:
        eta = sent.eta
        if wanted is None or eta is None:
            return "" if wanted is eta else f"eta is {eta}, not {wanted}"
        off = abs((eta - wanted).total_seconds())
        return "" if off <= within_s else f"eta is {eta.isoformat()}, not {wanted.isoformat()}"

    if wanted is not None and wanted.tzinfo is None:
        raise ValueError(f"eta={wanted!r} has no zone; say datetime(..., tzinfo=UTC)")
    return [Claim(f"eta={wanted}", fault)]


def that(where: Callable[[C], object] | None) -> list[Claim[C]]:
    """A function of the test's likes it."""
    if where is None:
        return []
    name = getattr(where, "__name__", repr(where))
    return [Claim(f"where={name}", lambda candidate: "" if where(candidate) else f"not so: {name}")]


def says(wanted: str | None) -> list[Claim[Run]]:
    """The repr of its result or error has this in it."""
    if wanted is None:
        return []
    return [
        Claim(
            f"saying={wanted!r}",
            lambda run: "" if wanted in run.summary else f"it says {run.summary!r}",
        )
    ]
