"""What libraries for Celery import from billiard, the process pool that comes with it.

Only where billiard is not installed: taskq's pool stands on the standard library, and a program
that has billiard for its own processes keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from taskq import signals
from taskq.app.failure import ExceptionInfo

__all__ = ["VERSION", "ExceptionInfo", "ExceptionWithTraceback", "Worker", "__version__"]

# The one that Celery 5.7 asks for.
VERSION: Final = (4, 2, 1)
__version__: Final = "4.2.1+taskq"


class ExceptionWithTraceback(Exception):
    """What billiard puts into an ``ExceptionInfo`` for a journey; ours has the exception itself."""

    def __init__(self, exc: BaseException, tb: Any = None) -> None:
        super().__init__(str(tb))
        self.exc, self.tb = exc, tb


class Worker:
    """A process of a pool, for libraries that put a ``workloop`` of their own around its life.

    They do so to flush what they hold when a process ends; so it is called then, and does nothing
    by itself.
    """

    def workloop(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the life of the process is over when this is called."""


_own_workloop: Final[Callable[..., None]] = Worker.workloop


def _end(**_named: Any) -> None:
    if Worker.workloop is not _own_workloop:
        Worker().workloop()


signals.worker_process_shutdown.connect(_end, weak=False)
