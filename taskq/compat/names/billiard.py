"""billiard: what libraries for Celery import of it, where it is not installed."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from taskq.compat.names.row import Module, all_from

__all__ = ["MODULES"]

_ERRORS: Final = all_from(
    "taskq.errors",
    *("SoftTimeLimitExceeded", "Terminated", "TimeLimitExceeded", "WorkerLostError"),
)

MODULES: Final = MappingProxyType(
    {
        "billiard": Module(names=all_from("taskq.compat.billiard", "VERSION", "__version__")),
        "billiard.einfo": Module(
            names=all_from("taskq.compat.billiard", "ExceptionInfo", "ExceptionWithTraceback")
        ),
        "billiard.exceptions": Module(names=_ERRORS),
        "billiard.pool": Module(
            names={**all_from("taskq.compat.billiard", "ExceptionInfo", "Worker"), **_ERRORS}
        ),
    }
)
