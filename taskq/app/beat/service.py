# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""The loop of beat: lets a scheduler tick, and rests.

How it rests is left open (``_rest``): ``runtime.beat`` waits for time or a signal, a simulated
world for virtual time.
"""

from __future__ import annotations

import logging
import socket
import threading
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any, Final

from taskq import signals
from taskq.app.beat.scheduler import Scheduler
from taskq.app.discovery import symbol
from taskq.app.log import get_logger
from taskq.app.log_files import expand
from taskq.errors import ImproperlyConfigured
from taskq.schedules.interval import humanize_seconds

__all__ = ["Service", "beat_nodename"]

NAMESPACE: Final = "celery.beat_schedulers"
# How Celery's programs name the schedulers that are here.
_CELERY: Final = "celery.beat"
_OURS: Final = "taskq.beat"

NODE: Final = "celerybeat"

logger: Final[logging.Logger] = get_logger("taskq.beat")


class Service:
    """Beat as one process runs it."""

    scheduler_cls: Any = "taskq.beat:PersistentScheduler"

    def __init__(
        self,
        app: Any,
        max_interval: float | None = None,
        schedule_filename: str | None = None,
        scheduler_cls: Any = None,
        remote_control: bool | None = None,
        hostname: str | None = None,
    ) -> None:
        conf = app.conf
        self.app = app
        self.max_interval = max_interval or conf.beat_max_loop_interval
        self.scheduler_cls = scheduler_cls or conf.beat_scheduler or self.scheduler_cls
        self.schedule_filename = schedule_filename or conf.beat_schedule_filename
        self.remote_control = (
            conf.beat_enable_remote_control if remote_control is None else remote_control
        )
        self.hostname = hostname
        self.effective_max_interval: float | None = None
        self.last_tick_s: float | None = None  # elapsed time
        self.is_working = False  # it looks at its entries; ``stop`` is heard soon
        self._is_shutdown = threading.Event()
        self._is_stopped = threading.Event()

    # -- the loop ---------------------------------------------------------------------------------

    def start(self, embedded_process: bool = False) -> None:
        """Send what is due until somebody stops it."""
        logger.info("beat: Starting...")
        scheduler = self.scheduler
        self.effective_max_interval = scheduler.max_interval
        logger.debug(
            "beat: Ticking with max interval->%s", humanize_seconds(scheduler.max_interval)
        )
        try:
            # A receiver may wait, as for a lock that another beat has; a signal ends that.
            signals.beat_init.send(sender=self)
            if embedded_process:
                signals.beat_embedded_init.send(sender=self)
            self.is_working = True
            while not self._is_shutdown.is_set():
                self._turn(scheduler)
        except (KeyboardInterrupt, SystemExit):
            self._is_shutdown.set()
        finally:
            logger.info("beat: Shutting down...")
            self.sync()

    def _turn(self, scheduler: Any) -> None:
        seconds = scheduler.tick()
        self.last_tick_s = self.app.ports.clock.read().elapsed_s
        if not seconds or seconds <= 0:
            return
        logger.debug("beat: Waking up in %s.", humanize_seconds(seconds))
        self._rest(seconds)
        if scheduler.should_sync():
            scheduler._do_sync()  # noqa: SLF001 - Celery's schedulers have it under this name

    def _rest(self, seconds: float) -> None:
        """Wait, or until ``stop``."""
        self._is_shutdown.wait(seconds)

    def stop(self, wait: bool = False) -> None:
        """Ask it to end; may be called from a signal handler or another thread."""
        self._is_shutdown.set()
        if wait:
            self._is_stopped.wait()

    def sync(self) -> None:
        """Let the scheduler write what must not be forgotten; it ends."""
        self.scheduler.close()
        self._is_stopped.set()

    # -- the scheduler ----------------------------------------------------------------------------

    @cached_property
    def scheduler(self) -> Any:
        """The scheduler, made when it is first needed."""
        return self.get_scheduler()

    def get_scheduler(self, lazy: bool = False, extension_namespace: str = NAMESPACE) -> Any:
        """Make a scheduler; a lazy one reads no entries."""
        return self._scheduler_class(extension_namespace)(
            app=self.app,
            schedule_filename=self.schedule_filename,
            max_interval=self.max_interval,
            lazy=lazy,
        )

    def _scheduler_class(self, namespace: str) -> Any:
        named = self.scheduler_cls
        return find_scheduler(named, namespace) if isinstance(named, str) else named


def find_scheduler(name: str, namespace: str = NAMESPACE) -> type[Scheduler]:
    """Return a class by its path, or by the name that an installed package gave it."""
    module, separator, attribute = name.rpartition(":" if ":" in name else ".")
    try:
        if separator:
            return _by_path(_OURS if module == _CELERY else module, attribute)
        points = {point.name: point for point in entry_points(group=namespace)}
        if name in points:
            found: type[Scheduler] = points[name].load()
            return found
    except (ImportError, AttributeError) as error:
        raise ImproperlyConfigured(f"beat_scheduler {name!r} cannot be loaded: {error}") from error
    known = f"; there is {', '.join(sorted(points))}" if points else ""
    raise ImproperlyConfigured(
        f"beat_scheduler {name!r}: no installed package has a scheduler of that name{known};"
        " write its class as module:Class"
    )


def _by_path(module: str, attribute: str) -> type[Scheduler]:
    found: type[Scheduler] = symbol(f"{module}:{attribute}")
    return found


def beat_nodename(hostname: str | None = None) -> str:
    """Return the name of a beat for what was said: nothing, a host, or ``name@host``."""
    if hostname and "@" in hostname:
        return expand(hostname, f"{NODE}@{socket.gethostname()}")
    return f"{NODE}@{hostname or socket.gethostname()}"
