"""A logical clock: it orders what happens in a cluster without comparing machines' clocks."""

from __future__ import annotations

import threading

__all__ = ["LamportClock"]


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
        """Take note of an event of somebody else."""
        with self._lock:
            self.value = max(self.value, other) + 1
            return self.value

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return f"<LamportClock: {self.value}>"
