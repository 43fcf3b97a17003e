"""How a line of the log looks.

Two things hold for every line that goes through these formatters, whoever writes it: passwords in
URLs are starred, and the lines of a traceback are indented and free of control characters, as an
exception may say whatever its message said.  Of our own loggers the values in a line are made safe
as well; what users write to their own loggers is theirs.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from taskq.app.log_lines import block, escape
from taskq.conf import sanitize_url
from taskq.current import get_current_task

# Our loggers, without those that pass on what users say.
OURS: Final = "taskq."
PASSED_ON: Final = ("taskq.task", "taskq.redirected")


class ColorFormatter(logging.Formatter):
    """Colours lines by how loud they are."""

    COLORS: ClassVar[Mapping[str, str]] = {
        "DEBUG": "\x1b[34m",
        "WARNING": "\x1b[33m",
        "ERROR": "\x1b[31m",
        "CRITICAL": "\x1b[1;31m",
    }
    RESET: ClassVar = "\x1b[0m"
    colors: ClassVar[Mapping[str, str]] = COLORS

    def __init__(
        self, fmt: str | None = None, use_color: bool = True, datefmt: str | None = None
    ) -> None:
        super().__init__(fmt, datefmt)
        self.use_color = use_color

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        text = super().format(_with_safe_values(record))
        if "://" in text:
            text = sanitize_url(text)
        color = self.COLORS.get(record.levelname) if self.use_color else None
        return f"{color}{text}{self.RESET}" if color else text

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name in logging
        """Return the traceback, as lines that cannot be taken for others of this log."""
        return block(super().formatException(ei))


class TaskFormatter(ColorFormatter):
    """Knows ``%(task_id)s`` and ``%(task_name)s`` of the task that runs."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        task = get_current_task()
        request = getattr(task, "request", None)
        if request is not None:
            # Who sends a task chooses its id.
            record.__dict__.update(task_id=escape(request.id), task_name=escape(task.name))
        else:
            record.__dict__.setdefault("task_id", "???")
            record.__dict__.setdefault("task_name", "???")
        return super().format(record)


class _Safe:
    """A value in a line: what it says fills no more than that line."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __str__(self) -> str:
        return escape(str(self._value))

    def __repr__(self) -> str:
        return escape(repr(self._value))


def _with_safe_values(record: logging.LogRecord) -> logging.LogRecord:
    args, name = record.args, record.name
    if not args or not name.startswith(OURS) or name.startswith(PASSED_ON):
        return record
    safe = copy.copy(record)  # other handlers get it as it is
    if isinstance(args, Mapping):
        safe.args = {key: _safe(value) for key, value in args.items()}
    else:
        safe.args = tuple(_safe(value) for value in args)
    return safe


def _safe(value: object) -> object:
    return value if isinstance(value, int | float) else _Safe(value)
