"""Logging: the loggers of taskq and of tasks, and how they are set up.

``app.log`` is a ``Logging``; the command line calls its ``setup`` once in each process.  What a
worker says, word for word, stands in ``log_lines.py``.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable, Mapping
from logging.handlers import WatchedFileHandler
from typing import IO, Any, ClassVar, Final, Protocol

from taskq import signals
from taskq.app.log_lines import LINES, escape, say
from taskq.current import get_current_task

__all__ = [
    "LINES",
    "ColorFormatter",
    "Logging",
    "LoggingProxy",
    "TaskFormatter",
    "escape",
    "get_logger",
    "get_task_logger",
    "mlevel",
    "say",
]

BASE: Final = "taskq"
TASK: Final = "taskq.task"
RESERVED: Final = frozenset({BASE, TASK})

# -- loggers -------------------------------------------------------------------------------------


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
    if isinstance(level, int):
        return level
    found = logging.getLevelNamesMapping().get(level.upper())
    if found is None:
        known = ", ".join(logging.getLevelNamesMapping())
        raise ValueError(f"no log level is called {level!r}; there are {known}")
    return found


# -- how lines look ------------------------------------------------------------------------------


class ColorFormatter(logging.Formatter):
    """Colours lines by how loud they are."""

    COLORS: ClassVar[Mapping[str, str]] = {
        "DEBUG": "\x1b[34m",
        "WARNING": "\x1b[33m",
        "ERROR": "\x1b[31m",
        "CRITICAL": "\x1b[1;31m",
    }
    RESET: ClassVar = "\x1b[0m"

    def __init__(
        self, fmt: str | None = None, use_color: bool = True, datefmt: str | None = None
    ) -> None:
        super().__init__(fmt, datefmt)
        self.use_color = use_color

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        text = super().format(record)
        color = self.COLORS.get(record.levelname) if self.use_color else None
        return f"{color}{text}{self.RESET}" if color else text


class TaskFormatter(ColorFormatter):
    """Knows ``%(task_id)s`` and ``%(task_name)s`` of the task that runs."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        task = get_current_task()
        request = getattr(task, "request", None)
        if request is not None:
            record.__dict__.update(task_id=request.id, task_name=task.name)
        else:
            record.__dict__.setdefault("task_id", "???")
            record.__dict__.setdefault("task_name", "???")
        return super().format(record)


class LoggingProxy:
    """A file that writes to a logger: what ``print`` gets when standard output is redirected.

    A line is logged when it is whole, as whoever prints may write it in many pieces.
    """

    mode = "w"
    name: str | None = None
    closed = False

    def __init__(self, logger: logging.Logger, loglevel: int | str | None = None) -> None:
        self.logger = logger
        self.loglevel = mlevel(loglevel or logger.level or logging.WARNING)
        self._here = _Thread()

    def write(self, data: str | bytes) -> int:
        """Log the lines that are complete now; blank ones are dropped."""
        here = self._here
        # A handler that prints would come back here for ever.
        if self.closed or here.logging:
            return len(data)
        here.begun += data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
        if "\n" in here.begun:
            *lines, here.begun = here.begun.split("\n")
            self._log(lines)
        return len(data)

    def _log(self, lines: Iterable[str]) -> None:
        self._here.logging = True
        try:
            for line in lines:
                if line.strip():
                    self.logger.log(self.loglevel, "%s", line.rstrip())
        finally:
            self._here.logging = False

    def writelines(self, sequence: Iterable[str]) -> None:
        """Write each of them."""
        for part in sequence:
            self.write(part)

    def flush(self) -> None:
        """Log what this thread has begun."""
        if self._here.begun and not self._here.logging:
            begun, self._here.begun = self._here.begun, ""
            self._log([begun])

    def close(self) -> None:
        """Log nothing more."""
        self.flush()
        self.closed = True

    def isatty(self) -> bool:
        """A logger is no terminal."""
        return False


class _Thread(threading.local):
    """What one thread is writing."""

    begun = ""
    logging = False


# -- app.log -------------------------------------------------------------------------------------


class HasConf(Protocol):
    """What logging needs to know of an app."""

    @property
    def conf(self) -> Any:
        """The settings."""


class Logging:
    """Sets up the loggers of this process, once, as the settings say."""

    # Loggers belong to the process, whatever number of apps it has.
    already_setup: ClassVar = False

    def __init__(self, app: HasConf) -> None:
        self.app = app
        self.loglevel = logging.WARNING

    @property
    def format(self) -> str:
        """How a line looks."""
        return str(self.app.conf.worker_log_format)

    @property
    def task_format(self) -> str:
        """How a line of a task looks."""
        return str(self.app.conf.worker_task_log_format)

    @property
    def datefmt(self) -> str | None:
        """How the time in a line looks."""
        found: str | None = self.app.conf.worker_log_datefmt
        return found

    @property
    def task_datefmt(self) -> str | None:
        """How the time in a line of a task looks."""
        found: str | None = self.app.conf.worker_task_log_datefmt
        return found

    @property
    def colorize(self) -> bool | None:
        """Whether lines are coloured; None: where it can be seen."""
        found: bool | None = self.app.conf.worker_log_color
        return found

    def setup(  # noqa: PLR0917 - Celery's signature
        self,
        loglevel: int | str | None = None,
        logfile: str | IO[str] | None = None,
        redirect_stdouts: bool = False,
        redirect_level: int | str = "WARNING",
        colorize: bool | None = None,
        hostname: str | None = None,
    ) -> bool:
        """Set everything up; returns whether a receiver of ``setup_logging`` has done it."""
        handled = self.setup_logging_subsystem(
            loglevel, logfile, colorize=colorize, hostname=hostname
        )
        if redirect_stdouts and not handled:
            self.redirect_stdouts(redirect_level)
        return handled

    def setup_logging_subsystem(  # noqa: PLR0917 - Celery's signature
        self,
        loglevel: int | str | None = None,
        logfile: str | IO[str] | None = None,
        format: str | None = None,  # noqa: A002 - Celery's name
        colorize: bool | None = None,
        hostname: str | None = None,  # noqa: ARG002 - Celery's signature
        datefmt: str | None = None,
        **kwargs: Any,
    ) -> bool:
        """Set up the root logger and that of tasks, unless a receiver takes that over."""
        if Logging.already_setup:
            return False
        Logging.already_setup = True
        level = self.loglevel = mlevel(loglevel)
        told: dict[str, Any] = {
            "loglevel": level,
            "logfile": logfile,
            "format": format or self.format,
            "colorize": self.supports_color(colorize, logfile),
        }
        if signals.setup_logging.has_listeners():
            signals.setup_logging.send(sender=None, **told)
            return True
        self._setup_root(told, datefmt, **kwargs)
        self.setup_task_loggers(level, logfile, colorize=colorize, **kwargs)
        return False

    def _setup_root(self, told: Mapping[str, Any], datefmt: str | None, **kwargs: Any) -> None:
        root = logging.getLogger()
        if self.app.conf.worker_hijack_root_logger:
            root.handlers.clear()
            get_logger(BASE).handlers.clear()
        self.setup_handlers(
            root, told["logfile"], told["format"], told["colorize"], datefmt=datefmt, **kwargs
        )
        root.setLevel(told["loglevel"])
        signals.after_setup_logger.send(sender=None, logger=root, **told)

    def setup_task_loggers(  # noqa: PLR0917 - Celery's signature
        self,
        loglevel: int | str | None = None,
        logfile: str | IO[str] | None = None,
        format: str | None = None,  # noqa: A002 - Celery's name
        colorize: bool | None = None,
        propagate: bool = False,
        datefmt: str | None = None,
        **kwargs: Any,
    ) -> logging.Logger:
        """Set up the logger above those of ``get_task_logger``."""
        logger = logging.getLogger(TASK)
        told: dict[str, Any] = {
            "loglevel": mlevel(loglevel or self.loglevel),
            "logfile": logfile,
            "format": format or self.task_format,
            "colorize": self.supports_color(colorize, logfile),
        }
        self.setup_handlers(
            logger,
            logfile,
            told["format"],
            told["colorize"],
            formatter=TaskFormatter,
            datefmt=datefmt or self.task_datefmt,
            **kwargs,
        )
        logger.setLevel(told["loglevel"])
        logger.propagate = propagate
        signals.after_setup_task_logger.send(sender=None, logger=logger, **told)
        return logger

    def setup_handlers(  # noqa: PLR0917 - Celery's signature
        self,
        logger: logging.Logger,
        logfile: str | IO[str] | None,
        format: str,  # noqa: A002 - Celery's name
        colorize: bool,
        formatter: type[ColorFormatter] = ColorFormatter,
        datefmt: str | None = None,
        **_kwargs: Any,
    ) -> logging.Logger:
        """Give a logger its handler, unless it has one."""
        if not logger.handlers:
            handler = _handler(logfile)
            handler.setFormatter(
                formatter(format, use_color=colorize, datefmt=datefmt or self.datefmt)
            )
            logger.addHandler(handler)
        return logger

    def supports_color(
        self, colorize: bool | None = None, logfile: str | IO[str] | None = None
    ) -> bool:
        """Whether lines are coloured: never in a file."""
        if isinstance(logfile, str):
            return False
        wanted = self.colorize if colorize is None else colorize
        if wanted is not None:
            return bool(wanted)
        stream = logfile or sys.__stderr__
        return stream is not None and stream.isatty()

    def redirect_stdouts(
        self, loglevel: int | str | None = None, name: str = "taskq.redirected"
    ) -> None:
        """Send what is printed to the log."""
        self.redirect_stdouts_to_logger(get_logger(name), loglevel)

    def redirect_stdouts_to_logger(
        self,
        logger: logging.Logger,
        loglevel: int | str | None = None,
        stdout: bool = True,
        stderr: bool = True,
    ) -> LoggingProxy:
        """Send what is printed to a logger; returns what stands in for the streams."""
        proxy = LoggingProxy(logger, loglevel)
        if stdout:
            sys.stdout = proxy
        if stderr:
            sys.stderr = proxy
        return proxy

    def get_default_logger(self, name: str = BASE, **_kwargs: Any) -> logging.Logger:
        """Return the logger of taskq."""
        return get_logger(name)


def _handler(logfile: str | IO[str] | None) -> logging.Handler:
    if isinstance(logfile, str):
        return WatchedFileHandler(logfile, encoding="utf-8")
    # Not sys.stderr: that may be redirected to a logger.
    return logging.StreamHandler(logfile if logfile is not None else sys.__stderr__)
