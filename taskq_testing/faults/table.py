"""What a row of the table of faults is.

A family's file (``worker.py``, ``network.py``, ...) has its rows and their effects; ``kinds.py``
has all of them, and how one is made to happen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from taskq_testing.nearest import nearest
from taskq_testing.sim.profiles import Profile
from taskq_testing.sim.world import SimWorld

Effect: TypeAlias = Callable[[SimWorld, Mapping[str, Any]], None]

# What a value of a fault may be.  ``place`` is any node, the client too; ``node`` is a worker's.
KINDS: Final = (
    "node",
    "place",
    "task",  # the id of a task
    "name",  # the name of a task; empty: any
    "queue",
    "duration",
    "signed duration",
    "word",
    "number",
    "ratio",
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value that a fault needs."""

    name: str
    kind: str
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

    @property
    def family(self) -> str:
        """The first word of its name."""
        return self.name.partition(".")[0]

    def refusal(self, profile: Profile) -> str | None:
        """Why a broker of this kind cannot have it."""
        if self.family == "redis" and not profile.leases:
            return f"{self.name} is a fault of Redis; the broker here is {profile.name!r}"
        if self.family == "amqp" and profile.leases:
            return (
                f"{self.name} is a fault of AMQP (channels, confirms, consumers);"
                f" the broker here is {profile.name!r}"
            )
        return None

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Fill in defaults; refuse what it does not know, and what is missing."""
        names = [parameter.name for parameter in self.parameters]
        for name in given:
            if name not in names:
                raise TypeError(f"{self.name} has no value {name!r}{nearest(name, names)}")
        missing = [p.name for p in self.parameters if p.required and p.name not in given]
        if missing:
            raise TypeError(f"{self.name} needs {', '.join(missing)}")
        return {p.name: given.get(p.name, p.default) for p in self.parameters}


NODE: Final = Parameter("node", "node")
PLACE: Final = Parameter("node", "place")
FOR: Final = Parameter("for", "duration", 5.0)
TASK_NAME: Final = Parameter("task", "name", "")
