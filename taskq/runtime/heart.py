"""Tells monitors that a worker is there, in regular beats.

Driven by ``runtime.worker``, which says when; nothing here waits.
"""

from __future__ import annotations

import os
import platform
from typing import Any, Final

from taskq.app.events import EventSender

IDENTITY: Final = "py-celery"  # the name under which monitors know this protocol
VERSION: Final = "5.7.0"  # of the protocol that is spoken


class Heart:
    """One worker's beats; with no interval it has none."""

    def __init__(self, sender: EventSender, interval_s: float | None) -> None:
        self._sender, self._interval_s = sender, interval_s
        self.beat_at_s: float | None = None  # on the clock that never goes back

    def online(self, now_s: float) -> None:
        """Tell that the worker has begun."""
        if self._interval_s is not None:
            self._send("worker-online", active=0, processed=0)
            self.beat_at_s = now_s + self._interval_s

    def beat(self, now_s: float, *, active: int, processed: int) -> None:
        """Tell that it is still there."""
        assert self._interval_s is not None, "a heart without an interval is never due"
        self._send("worker-heartbeat", active=active, processed=processed)
        self.beat_at_s = now_s + self._interval_s

    def offline(self, *, processed: int) -> None:
        """Tell that it ends."""
        if self.beat_at_s is not None:
            self._send("worker-offline", active=0, processed=processed)

    def _send(self, event: str, *, active: int, processed: int) -> None:
        fields: dict[str, Any] = {
            "freq": self._interval_s,
            "active": active,
            "processed": processed,
            "loadavg": [round(load, 2) for load in os.getloadavg()],
            "sw_ident": IDENTITY,
            "sw_ver": VERSION,
            "sw_sys": platform.system(),
        }
        self._sender.send([(event, fields)])
