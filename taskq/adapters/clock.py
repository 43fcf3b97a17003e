"""The machine's own clock, as the Clock port."""

from __future__ import annotations

import time

from taskq.ports import Reading


class SystemClock:
    """Wall time and a monotonic time, from the operating system."""

    def read(self) -> Reading:
        """Look once."""
        return Reading(time.time(), time.monotonic())

    def sleep(self, seconds: float) -> None:
        """Wait; a time that is over already is no wait."""
        if seconds > 0:
            time.sleep(seconds)
