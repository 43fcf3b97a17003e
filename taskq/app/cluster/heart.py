"""Tells others that a worker is there, in regular beats.

Driven by ``Liaison``, which says when; nothing here waits.
"""

from __future__ import annotations

from typing import Any, Final

from taskq import signals
from taskq.app.cluster.presence import Presence
from taskq.app.events import EventSender

IDENTITY: Final = "py-celery"  # the name under which monitors know this protocol
VERSION: Final = "5.7.0"  # of the protocol that is spoken


class Heart:
    """One worker's beats; with no interval it has none."""

    def __init__(self, sender: EventSender, presence: Presence) -> None:
        self._sender, self._interval_s = sender, presence.heartbeat_s
        self._machine = presence.machine
        self.beat_at_s: float | None = None  # on the clock that never goes back

    def online(self, now_s: float, *, active: int = 0, processed: int = 0) -> None:
        """Tell that the worker has begun, or is there again."""
        if self._interval_s is not None:
            self._send("worker-online", active=active, processed=processed)
            self.beat_at_s = now_s + self._interval_s

    def beat(self, now_s: float, *, active: int, processed: int) -> None:
        """Tell that it is still there."""
        self._send("worker-heartbeat", active=active, processed=processed)
        if self._interval_s is not None:
            self.beat_at_s = now_s + self._interval_s
        if signals.heartbeat_sent.receivers:
            signals.heartbeat_sent.send(sender=self)

    def offline(self, *, processed: int) -> None:
        """Tell that it ends."""
        if self.beat_at_s is not None:
            self._send("worker-offline", active=0, processed=processed)
            self.beat_at_s = None

    def _send(self, event: str, *, active: int, processed: int) -> None:
        fields: dict[str, Any] = {
            "freq": self._interval_s,
            "active": active,
            "processed": processed,
            "loadavg": [round(load, 2) for load in self._machine.load()],
            "sw_ident": IDENTITY,
            "sw_ver": VERSION,
            "sw_sys": self._machine.system,
        }
        self._sender.send([(event, fields)])
