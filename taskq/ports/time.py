"""Time, chance and place: what a process learns of itself and of when it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, Protocol

EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the clock.  Its two values are never compared with each other."""

    wall_s: float  # POSIX time; goes into messages; other machines see it; may jump
    elapsed_s: float  # from an arbitrary start; for timeouts and rates; never goes back

    @property
    def wall(self) -> datetime:
        """The wall time, aware, in UTC."""
        return datetime.fromtimestamp(self.wall_s, UTC)


class Clock(Protocol):
    """Where taskq learns the time.  The core never calls it: a driver reads, and passes it in."""

    def read(self) -> Reading:
        """Look once."""

    def sleep(self, seconds: float) -> None:
        """Wait.  For clients and drivers; the core never waits."""


class Randomness(Protocol):
    """Where taskq gets ids, jitter and choices from."""

    def uuid(self) -> str:
        """Return a new id, as 36 characters."""

    def uniform(self, low: float, high: float) -> float:
        """Draw a number between two bounds."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which process this is, as messages and results name it."""

    hostname: str
    pid: int
