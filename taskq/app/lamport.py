"""A logical clock: it orders what happens in a cluster without comparing machines' clocks."""

from __future__ import annotations

import threading
from typing import Final

__all__ = ["LamportClock"]

# No cluster counts as far, and every serializer and header can carry it.
MOST: Final = 2**53


class LamportClock:
    """Grows with each event here, and never stays behind one that was heard of."""

    def __init__(self, initial_value: int = 0) -> None:
        self.value = initial_value
        self._lock = threading.Lock()

    def forward(self) -> int:
        """Count one event of our own."""
        with self._lock:
            self.value += 1
            return self.value

    def adjust(self, other: int) -> int:
        """Take note of an event of somebody else; what cannot be a count of events is none."""
        with self._lock:
            self.value = max(self.value, other if other < MOST else 0) + 1
            return self.value

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return f"<LamportClock: {self.value}>"
