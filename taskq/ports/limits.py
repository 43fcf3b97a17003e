"""Time limits of bodies that run in the thread of their caller, where no process can be ended."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from taskq.ports.pool import Guard, Job

__all__ = ["LimitPassed", "Limiter"]


class LimitPassed(BaseException):
    """The hard limit of the body that runs is over; no ``Exception``, so bodies let it pass."""


class Limiter(Protocol):
    """Keeps the limits of such bodies."""

    def watch(self, job: Job) -> AbstractContextManager[Guard | None]:
        """Keep the limits of a job: the hard one raises ``LimitPassed``."""
