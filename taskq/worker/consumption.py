"""Draws what the consumers of steps are given, in a thread of its own.

So that a callback that takes its time holds up no task, and a task of the solo pool no callback.
The connection is kombu's, beside the worker's own.  When it breaks the worker is told, and lets
the steps of the consumer begin anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from taskq.app.log import get_logger

__all__ = ["Consumption"]

logger: Final = get_logger("taskq.worker")

# How soon it is seen that the steps stop.
LOOK_S: Final = 0.5
# The longest that a stop waits for a callback to return.
JOIN_S: Final = 5.0


class Consumption:
    """One connection, drawn from until it is stopped or breaks."""

    def __init__(self, connection: Any, broke: Callable[[BaseException], object]) -> None:
        self.connection, self._broke = connection, broke
        self._over = threading.Event()
        self._thread = threading.Thread(  # noqa: TID251 - the steps' messages come beside the loop
            target=self._draw, name="taskq-steps", daemon=True
        )

    def start(self) -> None:
        """Begin; the consumers are there."""
        self._thread.start()

    def stop(self) -> None:
        """Draw no more.  What a callback still does goes on, but not for long."""
        self._over.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(JOIN_S)
            if self._thread.is_alive():
                logger.warning("a callback of a consumer step still runs; it is left to itself")

    def _draw(self) -> None:
        errors = (*self.connection.connection_errors, *self.connection.channel_errors)
        while not self._over.is_set():
            try:
                self.connection.drain_events(timeout=LOOK_S)
            except TimeoutError:
                self._beat(errors)
            except errors as error:
                self._tell(error)
                return
            except Exception:  # a boundary: a program's callback may raise anything
                logger.exception("a callback of a consumer step has failed")

    def _beat(self, errors: tuple[type[BaseException], ...]) -> None:
        """Let a broker that wants heartbeats see that the connection lives."""
        if not self.connection.heartbeat or not self.connection.supports_heartbeats:
            return
        try:
            self.connection.heartbeat_check()
        except errors as error:
            self._over.set()
            self._broke(error)

    def _tell(self, error: BaseException) -> None:
        if not self._over.is_set():
            self._broke(error)
