"""Names of log files, and what children are told of the log.

A name may have patterns in it: ``%p`` the whole name of the node, ``%n`` the part before the @,
``%h`` the host, ``%d`` its domain, ``%i`` and ``%I`` the number of the process in the pool (the
worker's own is 0, which ``%I`` leaves out).  With one of the last two each process has a file of
its own.

The environment carries the log to children, those that are forked and those that begin anew:
``CELERY_LOG_LEVEL``, ``CELERY_LOG_FILE``, ``CELERY_LOG_REDIRECT``, ``CELERY_LOG_REDIRECT_LEVEL``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Final, NamedTuple, Self

LEVEL: Final = "CELERY_LOG_LEVEL"
FILE: Final = "CELERY_LOG_FILE"
REDIRECT: Final = "CELERY_LOG_REDIRECT"
REDIRECT_LEVEL: Final = "CELERY_LOG_REDIRECT_LEVEL"

_PATTERN: Final = re.compile(r"%([hdnpiI%])")


def expand(pattern: str, node: str, index: int = 0) -> str:
    """Return a pattern with its parts filled in."""
    name, _, host = node.partition("@")
    head, _, domain = host.partition(".")
    parts = {
        "p": node,
        "n": name,
        "h": host,
        "d": domain or head,
        "i": str(index),
        "I": f"-{index}" if index else "",
        "%": "%",
    }
    return _PATTERN.sub(lambda found: parts[found[1]], pattern)


def differs_by_process(pattern: str) -> bool:
    """Whether each process has a file of its own."""
    return any(found in ("i", "I") for found in _PATTERN.findall(pattern))


class LogPlan(NamedTuple):
    """How one process was told to log."""

    level: int
    file: str | None  # a pattern
    redirect_level: int | None  # None: what is printed is not sent to the log

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self | None:
        """Read what a parent has written; None if there is none."""
        level, redirect = environ.get(LEVEL, ""), environ.get(REDIRECT_LEVEL, "")
        if not level.isdigit():
            return None
        redirects = environ.get(REDIRECT) and redirect.isdigit()
        return cls(int(level), environ.get(FILE) or None, int(redirect) if redirects else None)

    def to_environment(self, environ: MutableMapping[str, str]) -> None:
        """Tell it to all processes that this one starts."""
        environ[LEVEL] = str(self.level)
        environ[FILE] = self.file or ""
        environ[REDIRECT] = "" if self.redirect_level is None else "1"
        environ[REDIRECT_LEVEL] = "" if self.redirect_level is None else str(self.redirect_level)

    @staticmethod
    def restore(plan: LogPlan | None, environ: MutableMapping[str, str]) -> None:
        """Tell what was told before; None: nothing was."""
        if plan is not None:
            plan.to_environment(environ)
            return
        for name in (LEVEL, FILE, REDIRECT, REDIRECT_LEVEL):
            environ.pop(name, None)
