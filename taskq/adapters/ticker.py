"""Calls a function again and again, in a thread of its own.

For cameras (``taskq events --camera``), which take pictures while their thread listens.  Nothing
of a worker uses it: a worker has one loop, which knows what is due.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

logger = logging.getLogger(__name__)


class Ticker:
    """Calls, each in a rhythm of its own, until they are cancelled."""

    def call_repeatedly(self, seconds: float, function: Callable[..., object]) -> Call:
        """Call a function now and then; the first time when the seconds have passed."""
        call = Call(seconds, function)
        call.start()
        return call


class Call(threading.Thread):
    """One function that is called again and again."""

    def __init__(self, seconds: float, function: Callable[..., object]) -> None:
        super().__init__(daemon=True, name=f"ticker-{getattr(function, '__name__', '')}")
        self._seconds, self._function = seconds, function
        self._cancelled = threading.Event()

    def run(self) -> None:
        """Call until cancelled; what the function raises ends nothing."""
        while not self._cancelled.wait(self._seconds):
            try:
                self._function()
            except Exception:  # a boundary: the function is the user's
                logger.exception("%r failed; it is called again", self._function)

    def cancel(self, *_: Any) -> None:
        """Call no more; returns when the call that runs has ended."""
        self._cancelled.set()
        if self.is_alive() and self is not threading.current_thread():
            self.join()
