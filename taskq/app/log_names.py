"""Loggers by name and levels by name."""

from __future__ import annotations

import logging
from typing import Final

BASE: Final = "taskq"
TASK: Final = "taskq.task"
RESERVED: Final = frozenset({BASE, TASK})


def get_logger(name: str) -> logging.Logger:
    """Return a logger; one that is no child of any other hangs below that of taskq."""
    logger = logging.getLogger(name)
    if logging.root not in (logger, logger.parent):
        return logger
    return logger if name == BASE else _below(BASE, logger)


def get_task_logger(name: str) -> logging.Logger:
    """Return a logger whose lines name the task that runs."""
    if name in RESERVED:
        raise RuntimeError(f"the logger name {name!r} is taskq's own; pass `__name__`")
    return _below(TASK, logging.getLogger(name))


def _below(parent: str, logger: logging.Logger) -> logging.Logger:
    above: logging.Logger | None = logger
    while above is not None:
        if above.name == parent:
            return logger
        above = above.parent
    logger.parent = logging.getLogger(parent)
    return logger


def mlevel(level: int | str | None) -> int:
    """Return a level as a number."""
    if level is None:
        return logging.WARNING
    if isinstance(level, int) or level.isdigit():
        return int(level)
    found = logging.getLevelNamesMapping().get(level.upper())
    if found is None:
        known = ", ".join(logging.getLevelNamesMapping())
        raise ValueError(f"no log level is called {level!r}; there are {known}")
    return found
