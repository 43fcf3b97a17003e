"""The clock of eager calls: it goes as the one beneath, and leaps over what a worker would wait."""

from __future__ import annotations

from math import ulp

from taskq.ports import Clock, Reading

__all__ = ["LeapingClock"]


class LeapingClock:
    """A clock, and by how much it is ahead of the one beneath."""

    def __init__(self, beneath: Clock) -> None:
        self._beneath = beneath
        self.ahead_s = 0.0

    def read(self) -> Reading:
        """Look once."""
        beneath = self._beneath.read()
        return Reading(beneath.wall_s + self.ahead_s, beneath.elapsed_s + self.ahead_s)

    def sleep(self, seconds: float) -> None:
        """Leap so far ahead, in no time."""
        self.ahead_s += max(0.0, seconds)

    def leap_to(self, elapsed_s: float) -> None:
        """Let it be a moment that has not come yet."""
        self.sleep(elapsed_s - self.read().elapsed_s)
        if self.read().elapsed_s < elapsed_s:  # rounded down
            self.sleep(ulp(elapsed_s))
