"""Loaders: where a program says how its configuration is read, and what happens around tasks.

Most programs have none of their own.  One that has gives the class (or its name) to the app:
``TaskQ(loader=...)``, or ``CELERY_LOADER`` in the environment.  Its methods are called at the
moments that signals tell of; what it does not override costs nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType, ModuleType
from typing import Any, Final

from taskq import signals
from taskq.app import discovery
from taskq.conf.loading import (
    describe_source,
    read_source,
    settings_from,
    settings_from_arguments,
)

__all__ = ["LOADERS", "AppLoader", "BaseLoader", "attach"]

# Celery's short names; any other one is a path.
LOADERS: Final[Mapping[Any, str]] = MappingProxyType(
    {
        "app": "taskq.app.loader:AppLoader",
        "default": "taskq.compat.loaders:Loader",
    }
)


class BaseLoader:
    """What a loader can do; each method is there to be overridden."""

    builtin_modules: Any = frozenset()
    configured: bool = False
    override_backends: Any = {}  # noqa: RUF012 - replaced by loaders, never changed
    worker_initialized: bool = False

    def __init__(self, app: Any, **kwargs: Any) -> None:
        del kwargs
        self.app = app
        self.task_modules: set[str] = set()

    # -- what happens around tasks ----------------------------------------------------------------

    def on_task_init(self, task_id: str, task: Any) -> None:
        """Do something before a task."""

    def on_process_cleanup(self) -> None:
        """Do something after a task."""

    def on_worker_init(self) -> None:
        """Do something when a worker begins."""

    def on_worker_shutdown(self) -> None:
        """Do something when a worker has ended."""

    def on_worker_process_init(self) -> None:
        """Do something when a process of the pool begins."""

    # -- modules ----------------------------------------------------------------------------------

    def import_task_module(self, module: str) -> ModuleType:
        """Import a module that defines tasks."""
        self.task_modules.add(module)
        return self.import_from_cwd(module)

    def import_module(self, module: str, package: str | None = None) -> ModuleType:
        """Import a module."""
        return importlib.import_module(module, package=package)

    def import_from_cwd(
        self, module: str, imp: Callable[..., ModuleType] | None = None, package: str | None = None
    ) -> ModuleType:
        """Import a module; the command line has put the current directory on the path."""
        return (imp or self.import_module)(module, package=package)

    def import_default_modules(self) -> Any:
        """Import what the settings name, and what is to be discovered."""
        return self.app.import_default_modules()

    @property
    def default_modules(self) -> tuple[str, ...]:
        """What the settings name, and what every worker needs."""
        conf = self.app.conf
        return (*self.builtin_modules, *(conf.imports or ()), *(conf.include or ()))

    def autodiscover_tasks(
        self, packages: Iterable[str], related_name: str | None = "tasks"
    ) -> list[ModuleType]:
        """Import the related module of each package that has one."""
        found = discovery.autodiscover(packages, related_name)
        self.task_modules.update(module.__name__ for module in found)
        return found

    def find_module(self, module: str) -> Any:
        """Return where a module is; None if there is none."""
        return importlib.util.find_spec(module)

    # -- workers ----------------------------------------------------------------------------------

    def init_worker(self) -> None:
        """Begin a worker: import modules, once."""
        if not self.worker_initialized:
            self.worker_initialized = True
            self.import_default_modules()
            self.on_worker_init()

    def shutdown_worker(self) -> None:
        """End a worker."""
        self.on_worker_shutdown()

    def init_worker_process(self) -> None:
        """Begin a process of the pool."""
        self.on_worker_process_init()

    def now(self, utc: bool = True) -> datetime:
        """Return the time, without a zone."""
        wall: datetime = self.app.ports.clock.read().wall
        return wall.astimezone(UTC if utc else None).replace(tzinfo=None)

    # -- configuration ----------------------------------------------------------------------------

    @property
    def conf(self) -> Any:
        """What this loader reads."""
        if not self.configured:
            self._conf = self.read_configuration()
            self.configured = True
        return self._conf

    def read_configuration(self, env: str = "CELERY_CONFIG_MODULE") -> Any:
        """Return settings as a mapping: those of the module that the environment names."""
        named = os.environ.get(env)
        return self._read(named) if named else {}

    def config_from_object(self, obj: Any, silent: bool = False) -> bool:
        """Take settings from an object, or from a module by its name."""
        self._conf = self._read(obj, silent)
        self.configured = True
        return True

    def _read(self, source: Any, silent: bool = False) -> Mapping[str, Any]:
        read = read_source(source, self.import_from_cwd, silent=silent)
        return settings_from(read, describe_source(source))

    def cmdline_config_parser(
        self,
        args: Iterable[str],
        namespace: str = "celery",
        re_type: Any = re.compile(r"\((\w+)\)"),
        extra_types: Any = None,
        override_types: Any = None,
    ) -> dict[str, Any]:
        """Read words like ``worker.concurrency=4``."""
        del re_type, extra_types, override_types  # the table of settings knows the types
        return dict(settings_from_arguments(args, namespace))


class AppLoader(BaseLoader):
    """The loader of an app that was given none."""


def attach(app: Any) -> None:
    """Have an app's own loader called when things happen, and read the configuration.

    The loader itself is made when it is first needed: its class may be in a module that imports
    the app.
    """
    app.add_defaults(lambda: app.loader.conf)

    def on_worker_init(sender: Any = None, **_named: Any) -> None:
        if sender.app is app:
            app.loader.init_worker()

    def on_worker_shutdown(sender: Any = None, **_named: Any) -> None:
        if sender.app is app:
            app.loader.shutdown_worker()

    def on_process_init(**_named: Any) -> None:
        app.loader.init_worker_process()

    def on_task(task_id: str, task: Any, **_named: Any) -> None:
        if task.app is app:
            app.loader.on_task_init(task_id, task)

    def after_task(task: Any, **_named: Any) -> None:
        if task.app is app:
            app.loader.on_process_cleanup()

    # Strong: they live as long as the process, as apps with loaders do.
    signals.worker_init.connect(on_worker_init, weak=False)
    signals.worker_shutdown.connect(on_worker_shutdown, weak=False)
    signals.worker_process_init.connect(on_process_init, weak=False)
    signals.task_prerun.connect(on_task, weak=False)
    signals.task_postrun.connect(after_task, weak=False)
