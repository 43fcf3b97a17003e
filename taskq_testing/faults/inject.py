"""Puts faults into a world: at a time, or at an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from taskq_testing.faults.kinds import happen
from taskq_testing.sim.trace import Record
from taskq_testing.sim.world import SimWorld


@dataclass(frozen=True, slots=True)
class When:
    """At a time, or at the nth event that matches."""

    at_s: float | None = None
    event: str | None = None
    nth: int = 1
    facts: Mapping[str, Any] = field(default_factory=dict)
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault, when it comes, and with which values."""

    when: When
    fault: str
    given: Mapping[str, Any]
    name: str = ""


class FaultRefused(Exception):
    """A fault could not be done when its time came: nobody of that name runs."""

    def __init__(self, name: str, problem: ValueError) -> None:
        super().__init__(name, problem)
        self.name, self.problem = name, problem

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}"


def inject(world: SimWorld, planned: Planned, resolve: Callable[[Any, Record | None], Any]) -> None:
    """Arrange that it happens.  ``resolve`` reads values such as ``$event.node``."""
    when = planned.when

    def act(record: Record | None) -> None:
        values = {name: resolve(value, record) for name, value in planned.given.items()}
        try:
            happen(world, planned.fault, values)
        except ValueError as error:
            raise FaultRefused(planned.name or planned.fault, error) from error

    def act_later(record: Record) -> None:
        if when.delay_s:
            world.at(world.now_s + when.delay_s, lambda: act(record))
        else:
            act(record)

    def matches(record: Record) -> bool:
        # Resolved late: a fact may name a step that was not sent when the fault was planned.
        assert when.event is not None
        wanted = {name: resolve(value, record) for name, value in when.facts.items()}
        return record.matches(when.event, wanted)

    if when.event is None:
        world.at(when.at_s or 0.0, lambda: act(None))
    else:
        world.watch(when.event, matches, act_later, when.nth)
