"""Hears events for as long as somebody watches: what printer and camera have in common."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from taskq.errors import OperationalError
from taskq.runtime.process import signals_to

# Between attempts to listen again after the broker was lost: each a little longer, none longer.
PAUSE_STEP_S: Final = 0.5
PAUSE_MAX_S: Final = 10.0


class Watch:
    """Calls a handler for each event, until INT or TERM comes.

    A broker that is not there at first ends it; one that is lost later is waited for.
    """

    def __init__(
        self,
        app: Any,
        handler: Callable[[Mapping[str, Any]], object],
        *,
        say: Callable[[str], object],
        begin: Callable[[], object] = lambda: None,
    ) -> None:
        self._app, self._handler, self._say, self._begin = app, handler, say, begin
        self._stopped = threading.Event()
        self._receiver: Any = None
        self._attempts = 0

    def stop(self) -> None:
        """End soon; may be called from a signal handler."""
        self._stopped.set()
        if self._receiver is not None:
            self._receiver.should_stop = True

    def run(self) -> None:
        """Watch."""
        with self._signals():
            self._listen()
            self._begin()
            while not self._stopped.is_set():
                try:
                    if self._receiver is None:
                        self._listen()
                    self._receiver.capture()
                except OperationalError as error:
                    self._lost(error)

    def _listen(self) -> None:
        # The connection is for who looks at it: events come by the broker port.
        receiver = self._app.events.Receiver(None, handlers={"*": self._heard})
        receiver.capture(limit=0, wakeup=False)
        self._receiver = receiver

    def _heard(self, event: Mapping[str, Any]) -> None:
        self._attempts = 0
        self._handler(event)

    def _lost(self, error: OperationalError) -> None:
        """Pause before the next attempt; raises the error where that was the last one."""
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            with suppress(OperationalError):  # what it had at the broker goes by itself
                receiver.close()
        self._attempts += 1
        most = self._app.conf.broker_connection_max_retries
        if most and self._attempts > most:
            raise error
        pause_s = min(self._attempts * PAUSE_STEP_S, PAUSE_MAX_S)
        self._say(f"{error}; listening again in {pause_s:g} s")
        self._stopped.wait(pause_s)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # whoever runs it elsewhere calls stop()
            return
        with signals_to({signal.SIGINT: self.stop, signal.SIGTERM: self.stop}):
            yield
