# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""Beat as a program: what it prints, its log, the signals that end it."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from typing import Any, ClassVar, Final

from taskq.app.log import get_logger, mlevel
from taskq.conf import sanitize_url
from taskq.current import app_or_default
from taskq.errors import TaskqError
from taskq.runtime.beat import Service as BeatService
from taskq.runtime.process import PidFile, signals_to
from taskq.schedules.interval import humanize_seconds
from taskq.wiring.brokers import broker_urls

__all__ = ["Beat"]

logger: Final = get_logger("taskq.beat")


class Beat:
    """The program ``taskq beat``: ``app.Beat(...)`` makes one, ``run()`` lasts until it ends."""

    Service: ClassVar[type[BeatService]] = BeatService
    app: Any = None

    def __init__(
        self,
        max_interval: float | None = None,
        app: Any = None,
        socket_timeout: float = 30,
        pidfile: str | None = None,
        no_color: bool | None = None,
        loglevel: int | str = "WARN",
        logfile: str | None = None,
        schedule: str | None = None,
        scheduler: Any = None,
        scheduler_cls: Any = None,
        redirect_stdouts: bool | None = None,
        redirect_stdouts_level: str | None = None,
        quiet: bool = False,
        remote_control: bool | None = None,
        hostname: str | None = None,
        **kwargs: Any,
    ) -> None:
        del kwargs
        self.app = app = app_or_default(app or self.app)
        either: Callable[..., Any] = app.either
        self.max_interval = max_interval
        self.socket_timeout = socket_timeout
        self.pidfile = pidfile
        self.no_color, self.quiet = no_color, quiet
        self.loglevel, self.logfile = mlevel(loglevel), logfile
        self.schedule = either("beat_schedule_filename", schedule)
        self.scheduler_cls = either("beat_scheduler", scheduler, scheduler_cls)
        self.redirect_stdouts = either("worker_redirect_stdouts", redirect_stdouts)
        self.redirect_stdouts_level = either(
            "worker_redirect_stdouts_level", redirect_stdouts_level
        )
        self.remote_control = remote_control
        self.hostname = hostname

    def run(self) -> None:
        """Work until it is told to end."""
        if not self.quiet:
            self._print(f"taskq beat {version('taskq')} is starting.")
        self.init_loader()
        self.set_process_title()
        self.start_scheduler()

    def init_loader(self) -> None:
        """Import what has tasks and entries."""
        self.app.finalize()
        self.app.import_default_modules()

    def set_process_title(self) -> None:
        """Do nothing: the command line of this process says what it is."""

    def setup_logging(self, colorize: bool | None = None) -> None:
        """Let the log begin."""
        if colorize is None and self.no_color is not None:
            colorize = not self.no_color
        self.app.log.setup(
            self.loglevel,
            self.logfile,
            redirect_stdouts=self.redirect_stdouts,
            redirect_level=self.redirect_stdouts_level or "WARNING",
            colorize=colorize,
        )

    def start_scheduler(self) -> None:
        """Hold the pid file, and run the service."""
        service = self.Service(
            app=self.app,
            max_interval=self.max_interval,
            scheduler_cls=self.scheduler_cls,
            schedule_filename=self.schedule,
            remote_control=self.remote_control,
            hostname=self.hostname,
        )
        if not self.quiet:
            self._print(self.banner(service))
        self.setup_logging()
        pidfile = PidFile(self.pidfile) if self.pidfile else None
        if pidfile is not None:
            pidfile.acquire()
        try:
            with self._signals(service):
                service.start()
        except TaskqError as error:
            if self.logfile:  # nobody may look at the terminal
                logger.critical("beat ends: %s", error)
            raise
        except Exception as error:  # a boundary: schedulers may be the user's
            logger.critical("beat ends: %s: %s", type(error).__name__, error, exc_info=True)
            raise SystemExit(1) from error
        finally:
            if pidfile is not None:
                pidfile.release()

    def install_sync_handler(self, service: BeatService) -> None:
        """Let TERM and INT end a service, for good."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: service.on_signal())

    def banner(self, service: BeatService) -> str:
        """Return what is printed before the log begins."""
        return f"{self.startup_info(service)}\n"

    def startup_info(self, service: BeatService) -> str:
        """Return what it is connected to."""
        scheduler = service.get_scheduler(lazy=True)
        kind = type(scheduler)
        level = f"%{_level_name(self.loglevel)}"
        longest = humanize_seconds(scheduler.max_interval)
        rows = [
            f"LocalTime -> {self.app.now():%Y-%m-%d %H:%M:%S %Z}",
            "Configuration ->",
            f"    . broker -> {'; '.join(map(sanitize_url, broker_urls(self.app.conf)))}",
            f"    . scheduler -> {kind.__module__}.{kind.__qualname__}",
            scheduler.info,
            f"    . logfile -> {self.logfile or '[stderr]'}@{level}",
            f"    . maxinterval -> {longest} ({scheduler.max_interval}s)",
        ]
        return "\n".join(row for row in rows if row)

    def _signals(self, service: BeatService) -> AbstractContextManager[None]:
        if threading.current_thread() is not threading.main_thread():
            return nullcontext()
        return signals_to({signal.SIGTERM: service.on_signal, signal.SIGINT: service.on_signal})

    def _print(self, text: str) -> None:
        # Not sys.stdout: it may be a logger by now.
        print(text, file=sys.__stdout__, flush=True)


def _level_name(level: int) -> str:
    return str(logging.getLevelName(level))
