"""What can go wrong, as a table: a name, its parameters, its effect on a world.

A scenario's ``do`` and ``taskq-sim explore`` use these names.  A new fault is a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from taskq_testing.sim.world import SimWorld

Effect: TypeAlias = Callable[[SimWorld, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value that a fault needs."""

    name: str
    kind: str  # node, task, duration, signed duration, word, number
    default: Any = ...

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is ...


@dataclass(frozen=True, slots=True)
class Fault:
    """One row."""

    name: str
    sentence: str
    parameters: tuple[Parameter, ...]
    effect: Effect


def _kill(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.kill(given["node"])


def _kill_process(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.kill_process_of(given["task"])


def _stop(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.stop_worker(given["node"], given["how"])


def _start(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.start_worker(given["node"], int(given["slots"]))


def _lose_broker(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.cut(given["node"], given["for"])


def _jump_clock(world: SimWorld, given: Mapping[str, Any]) -> None:
    world.jump_clock(given["node"], given["by"])


_NODE: Final = Parameter("node", "node")

FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        fault.name: fault
        for fault in (
            Fault("worker.kill", "the whole machine dies, as by kill -9 of all", (_NODE,), _kill),
            Fault(
                "worker.kill_process",
                "the child process that runs a task dies",
                (Parameter("task", "task"),),
                _kill_process,
            ),
            Fault(
                "worker.stop",
                "a worker is asked to end",
                (_NODE, Parameter("how", "word", "warm")),
                _stop,
            ),
            Fault(
                "worker.start",
                "a worker begins (again)",
                (_NODE, Parameter("slots", "number", 2)),
                _start,
            ),
            Fault(
                "broker.lose_connection",
                "a node loses the broker, and finds it after a while",
                (_NODE, Parameter("for", "duration", 5.0)),
                _lose_broker,
            ),
            Fault(
                "clock.jump",
                "a node's wall clock is set forward or back",
                (_NODE, Parameter("by", "signed duration")),
                _jump_clock,
            ),
        )
    }
)
