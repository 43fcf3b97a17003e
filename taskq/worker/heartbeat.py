"""Heartbeats in Celery's manner: an object that tells monitors again and again, by a timer.

A worker's own heart is ``app.cluster.heart``; this one is for programs that make one beside it.
"""

from __future__ import annotations

from typing import Any, Final

from taskq.worker.state import SOFTWARE_INFO, active_requests, total_count

__all__ = ["Heart"]

INTERVAL_S: Final = 2.0


class Heart:
    """Beats from ``start`` to ``stop``."""

    def __init__(self, timer: Any, eventer: Any, interval: float | None = None) -> None:
        self.timer, self.eventer = timer, eventer
        self.interval = float(interval or INTERVAL_S)
        self.tref: Any = None

    def start(self) -> None:
        """Begin."""
        self._send("worker-online")
        self.tref = self.timer.call_repeatedly(self.interval, self._send, ("worker-heartbeat",))

    def stop(self) -> None:
        """End."""
        tref, self.tref = self.tref, None
        if tref is not None:
            tref.cancel()
            self._send("worker-offline")

    def _send(self, event: str) -> None:
        self.eventer.send(
            event,
            freq=self.interval,
            active=len(active_requests),
            processed=total_count.total(),
            **SOFTWARE_INFO,
        )
