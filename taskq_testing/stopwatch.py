"""Measures how long the harness itself takes, in real time."""

from __future__ import annotations

from taskq.adapters.clock import SystemClock


class Stopwatch:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._began_s = self._clock.read().elapsed_s

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return self._clock.read().elapsed_s - self._began_s
