"""Virtual time, and a wall clock for each node.

``Time`` is the one elapsed time of a world; only its scheduler moves it, and it moves at once
to the next moment at which something happens.  A ``NodeClock`` is the ``Clock`` port of one
node: the same elapsed time, and a wall time that may be offset and may jump.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from taskq.ports import Reading


class Time:
    """The elapsed time of a world, in seconds from its start."""

    __slots__ = ("now_s",)

    def __init__(self) -> None:
        self.now_s = 0.0

    def read(self) -> float:
        """The elapsed time."""
        return self.now_s


class NodeClock:
    """The ``Clock`` port of one node."""

    def __init__(self, time: Time, start_s: float, sleep: Callable[[float], None]) -> None:
        self._time = time
        self._wall_at_zero_s = start_s
        self._rate = 1.0  # wall seconds for each elapsed second; 0: it stands still
        self._sleep = sleep

    def read(self) -> Reading:
        """Look once."""
        now_s = self._time.now_s
        return Reading(self._wall_at_zero_s + now_s * self._rate, now_s)

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass for whoever calls; everything else goes on meanwhile."""
        self._sleep(seconds)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back; elapsed time does not notice."""
        self._wall_at_zero_s += seconds

    def run_at(self, rate: float) -> None:
        """Let the wall clock go faster or slower from now on; elapsed time does not notice."""
        wall_s = self.wall_s
        self._rate = rate
        self._wall_at_zero_s = wall_s - self._time.now_s * rate

    @property
    def wall_s(self) -> float:
        """The wall time as POSIX seconds."""
        return self._wall_at_zero_s + self._time.now_s * self._rate

    @property
    def elapsed_s(self) -> float:
        """The elapsed time of the world."""
        return self._time.now_s


def instant(moment: str | datetime | float) -> float:
    """Read a start time: ISO text, an aware datetime or POSIX seconds."""
    if isinstance(moment, int | float):
        return float(moment)
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
