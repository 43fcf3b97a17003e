"""Makes an app at home in a Django project: the environment says which, by its settings module.

Django is set up before tasks are imported, tasks are looked for in the installed apps, times are
Django's, and database connections do not outlive the task (or the fork) that they belong to.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from taskq import signals

__all__ = ["DjangoFixup", "DjangoWorkerFixup", "fixup"]

SETTINGS: Final = "DJANGO_SETTINGS_MODULE"
SKIP_CHECKS: Final = "CELERY_SKIP_CHECKS"


def fixup(app: Any, env: str = SETTINGS) -> DjangoFixup | None:
    """Install it where the environment names Django's settings, and Django is there."""
    if not os.environ.get(env) or app.loader_cls == "default":
        return None
    try:
        import django  # type: ignore[import-untyped]  # noqa: F401, PLC0415 - optional
    except ImportError:
        return None
    return DjangoFixup(app).install()


class DjangoFixup:
    """What an app does in a project of Django's."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self._worker_fixup: DjangoWorkerFixup | None = None

    def install(self) -> DjangoFixup:
        """Begin to be there."""
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)
        signals.import_modules.connect(self.on_import_modules, sender=self.app, weak=False)
        signals.worker_init.connect(self.on_worker_init, weak=False)
        return self

    @property
    def worker_fixup(self) -> DjangoWorkerFixup:
        """What a worker does."""
        if self._worker_fixup is None:
            self._worker_fixup = DjangoWorkerFixup(self.app)
        return self._worker_fixup

    @worker_fixup.setter
    def worker_fixup(self, value: DjangoWorkerFixup) -> None:
        self._worker_fixup = value

    def on_import_modules(self, **kwargs: Any) -> None:
        """Set Django up before modules with tasks are imported."""
        del kwargs
        import_module("django").setup()
        self.worker_fixup.validate_models()

    def on_worker_init(self, sender: Any = None, **kwargs: Any) -> None:
        """Look after connections where a worker of this app runs."""
        del kwargs
        if sender is None or sender.app is self.app:
            self.worker_fixup.install()

    def now(self, utc: bool = False) -> datetime:
        """Return Django's time."""
        zones = import_module("django.utils.timezone")
        found: datetime = datetime.now(zones.utc) if utc else zones.now()  # noqa: TID251 - Django's clock is the machine's
        return found

    def autodiscover_tasks(self) -> list[str]:
        """Name the installed apps: tasks are looked for there."""
        apps = import_module("django.apps").apps
        return [config.name for config in apps.get_app_configs()]


class DjangoWorkerFixup:
    """What a worker does in a project of Django's."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self._installed = False

    def validate_models(self) -> None:
        """Run Django's checks, unless the environment says not to."""
        if os.environ.get(SKIP_CHECKS):
            return
        import_module("django.core.management.base").BaseCommand().check()

    def install(self) -> DjangoWorkerFixup:
        """Begin to look after connections."""
        if self._installed:
            return self
        self._installed = True
        for signal, act in self._receivers().items():
            signal.connect(act, weak=False)
        self._close_caches()
        self._close()
        return self

    def _receivers(self) -> Mapping[Any, Callable[..., object]]:
        return {
            signals.beat_embedded_init: self.close_database,
            signals.task_prerun: self.on_task_prerun,
            signals.task_postrun: self.on_task_postrun,
            signals.worker_process_init: self.on_worker_process_init,
        }

    def on_worker_process_init(self, **kwargs: Any) -> None:
        """Let go, in a child, of sockets that are the parent's, without a word on them."""
        del kwargs
        for connection in self._connections():
            if connection.connection is not None:
                connection.connection = None
        self._close()
        self._close_caches()

    def on_task_prerun(self, sender: Any = None, **kwargs: Any) -> None:
        """Close what has become too old, before a task of a worker."""
        del kwargs
        if not getattr(sender.request, "is_eager", False):
            self.close_database()

    def on_task_postrun(self, sender: Any = None, **kwargs: Any) -> None:
        """Close what has become too old, after it."""
        del kwargs
        if not getattr(sender.request, "is_eager", False):
            self.close_database()
            self._close_caches()

    def close_database(self, **kwargs: Any) -> None:
        """Close connections that are broken, or older than Django lets them be."""
        del kwargs
        import_module("django.db").close_old_connections()

    @staticmethod
    def _connections() -> Iterable[Any]:
        found: Iterable[Any] = import_module("django.db").connections.all(initialized_only=True)
        return found

    def _close(self) -> None:
        for connection in self._connections():
            connection.close()

    @staticmethod
    def _close_caches() -> None:
        import_module("django.core.cache").close_caches()
