"""What stands in for standard output when that goes to the log."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from taskq.app.log_names import mlevel


class LoggingProxy:
    """A file that writes to a logger: what ``print`` gets when standard output is redirected.

    A line is logged when it is whole, as whoever prints may write it in many pieces.
    """

    mode = "w"
    name: str | None = None
    closed = False

    def __init__(self, logger: logging.Logger, loglevel: int | str | None = None) -> None:
        self.logger = logger
        self.loglevel = mlevel(loglevel or logger.level or logging.WARNING)
        self._here = _Thread()

    def write(self, data: str | bytes) -> int:
        """Log the lines that are complete now; blank ones are dropped."""
        here = self._here
        # A handler that prints would come back here for ever.
        if self.closed or here.logging:
            return len(data)
        here.begun += data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
        if "\n" in here.begun:
            *lines, here.begun = here.begun.split("\n")
            self._log(lines)
        return len(data)

    def _log(self, lines: Iterable[str]) -> None:
        self._here.logging = True
        try:
            for line in lines:
                if line.strip():
                    self.logger.log(self.loglevel, "%s", line.rstrip())
        finally:
            self._here.logging = False

    def writelines(self, sequence: Iterable[str]) -> None:
        """Write each of them."""
        for part in sequence:
            self.write(part)

    def flush(self) -> None:
        """Log what this thread has begun."""
        if self._here.begun and not self._here.logging:
            begun, self._here.begun = self._here.begun, ""
            self._log([begun])

    def close(self) -> None:
        """Log nothing more."""
        self.flush()
        self.closed = True

    def isatty(self) -> bool:
        """A logger is no terminal."""
        return False


class _Thread(threading.local):
    """What one thread is writing."""

    begun = ""
    logging = False
