"""How many slots there should be for the work that there is.

More at once when work waits; fewer, one after the other, when a slot has had nothing to do for a
while since the pool last grew.
"""

from __future__ import annotations

from typing import Final

from taskq.core.rates import NEVER

# A pool that shrinks loses one slot in this time.
STEP_S: Final = 1.0


class Autoscale:
    """Two bounds, and when the pool last moved between them."""

    def __init__(self, most: int, least: int, *, keep_s: float) -> None:
        self._keep_s = keep_s
        self._still_until_s: float | None = None  # it does not shrink before this
        self.next_s = NEVER  # when a slot may be too many
        self.bound(most, least)

    def bound(self, most: int, least: int) -> None:
        """Set the bounds; one slot is always there."""
        self.least = max(1, min(most, least))
        self.most = max(self.least, most, least)

    def include(self, size: int) -> None:
        """Somebody has set a size by hand: the bounds give way."""
        self.bound(max(self.most, size), min(self.least, size))

    def wanted(self, size: int, waiting: int, idle: int, now_s: float) -> int:
        """Return how many slots there should be."""
        self.next_s = NEVER
        if self._still_until_s is None:
            self._still_until_s = now_s + self._keep_s
        if waiting > 0 and size < self.most:
            self._still_until_s = now_s + self._keep_s
            return min(size + waiting, self.most)
        if waiting > 0 or not idle or size <= self.least:
            return size
        if now_s < self._still_until_s:
            self.next_s = self._still_until_s
            return size
        self._still_until_s = now_s + STEP_S
        if size - 1 > self.least:
            self.next_s = self._still_until_s
        return size - 1
