"""Takes pictures of the cluster: ``taskq events --camera myapp.Camera``.

A camera is a class like ``Polaroid`` with a method ``on_shutter``, which is given the state of the
cluster (``app.events.State``) as events have drawn it so far, every ``freq`` seconds.
"""

from __future__ import annotations

import logging
from functools import partial
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from taskq.adapters.ticker import Ticker
from taskq.app.discovery import symbol
from taskq.cli.daemon import held
from taskq.cli.watching import Watch
from taskq.core.rates import parse_rate
from taskq.current import app_or_default
from taskq.runtime.process import PidFile
from taskq.signals import Signal

logger: Final = logging.getLogger("taskq.evcam")

CLEANUP_S: Final = 3600.0


class Polaroid:
    """Takes a picture every so often, while its ``with`` block lasts."""

    timer: Any = None
    # Sent beside the calls of ``on_shutter`` and ``on_cleanup``, for who is no subclass.
    shutter_signal: ClassVar = Signal(["state"], name="shutter_signal")
    cleanup_signal: ClassVar = Signal(name="cleanup_signal")
    # Whether the state forgets what a picture has shown.
    clear_after = False

    def __init__(  # noqa: PLR0917 - Celery's signature
        self,
        state: Any,
        freq: float = 1.0,
        maxrate: str | float | None = None,
        cleanup_freq: float = CLEANUP_S,
        timer: Any = None,
        app: Any = None,
    ) -> None:
        self.app = app_or_default(app)
        self.state = state
        self.freq, self.cleanup_freq = float(freq), cleanup_freq
        self.timer = timer or self.timer or Ticker()
        self.maxrate = maxrate
        self._per_s = parse_rate(maxrate)
        self._next_s = float("-inf")
        self._calls: list[Any] = []

    def install(self) -> None:
        """Begin to take pictures."""
        self._calls = [
            self.timer.call_repeatedly(self.freq, self.capture),
            self.timer.call_repeatedly(self.cleanup_freq, self.cleanup),
        ]

    def cancel(self) -> None:
        """Take no more."""
        calls, self._calls = self._calls, []
        for call in calls:
            call.cancel()

    def on_shutter(self, state: Any) -> None:
        """Take a picture of the state; for subclasses."""

    def on_cleanup(self) -> None:
        """Throw away old pictures; for subclasses."""

    def capture(self) -> None:
        """Take a picture of a state that does not change meanwhile."""
        self.state.freeze_while(self.shutter, clear_after=self.clear_after)

    def shutter(self) -> None:
        """Take a picture, unless that would be more often than ``maxrate`` allows."""
        if self._may():
            self.shutter_signal.send(sender=self, state=self.state)
            self.on_shutter(self.state)

    def cleanup(self) -> None:
        """Throw away old pictures."""
        self.cleanup_signal.send(sender=self)
        self.on_cleanup()

    def _may(self) -> bool:
        if not self._per_s:
            return True
        now_s: float = self.app.ports.clock.read().elapsed_s
        if now_s < self._next_s:
            return False
        self._next_s = now_s + 1 / self._per_s
        return True

    def __enter__(self) -> Self:
        self.install()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()


def evcam(  # noqa: PLR0917 - Celery's signature
    camera: Any,
    freq: float = 1.0,
    maxrate: str | float | None = None,
    loglevel: int | str = 0,
    logfile: str | None = None,
    pidfile: str | None = None,
    timer: Any = None,
    app: Any = None,
    hostname: str | None = None,
    **_kwargs: Any,
) -> None:
    """Take pictures with a camera (a class, or where it is) until somebody interrupts."""
    app = app_or_default(app)
    app.log.setup(loglevel or logging.WARNING, logfile, hostname=hostname)
    made = symbol(camera)(app.events.State(), freq=freq, maxrate=maxrate, timer=timer, app=app)
    begun = f"-> evcam: Taking snapshots with {camera} (every {float(freq)} secs.)"
    begin = partial(print, begun, flush=True)
    with held(PidFile(pidfile) if pidfile else None), made:
        Watch(app, made.state.event, say=logger.error, begin=begin).run()
