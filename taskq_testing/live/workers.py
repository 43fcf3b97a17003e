"""The worker of production in a thread, with a record of what its bodies do."""

from __future__ import annotations

import threading
from typing import Any, Final

from taskq.errors import TaskqError
from taskq.runtime.worker import Parts
from taskq.worker import WorkController
from taskq_testing.live.overhearing import Ledger, NotedWork

# By then what is under way has ended, on any machine.
PATIENCE_S: Final = 60.0
# One worker alone needs none of it.
ALONE: Final[dict[str, Any]] = {
    "without_heartbeat": True,
    "without_mingle": True,
    "without_gossip": True,
}


class LiveWorkerError(TaskqError, RuntimeError):
    """A worker of a test did not start, or did not end."""


class LiveWorker(WorkController):
    """Runs in a thread of the test's process, from ``begin`` to ``end``."""

    def __init__(self, app: Any, ledger: Ledger, **told: Any) -> None:
        self._ledger = ledger
        self._changed = threading.Event()  # it is ready, or it has ended
        self._takes = False
        self._error: BaseException | None = None
        super().__init__(app, **ALONE, **told)
        self._thread = threading.Thread(  # noqa: TID251 - the worker runs beside the test
            target=self._live, name=f"worker {self.hostname}", daemon=True
        )

    def begin(self) -> None:
        """Return when it takes messages."""
        self._thread.start()
        self._changed.wait(PATIENCE_S)
        if not self._takes:
            why = self._error or f"it was not ready after {PATIENCE_S:g} s; does its broker run?"
            raise LiveWorkerError(f"{self.hostname} did not start: {why!s}") from self._error

    def end(self) -> None:
        """Stop it warmly, and return when it has ended."""
        self.stop()
        self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            raise LiveWorkerError(
                f"{self.hostname} did not end within {PATIENCE_S:g} s: does a body hang?"
            )
        if self._error is not None:
            raise LiveWorkerError(f"{self.hostname} ended badly: {self._error}") from self._error

    def fit(self, parts: Parts) -> Parts:
        """Let its bodies be written down."""
        work = NotedWork(self.app, self.hostname, self._ledger)
        return super().fit(parts._replace(work=work))

    def on_consumer_ready(self, consumer: Any) -> None:
        """Say so."""
        super().on_consumer_ready(consumer)
        self._takes = True
        self._changed.set()

    def _live(self) -> None:
        try:
            self.start()
        except BaseException as error:  # noqa: BLE001 - a boundary: handed to the test's thread
            self._error = error
        finally:
            self._changed.set()
