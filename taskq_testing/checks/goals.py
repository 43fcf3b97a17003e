"""What a user says of a world: ``never`` this, and ``sometimes`` that.

A condition is asked whenever something is written to the trace; a pattern of events is held
against what is written.  ``never`` is broken by the first time; ``sometimes`` holds if it was true
once in any of the seeds of a run (``over_seeds``), which for one world alone means in that world.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from taskq_testing.checks.finding import Finding
from taskq_testing.nearest import nearest
from taskq_testing.sim.trace import EVENTS, Record, Trace

# A function that says whether it is so, or the name of an event.
Condition: TypeAlias = Callable[[], object] | str


class BrokenPromise(AssertionError):
    """A world did what it must not, or never did what it should."""

    def __init__(self, findings: Sequence[Finding], seed: int | None = None) -> None:
        super().__init__(tuple(findings), seed)
        self.findings, self.seed = tuple(findings), seed

    def __str__(self) -> str:
        of = "" if self.seed is None else f" with seed {self.seed}"
        return "\n".join([f"{len(self.findings)} broken{of}:", *map(str, self.findings)])


@dataclass(slots=True)
class Goal:
    """One sentence of a user's."""

    name: str
    wanted: bool  # sometimes; else never
    met: Record | None = None  # when it was first so

    def finding(self) -> Finding | None:
        """What is wrong with it."""
        if self.wanted and self.met is None:
            return Finding(f"sometimes {self.name}", "it was never so")
        if not self.wanted and self.met is not None:
            return Finding(f"never {self.name}", "it was so", (self.met,))
        return None


class Goals:
    """Those of one world."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self.all: dict[str, Goal] = {}

    def add(
        self, name: str, condition: Condition, facts: Mapping[str, Any], *, wanted: bool
    ) -> None:
        """Look out for it from now on."""
        if name in self.all:
            raise ValueError(f"this world has something called {name!r} already; name it otherwise")
        goal = self.all[name] = Goal(name, wanted)
        is_so = _matcher(condition, facts)

        def look(record: Record) -> None:
            if goal.met is None and is_so(record):
                goal.met = record

        self._trace.onlookers.append(look)

    def findings(self, *, one_of_many: bool = False) -> list[Finding]:
        """What is broken; in one of many seeds nothing has to happen."""
        judged = [goal for goal in self.all.values() if not (one_of_many and goal.wanted)]
        return [found for goal in judged if (found := goal.finding()) is not None]


def _matcher(condition: Condition, facts: Mapping[str, Any]) -> Callable[[Record], object]:
    if not isinstance(condition, str):
        if facts:
            raise TypeError(f"facts ({', '.join(facts)}) go with the name of an event only")
        return lambda _: condition()
    if condition not in EVENTS:
        raise ValueError(f"no event is called {condition!r}{nearest(condition, EVENTS)}")
    return lambda record: record.matches(condition, facts)


class Judged:
    """Collects over the seeds of a run whether each ``sometimes`` was so in any of them."""

    def __init__(self) -> None:
        self._met: dict[str, bool] = {}
        self._seeds = 0

    def take(self, goals: Goals) -> None:
        """One more seed."""
        self._seeds += 1
        for goal in goals.all.values():
            if goal.wanted:
                self._met[goal.name] = self._met.get(goal.name, False) or goal.met is not None

    def findings(self) -> list[Finding]:
        """What was never so."""
        told = f"it was so in none of {self._seeds} seeds"
        return [Finding(f"sometimes {name}", told) for name, met in self._met.items() if not met]
