"""``Settings``: the configuration of one application, which ``app.conf`` returns.

It is read when somebody first asks for a value.  What wins, from strong to weak: the environment
(four URLs), what was assigned, what the constructor of the app was given, the source of
``config_from_object``, ``add_defaults``, the table.

Reading is on the path of each message, so all layers are flattened once, and each value is kept as
a plain attribute as well: ``conf.task_serializer`` costs what any attribute costs.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final, NamedTuple

from taskq.conf import loading
from taskq.conf.censor import censor, sanitize_url
from taskq.conf.kinds import Setting
from taskq.conf.settings import TABLE, canonical, nearest
from taskq.errors import ImproperlyConfigured, UnknownSettingError

NOTHING: Final[Mapping[str, str]] = {}
ASSIGNED: Final = "app.conf"


class Found(NamedTuple):
    """What ``find_option`` returns."""

    namespace: str
    name: str
    option: Setting


class _Derived:
    """A setting that as an attribute says what it means, and as an item what was given."""

    def __init__(self, doc: str, derive: Callable[[Settings], Any]) -> None:
        self.__doc__ = doc
        self._derive = derive

    def __get__(self, conf: Settings | None, _owner: type[Settings]) -> Any:
        return self if conf is None else self._derive(conf)

    def __set__(self, conf: Settings, value: Any) -> None:
        """Not reached, ``__setattr__`` comes first; it says that assigning is allowed."""


class Settings(MutableMapping[str, Any]):
    """All settings of an application, by attribute and by item."""

    def __init__(
        self,
        given: Mapping[str, Any] | None = None,
        *,
        environ: Mapping[str, str] = NOTHING,
        importer: loading.Importer = importlib.import_module,
        on_load: Callable[[Settings], object] | None = None,
    ) -> None:
        self._lock = threading.RLock()
        self._environ = environ
        self._importer = importer
        self._on_load = on_load
        self._source: Callable[[], Mapping[str, Any]] | None = None
        self._extra: list[Mapping[str, Any] | Callable[[], Mapping[str, Any]]] = []
        self._defaults = {name: row.fresh_default() for name, row in TABLE.items()}
        self._early: dict[str, Any] = {}  # given to the constructor, or assigned before reading
        self._late: dict[str, Any] = {}  # assigned after it; a new source replaces these
        self._decided: dict[str, Any] = {}  # by the environment
        self._from_source: dict[str, Any] = {}
        self._flat: dict[str, Any] | None = None
        self._loading = False
        for name, value in (given or {}).items():
            self._early[canonical(name)] = loading.checked(canonical(name), value, "constructor")

    # -- where values come from ------------------------------------------------------------------

    @property
    def configured(self) -> bool:
        """Whether it has been read."""
        return self._flat is not None

    def config_from_object(
        self, obj: Any, silent: bool = False, force: bool = False, namespace: str | None = None
    ) -> Settings | None:
        """Take settings from an object, a mapping, a module, or the name of one of these.

        It is looked at when a value is first asked for, or now, with ``force`` or if that moment
        is over; then the configuration is returned.
        """
        with self._lock:
            was_read = self.configured
            self._source = lambda: loading.settings_from(
                loading.read_source(obj, self._importer, silent=silent),
                loading.describe_source(obj),
                namespace,
            )
            self._late.clear()
            self._forget()
        if not (force or was_read):
            return None
        self._read()
        return self

    def config_from_envvar(
        self, variable_name: str, silent: bool = False, force: bool = False
    ) -> Settings | bool | None:
        """Take settings from the module that an environment variable names."""
        module_name = self._environ.get(variable_name)
        if module_name:
            return self.config_from_object(module_name, silent=silent, force=force)
        if silent:
            return False
        raise ImproperlyConfigured(
            f"the environment variable {variable_name} is not set; set it to the name of the"
            " module that holds the configuration"
        )

    def config_from_cmdline(
        self, argv: Iterable[str], namespace: str = "worker"
    ) -> Mapping[str, Any]:
        """Take settings from words like ``worker.concurrency=4``."""
        found = loading.settings_from_arguments(argv, namespace)
        self.update(found)
        return found

    def add_defaults(self, defaults: Mapping[str, Any] | Callable[[], Mapping[str, Any]]) -> None:
        """Add defaults that are stronger than those of the table, and weaker than all else."""
        with self._lock:
            self._extra.append(defaults)
            self._forget()

    # -- reading ---------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._flat = None
        for name in [name for name in self.__dict__ if not name.startswith("_")]:
            del self.__dict__[name]

    def _read(self) -> dict[str, Any]:
        flat = self._flat
        return self._load() if flat is None else flat

    def _load(self) -> dict[str, Any]:
        with self._lock:
            if self._flat is not None:
                return self._flat
            if self._loading:
                # The source reads the configuration that it is about to give.
                return self._flatten({})
            self._loading = True
            try:
                flat = self._flatten(dict(self._source()) if self._source else {})
            finally:
                self._loading = False
            self._flat = flat
            self.__dict__.update((name, flat[name]) for name in flat if _is_plain(name))
        if self._on_load is not None:
            self._on_load(self)
        return flat

    def _flatten(self, from_source: dict[str, Any]) -> dict[str, Any]:
        self._from_source = from_source
        self._decided = loading.from_environment(self._environ)
        return {
            **self._defaults,
            **self._added(),
            **from_source,
            **self._early,
            **self._late,
            **self._decided,
        }

    def _added(self) -> dict[str, Any]:
        added: dict[str, Any] = {}
        for extra in self._extra:
            mapping = extra() if callable(extra) else extra
            added.update(loading.settings_from(dict(mapping or {}), "add_defaults"))
        return added

    def __getitem__(self, key: str) -> Any:
        flat = self._read()
        try:
            return flat[key]
        except KeyError:
            pass  # a name of old, or none; both are rare
        name = canonical(key)
        if name in flat:
            return flat[name]
        raise UnknownSettingError(key, ASSIGNED, nearest(key))

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value; a name that is not there is no error, and nobody looks for a near one."""
        flat = self._read()
        return flat[key] if key in flat else flat.get(canonical(key), default)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except UnknownSettingError as error:
            raise AttributeError(str(error), name=name, obj=self) from None

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and canonical(key) in self._read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._read()]

    def __repr__(self) -> str:
        if not self.configured:
            return f"<{type(self).__name__}: not read yet>"
        return f"<{type(self).__name__}: {self.table(with_defaults=False)}>"

    # -- writing ---------------------------------------------------------------------------------

    def __setitem__(self, key: str, value: Any) -> None:
        self._assign(canonical(key), value, key)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            self[name] = value

    def _assign(self, name: str, value: Any, said: str) -> None:
        loading.warn_if_unknown(said, ASSIGNED)
        value = loading.checked(name, value, ASSIGNED)
        with self._lock:
            (self._early if self._flat is None else self._late)[name] = value
            if self._flat is not None and name not in self._decided:
                self._flat[name] = value
                if _is_plain(name):
                    self.__dict__[name] = value

    def __delitem__(self, key: str) -> None:
        name = canonical(key)
        with self._lock:
            if name not in self._early and name not in self._late:
                raise UnknownSettingError(key, f"{ASSIGNED} (assigned values)")
            self._early.pop(name, None)
            self._late.pop(name, None)
            self._flat = None if self._flat is None else self._flatten(self._from_source)
            self.__dict__.pop(name, None)

    def __delattr__(self, name: str) -> None:
        del self[name]

    def clear(self) -> None:
        """Forget what was assigned."""
        with self._lock:
            self._early.clear()
            self._late.clear()
            self._forget()

    # -- what a value means when it is not given -------------------------------------------------

    broker_url = _Derived(
        "Where the broker is.", lambda conf: conf["broker_url"] or conf["broker_host"]
    )
    broker_read_url = _Derived(
        "Where the broker is, for who consumes.",
        lambda conf: conf["broker_read_url"] or conf.broker_url,
    )
    broker_write_url = _Derived(
        "Where the broker is, for who publishes.",
        lambda conf: conf["broker_write_url"] or conf.broker_url,
    )
    task_default_exchange = _Derived(
        "The exchange of the default queue.",
        lambda conf: conf["task_default_exchange"] or conf["task_default_queue"],
    )
    task_default_routing_key = _Derived(
        "The routing key of the default queue.",
        lambda conf: conf["task_default_routing_key"] or conf["task_default_queue"],
    )
    timezone = _Derived(
        "The zone of schedules; Django's own where Django's settings are the source.",
        lambda conf: conf.first("timezone", "TIME_ZONE"),
    )

    # -- asking about values ---------------------------------------------------------------------

    def first(self, *keys: str) -> Any:
        """Return the first of these values that is given."""
        return next((self[key] for key in keys if self.get(key) is not None), None)

    def get_by_parts(self, *parts: str) -> Any:
        """Return the value under the name that the parts make."""
        return self["_".join(part for part in parts if part)]

    def find_option(self, name: str, namespace: str = "") -> Found:
        """Find a setting by its name, or by its name without the namespace."""
        wanted = canonical(name).lower() if name.isupper() else name
        for candidate in (f"{namespace}_{wanted}" if namespace else wanted, wanted):
            if candidate in TABLE:
                head, _, tail = candidate.partition("_")
                return Found(head, tail, TABLE[candidate]) if tail else Found("", head, TABLE[head])
        for full, row in TABLE.items():
            head, _, tail = full.partition("_")
            if tail == wanted:
                return Found(head, tail, row)
        raise UnknownSettingError(name, ASSIGNED, nearest(name))

    def find_value_for_key(self, name: str, namespace: str = "") -> Any:
        """Return the value of the setting that ``find_option`` finds."""
        found = self.find_option(name, namespace)
        return self.get_by_parts(found.namespace, found.name)

    @property
    def result_backend(self) -> Any:
        """Where results are kept, for classes of settings that decide it in their own way."""
        return self["result_backend"]

    @property
    def changes(self) -> dict[str, Any]:
        """What was assigned or given to the constructor."""
        return {**self._early, **self._late}

    def value_set_for(self, key: str) -> bool:
        """Whether a value was assigned or given to the constructor."""
        return canonical(key) in self.changes

    def without_defaults(self) -> dict[str, Any]:
        """Return what somebody said, without the defaults of the table."""
        flat = self._read()
        said = {**self._added(), **self._from_source, **self.changes, **self._decided}
        return {name: flat[name] for name in said}

    def table(self, with_defaults: bool = False, censored: bool = True) -> dict[str, Any]:
        """Return the settings as a mapping that may be shown to people."""
        chosen = dict(self._read()) if with_defaults else self.without_defaults()
        if not censored:
            return chosen
        return {name: censor(name, value) for name, value in chosen.items()}

    def humanize(self, with_defaults: bool = False, censored: bool = True) -> str:
        """Return the settings as text, a line for each."""
        lines = (
            f"{name}: {value!r}" for name, value in self.table(with_defaults, censored).items()
        )
        text = "\n".join(lines)
        # Objects word themselves: a URL may stand in the repr of what is no text.
        return sanitize_url(text) if censored else text

    def copy(self) -> dict[str, Any]:
        """Return all values as a mapping of its own."""
        return dict(self._read())

    def finalize(self) -> None:
        """Read it now."""
        self._read()

    def maybe_warn_deprecated_settings(self) -> bool:
        """Whether a setting is used that will go: none will."""
        return False


def _is_plain(name: str) -> bool:
    # Methods and properties of the class are not hidden behind a setting of the same name.
    return not name.startswith("_") and not hasattr(Settings, name)
