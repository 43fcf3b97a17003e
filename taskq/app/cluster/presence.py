"""How a worker takes part in its cluster, and what it can say of its machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from taskq.ports import QueueSpec

HEARTBEAT_S: Final = 2.0  # what Celery's monitors expect


class Machine(Protocol):
    """Numbers about the machine and the process, for monitors; the simulated world has none."""

    @property
    def system(self) -> str:
        """The name of the operating system."""

    def load(self) -> Sequence[float]:
        """Return the load averages."""

    def usage(self) -> Mapping[str, float]:
        """Return what the process has used, as ``getrusage`` names it."""


class NoMachine:
    """A machine without numbers."""

    system = "Linux"

    def load(self) -> Sequence[float]:
        """Return no load."""
        return (0.0, 0.0, 0.0)

    def usage(self) -> Mapping[str, float]:
        """Return nothing."""
        return {}


@dataclass(frozen=True, slots=True)
class Presence:
    """Who a worker is to others, and how much it has to do with them."""

    hostname: str
    pool_name: str = "solo"
    concurrency: int = 1
    queues: tuple[QueueSpec, ...] = ()
    remote_control: bool = True  # it takes commands
    heartbeat_s: float | None = HEARTBEAT_S  # None: nobody is told that it is there
    gossip: bool = True  # it listens to the heartbeats of others
    mingle: bool = True  # it asks others at the start what was revoked
    machine: Machine = field(default_factory=NoMachine)
