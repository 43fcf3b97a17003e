"""Turns a configuration source into settings: finds it, reads its names, checks its values.

``read_source`` takes whatever ``config_from_object`` takes; ``settings_from`` makes of its names
and values settings under the names of today.  Nothing here looks at the environment or imports on
its own: both are given.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any, Final, TypeAlias

from taskq.conf.censor import censor
from taskq.conf.kinds import Unfit
from taskq.conf.settings import OLD, OUR_OLD_PREFIXES, TABLE, canonical, is_ours, nearest
from taskq.errors import ImproperlyConfigured, UnknownSettingWarning, WrongSettingError

Importer: TypeAlias = Callable[[str], ModuleType]

# Settings that the environment decides, whatever else is said; the first name that is set wins.
ENVIRONMENT: Final[Mapping[str, tuple[str, ...]]] = {
    "broker_url": ("TASKQ_BROKER_URL", "CELERY_BROKER_URL"),
    "broker_read_url": ("TASKQ_BROKER_READ_URL", "CELERY_BROKER_READ_URL"),
    "broker_write_url": ("TASKQ_BROKER_WRITE_URL", "CELERY_BROKER_WRITE_URL"),
    "result_backend": ("TASKQ_RESULT_BACKEND", "CELERY_RESULT_BACKEND"),
}


class ConfigNotFound(ImproperlyConfigured, ImportError):
    """A configuration was named, and there is nothing of that name."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name, why)
        self.source_name, self.why = name, why

    def __str__(self) -> str:
        advice = ""
        if self.source_name.endswith(".py"):
            advice = f"; it is named like a module: {self.source_name.removesuffix('.py')!r}"
        return f"no configuration is found at {self.source_name!r}: {self.why}{advice}"


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that the environment decides."""
    return {
        name: next(environ[key] for key in keys if environ.get(key))
        for name, keys in ENVIRONMENT.items()
        if any(environ.get(key) for key in keys)
    }


# -- where it comes from -------------------------------------------------------------------------


def describe_source(source: Any) -> str:
    """How errors name a source."""
    if isinstance(source, str):
        return source
    if isinstance(source, Mapping):
        return "config_from_object"
    name = getattr(source, "__name__", None) or type(source).__name__
    return str(name)


def read_source(source: Any, importer: Importer, *, silent: bool = False) -> Any:
    """Return the object that holds the configuration: imported, if it was named."""
    if not isinstance(source, str):
        return source
    try:
        return _import_named(source, importer)
    except ImportError as error:
        if silent:
            return {}
        if _is_about(error, source):
            raise ConfigNotFound(source, str(error)) from error
        raise


def _is_about(error: ImportError, source: str) -> bool:
    # Something that the configuration itself imports and that is missing is another matter.
    missing = error.name
    path = source.partition(":")[0]
    return missing is None or path == missing or path.startswith(missing + ".")


def _import_named(source: str, importer: Importer) -> Any:
    module, colon, attribute = source.partition(":")
    if colon:
        return _attribute(importer(module), attribute, source)
    try:
        return importer(source)
    except ImportError as error:
        parent, dot, last = source.rpartition(".")
        if not dot or not _is_about(error, source):
            raise
        return _attribute(importer(parent), last, source)


def _attribute(holder: Any, path: str, source: str) -> Any:
    for part in filter(None, path.split(".")):
        try:
            holder = getattr(holder, part)
        except AttributeError:
            raise ConfigNotFound(source, f"{describe_source(holder)} has no {part!r}") from None
    return holder


# -- what it says --------------------------------------------------------------------------------


def settings_from(holder: Any, source: str, namespace: str | None = None) -> dict[str, Any]:
    """Return the settings that an object or a mapping gives, under today's names, checked."""
    if namespace:
        prefix = namespace.rstrip("_").lower() + "_"
        # Only what may count is looked at: looking at Django's settings can warn and fail.
        pairs = _pairs(holder, lambda name: _may_count(name, prefix))
        named = _in_namespace(dict(pairs), prefix, source)
    else:
        named = _bare(dict(_pairs(holder, lambda _: True)), source)
    return {name: checked(name, value, source) for name, value in named}


def _may_count(name: str, prefix: str) -> bool:
    return name.lower().startswith(prefix) or name.startswith(OUR_OLD_PREFIXES)


def _pairs(holder: Any, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Any]]:
    if isinstance(holder, Mapping):
        names = (key for key in holder if isinstance(key, str))
        yield from ((name, holder[name]) for name in names if wanted(name))
        return
    for name in dir(holder):
        if name.startswith("_") or not wanted(name):
            continue
        value = getattr(holder, name, None)
        if not _is_by_chance(name, value):
            yield name, value


def _is_by_chance(name: str, value: Any) -> bool:
    # A module or class of settings also shows what it imports and the methods that it has.
    if isinstance(value, ModuleType):
        return True
    if name == "timezone":
        return isinstance(value, type)  # from datetime import timezone
    return callable(value) and canonical(name) not in TABLE


def _bare(pairs: Mapping[str, Any], source: str) -> list[tuple[str, Any]]:
    _refuse_mixture(pairs, source)
    for name in pairs:
        warn_if_unknown(name, source)
    return [(canonical(name), value) for name, value in pairs.items()]


def _refuse_mixture(names: Iterable[str], source: str) -> None:
    old = sorted(name for name in names if name in OLD)
    if not old or not any(name in TABLE and not name.isupper() for name in names):
        return
    renames = ", ".join(f"{name} -> {OLD[name]}" for name in old)
    raise ImproperlyConfigured(
        f"{source}: old and new setting names are mixed; use the new names only. Rename: {renames}"
    )


def _in_namespace(pairs: Mapping[str, Any], prefix: str, source: str) -> list[tuple[str, Any]]:
    named = []
    for full, value in pairs.items():
        if full.lower().startswith(prefix):
            named.append((_without_namespace(full, len(prefix), source), value))
        elif full in OLD:
            _warn_of_outsider(full, prefix, source)
    return named


def _without_namespace(full: str, length: int, source: str) -> str:
    bare = full[length:]
    if bare.lower() in TABLE:
        return bare.lower()
    # CELERY_RESULT_DBURI is a name of old as a whole, though it looks like one in a namespace.
    for name in (full, bare.upper()):
        if canonical(name) in TABLE:
            return canonical(name)
    warn_if_unknown(bare.lower(), source)
    return bare.lower()


def _warn_of_outsider(full: str, prefix: str, source: str) -> None:
    wanted = (prefix + OLD[full]).upper()
    warnings.warn(
        f"{source}: {full} is not read, because only names that begin with {prefix.upper()} are;"
        f" write {wanted}",
        UnknownSettingWarning,
        stacklevel=2,
    )


def warn_if_unknown(name: str, source: str) -> None:
    """Warn of a name that looks like one of ours and is in no table."""
    if canonical(name) in TABLE or not is_ours(name):
        return
    close = nearest(name)
    advice = f"; did you mean {close!r}?" if close else ""
    warnings.warn(
        f"{source}: no setting is called {name!r}{advice}", UnknownSettingWarning, stacklevel=2
    )


def checked(name: str, value: Any, source: str) -> Any:
    """Return the value as it is kept; raises ``WrongSettingError``."""
    row = TABLE.get(name)
    if row is None:
        return value
    try:
        return row.kind.accept(value)
    except Unfit:
        shown = censor(name, value)
        raise WrongSettingError(name, shown, row.kind.expected, source) from None


# -- a command line ------------------------------------------------------------------------------


def settings_from_arguments(arguments: Iterable[str], namespace: str = "worker") -> dict[str, Any]:
    """Read ``worker.prefetch_multiplier=1``, ``.prefetch_multiplier=1``, ``task_serializer=json``.

    A name that begins with a dot belongs to the namespace that is given.
    """
    return dict(_read_argument(argument, namespace) for argument in arguments)


def _read_argument(argument: str, namespace: str) -> tuple[str, Any]:
    key, equals, text = argument.partition("=")
    name = canonical((namespace + key if key.startswith(".") else key).strip().replace(".", "_"))
    if not equals or not name:
        raise ImproperlyConfigured(
            f"command line: {argument!r} is no setting; write it like worker.concurrency=4"
        )
    row = TABLE.get(name)
    if row is None:
        warn_if_unknown(name, "command line")
        return name, text
    try:
        return name, checked(name, row.kind.parse(text), "command line")
    except ValueError:
        shown = censor(name, text)
        raise WrongSettingError(name, shown, row.kind.expected, "command line") from None
