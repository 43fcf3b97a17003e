"""``celery.apps.worker.Worker``: a worker that is its own program, for programs that subclass it.

``taskq worker`` sets up the log and prints the banner itself; this one does both when it starts.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from taskq.app.naming import BUILTIN
from taskq.cli.banner import banner
from taskq.compat.platforms import set_process_title
from taskq.worker import WorkController

__all__ = ["Worker"]


class Worker(WorkController):
    """A worker that sets up its log, and says who it is."""

    def on_start(self) -> None:
        """Set up the log, and say who it is."""
        self.install_platform_tweaks(self)
        self.set_process_status("starting")
        if self.told.get("purge"):
            self.purge_messages()
        self.setup_logging()
        if not self.told.get("quiet"):
            self.emit_banner()

    def install_platform_tweaks(self, worker: Any) -> None:
        """Do what the platform needs before there are children; a subclass may do more.

        Signals of the system are the worker's own business (``runtime.os_signals``).
        """
        if worker.app.IS_macOS:
            self.macOS_proxy_detection_workaround()

    def macOS_proxy_detection_workaround(self) -> None:  # noqa: N802 - Celery's name
        """Keep ``urllib`` from asking macOS for proxies: in a forked child that may crash.

        It does not ask when the environment has any variable that ends in ``_proxy``.
        """
        os.environ.setdefault("taskq_dummy_proxy", "set_by_taskq_worker")

    def set_process_status(self, info: str) -> str:
        """Show what it does in the title of its process, where ``setproctitle`` is installed."""
        return set_process_title("taskq", f"{self.hostname}: {info}")

    def on_consumer_ready(self, consumer: Any) -> None:
        """Say that it is ready."""
        super().on_consumer_ready(consumer)
        self.set_process_status("ready")

    def emit_banner(self) -> None:
        """Print who it is."""
        sys.stdout.write(f"{self.startup_info()}\n")
        sys.stdout.flush()

    def startup_info(self, artlines: bool = True) -> str:
        """Return who it is: app, broker, results, queues, and tasks if the log is that chatty."""
        del artlines  # there is no picture
        return banner(self.app, self, with_tasks=bool(self.extra_info()))

    def extra_info(self) -> str | None:
        """Return the tasks, if the log shows such things."""
        level = self.loglevel
        return self.tasklist() if isinstance(level, int) and level <= logging.INFO else None

    def tasklist(
        self,
        include_builtins: bool = True,
        sep: str = "\n",
        int_: str | tuple[str, ...] = BUILTIN,
    ) -> str:
        """Return the names of tasks, a line for each."""
        names = sorted(self.app.tasks)
        shown = (name for name in names if include_builtins or not name.startswith(int_))
        return sep.join(f"  . {name}" for name in shown)

    def purge_messages(self) -> None:
        """Throw away what waits in its queues."""
        for name in self.app.router.queues.consume_from:
            self.app.ports.broker.purge(name)

    def setup_logging(self, colorize: bool | None = None) -> Any:
        """Let the log begin, as the worker was told."""
        if colorize is None and self.told.get("no_color"):
            colorize = False
        conf = self.app.conf
        return self.app.log.setup(
            self.loglevel,
            self.logfile,
            redirect_stdouts=conf.worker_redirect_stdouts,
            redirect_level=conf.worker_redirect_stdouts_level or "WARNING",
            colorize=colorize,
            hostname=self.hostname,
        )
