"""Logging: the loggers of taskq and of tasks, and how they are set up.

``app.log`` is a ``Logging``; the command line calls its ``setup`` once in each process, and a new
process of the pool its ``begin_child``.  What a worker says, word for word, stands in
``log_lines.py``; how a line looks in ``log_format.py``; names of files in ``log_files.py``.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from collections.abc import Mapping
from logging.handlers import WatchedFileHandler
from typing import IO, Any, ClassVar, Final, Protocol

from taskq import signals
from taskq.app.colors import colored
from taskq.app.log_files import LogPlan, differs_by_process, expand
from taskq.app.log_format import ColorFormatter, TaskFormatter
from taskq.app.log_lines import LINES, escape, say
from taskq.app.log_names import BASE, TASK, get_logger, get_task_logger, mlevel
from taskq.app.log_streams import LoggingProxy

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

# As Celery's logs name them, by which people find a child in its file.
CHILD_NAME: Final = "ForkPoolWorker-{index}"


class HasConf(Protocol):
    """What logging needs to know of an app."""

    @property
    def conf(self) -> Any:
        """The settings."""


class Logging:
    """Sets up the loggers of this process, once, as the settings say."""

    # Loggers belong to the process, whatever number of apps it has.
    already_setup: ClassVar = False
    # Those that were made here, for a child that logs to a file of its own.
    handlers: ClassVar[list[tuple[logging.Logger, logging.Handler]]] = []

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
        """Set everything up; returns whether a receiver of ``setup_logging`` has done it.

        Children are told the same by the environment.
        """
        pattern = None
        if isinstance(logfile, str):
            pattern, logfile = logfile, expand(logfile, hostname or "")
        handled = self.setup_logging_subsystem(
            loglevel, logfile, colorize=colorize, hostname=hostname
        )
        redirects = redirect_stdouts and not handled
        if redirects:
            self.redirect_stdouts(redirect_level)
        plan = LogPlan(mlevel(loglevel), pattern, mlevel(redirect_level) if redirects else None)
        plan.to_environment(os.environ)
        return handled

    def begin_child(self, hostname: str, index: int) -> None:
        """Set up the log of a new process of the pool, which has a number from 1 on.

        What was inherited by a fork stays, unless each process is to have a file of its own.
        """
        multiprocessing.current_process().name = CHILD_NAME.format(index=index)
        plan = LogPlan.from_environment(os.environ)
        if plan is None:
            return
        logfile = None
        if plan.file is not None:
            logfile = expand(plan.file, hostname, index)
            if differs_by_process(plan.file):
                self._forget_handlers()
        self.setup_logging_subsystem(plan.level, logfile, hostname=hostname)
        if plan.redirect_level is not None:
            # Anew also after a fork: what another thread had begun to print is the parent's.
            self.redirect_stdouts(plan.redirect_level)

    @staticmethod
    def _forget_handlers() -> None:
        for logger, handler in Logging.handlers:
            logger.removeHandler(handler)
            handler.close()
        Logging.handlers.clear()
        Logging.already_setup = False

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
            Logging.handlers.append((logger, handler))
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

    def colored(self, logfile: str | IO[str] | None = None, enabled: bool | None = None) -> colored:
        """Return what colours text where lines of the log are coloured."""
        return colored(enabled=self.supports_color(enabled, logfile))

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
