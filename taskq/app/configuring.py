"""The first layer of an app: its settings, where they come from, and the time zone they name.

``App`` is built in layers, each a class that knows the ones below: settings (here), ``tasking.py``
(tasks), ``derived.py`` (what follows from the settings), ``sending.py`` (messages), ``app.py`` (all
of it).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from taskq import signals
from taskq.conf.configuration import Settings
from taskq.conf.loading import (
    describe_source,
    read_source,
    settings_from,
    settings_from_arguments,
)
from taskq.errors import ImproperlyConfigured
from taskq.ports import Ports

__all__ = ["CONFIG_VARIABLES", "AppSettings", "Configured"]


# Each may name the module that holds the configuration of apps that name none themselves.
CONFIG_VARIABLES: Final = ("TASKQ_CONFIG_MODULE", "CELERY_CONFIG_MODULE")


class AppSettings(Settings):
    """Settings that count their changes, so that what is derived from them knows when it is old."""

    _version = 0

    def __init__(
        self,
        given: Mapping[str, Any],
        environ: Mapping[str, str],
        on_load: Callable[[Settings], object],
    ) -> None:
        super().__init__(given, environ=environ, on_load=on_load)
        self._source = self._named_by_environment

    def _named_by_environment(self) -> Mapping[str, Any]:
        """Read what the environment names, when a setting is first asked for."""
        named = next(filter(None, map(self._environ.get, CONFIG_VARIABLES)), None)
        if named is None:
            return {}
        return settings_from(read_source(named, self._importer), describe_source(named))

    @property
    def version(self) -> int:
        """Grows with each change."""
        return self._version

    def _changed(self) -> None:
        object.__setattr__(self, "_version", self._version + 1)

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self._changed()

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self._changed()

    def clear(self) -> None:
        """Forget what was assigned."""
        super().clear()
        self._changed()

    def config_from_object(
        self, obj: Any, silent: bool = False, force: bool = False, namespace: str | None = None
    ) -> Settings | None:
        """Take settings from an object, a mapping, a module, or the name of one of these."""
        self._changed()
        return super().config_from_object(obj, silent, force, namespace)

    def add_defaults(self, defaults: Mapping[str, Any] | Callable[[], Mapping[str, Any]]) -> None:
        """Add defaults that are stronger than those of the table, and weaker than all else."""
        super().add_defaults(defaults)
        self._changed()


class Configured:
    """An app's settings and where they come from."""

    main: str | None
    namespace: str | None

    def __init__(
        self,
        given: Mapping[str, Any],
        config_source: Any,
        config_source_silent: bool,
        namespace: str | None,
    ) -> None:
        self.namespace = namespace
        self.on_configure = signals.Signal(name="app.on_configure")
        self.on_after_configure = signals.Signal(
            name="app.on_after_configure", providing_args={"source"}
        )
        self._conf = AppSettings(given, os.environ, self._loaded)
        if config_source is not None:
            self._conf.config_from_object(
                config_source, silent=config_source_silent, namespace=namespace
            )

    # -- what the layers above make true ----------------------------------------------------------

    @property
    def ports(self) -> Ports:
        """What the app stands on, here."""
        raise NotImplementedError

    # -- settings ---------------------------------------------------------------------------------

    @property
    def conf(self) -> AppSettings:
        """The settings; they are read when one of them is first asked for."""
        return self._conf

    @conf.setter
    def conf(self, value: Mapping[str, Any]) -> None:
        self._conf.config_from_object(value)

    @property
    def configured(self) -> bool:
        """Whether the settings have been read."""
        return self._conf.configured

    def _loaded(self, conf: Settings) -> None:
        """Tell those who wait for the settings; called once they can be read."""
        self.prepare_config(conf)
        self.on_configure.send(sender=self)
        self._settings_ready(conf)
        self.on_after_configure.send(sender=self, source=conf)

    def _settings_ready(self, conf: Settings) -> None:
        """Let a layer above see the settings before anybody else does."""

    def prepare_config(self, c: Any) -> Any:
        """Change the settings before they are used; for subclasses."""
        return c

    def config_from_object(
        self, obj: Any, silent: bool = False, force: bool = False, namespace: str | None = None
    ) -> Any:
        """Take settings from an object, a mapping, a module, or the name of one of these."""
        self.namespace = namespace or self.namespace
        return self._conf.config_from_object(obj, silent, force, self.namespace)

    def config_from_envvar(
        self, variable_name: str, silent: bool = False, force: bool = False
    ) -> Any:
        """Take settings from the module that an environment variable names."""
        return self._conf.config_from_envvar(variable_name, silent=silent, force=force)

    def config_from_cmdline(self, argv: Iterable[str], namespace: str = "worker") -> None:
        """Take settings from words like ``worker.concurrency=4``."""
        self._conf.update(settings_from_arguments(argv, namespace))

    def add_defaults(self, fun: Mapping[str, Any] | Callable[[], Mapping[str, Any]]) -> None:
        """Add defaults, or a function that returns them."""
        self._conf.add_defaults(fun)

    def either(self, default_key: str, *defaults: Any) -> Any:
        """Return the first of the given values that is not None, else the setting."""
        return next((each for each in defaults if each is not None), None) or self._conf.get(
            default_key
        )

    # -- time -------------------------------------------------------------------------------------

    @property
    def timezone(self) -> tzinfo:
        """The zone in which naive times are meant."""
        return self._zone(self._conf.timezone)

    @cached_property
    def _zones(self) -> dict[Any, tzinfo]:
        return {}

    def _zone(self, name: Any) -> tzinfo:
        if isinstance(name, tzinfo):
            return name
        if not name:
            return UTC if self._conf.enable_utc else self._local_zone()
        if name not in self._zones:
            try:
                self._zones[name] = UTC if name.upper() == "UTC" else ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise ImproperlyConfigured(
                    f"timezone: there is no zone called {name!r}; names are like 'Europe/Oslo'"
                ) from error
        return self._zones[name]

    def _local_zone(self) -> tzinfo:
        zone = self.ports.clock.read().wall.astimezone().tzinfo
        assert zone is not None  # astimezone() returns aware times
        return zone

    def uses_utc_timezone(self) -> bool:
        """Whether the app's zone is UTC."""
        return self.timezone == UTC

    def now(self) -> datetime:
        """Return the time in the app's zone."""
        return self.ports.clock.read().wall.astimezone(self.timezone)
