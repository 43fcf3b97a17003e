"""``celery.app.defaults``: the table of settings as Celery's programs read it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Final, NamedTuple

from taskq.conf import OLD, TABLE
from taskq.conf.kinds import Setting

__all__ = [
    "DEFAULTS",
    "DEFAULT_POOL",
    "DEFAULT_PROCESS_LOG_FMT",
    "DEFAULT_TASK_LOG_FMT",
    "NAMESPACES",
    "SETTING_KEYS",
    "Option",
    "find",
    "flatten",
]

DEFAULT_POOL: Final = str(TABLE["worker_pool"].default)
DEFAULT_PROCESS_LOG_FMT: Final = str(TABLE["worker_log_format"].default)
DEFAULT_TASK_LOG_FMT: Final = str(TABLE["worker_task_log_format"].default)

# The groups of settings; a name without one of these prefixes stands by itself.
_GROUPS: Final = (
    *("beat", "broker", "cache", "cassandra", "s3", "azureblockblob", "gcs", "control"),
    *("couchbase", "arangodb", "mongodb", "cosmosdbsql", "event", "redis", "result"),
    *("elasticsearch", "security", "database", "task", "worker"),
)


def _true(value: Any) -> Any:
    from taskq.compat.utils.serialization import strtobool  # noqa: PLC0415 - one use

    return strtobool(value)


class Option:
    """What is said of one setting."""

    alt: Any = None
    deprecate_by: Any = None
    remove_by: Any = None
    old: Any = frozenset()
    typemap: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        "string": str,
        "int": int,
        "float": float,
        "any": lambda value: value,
        "bool": _true,
        "dict": dict,
        "tuple": tuple,
    }

    def __init__(self, default: Any = None, *args: Any, **kwargs: Any) -> None:
        self.default = default
        self.type = args[0] if args else kwargs.get("type") or "string"
        for attribute, value in kwargs.items():
            setattr(self, attribute, value)

    def to_python(self, value: Any) -> Any:
        """Return a value as it is kept."""
        return self.typemap[self.type](value)

    def __repr__(self) -> str:
        return f"<Option: type->{self.type} default->{self.default!r}>"


class Found(NamedTuple):
    """What ``find`` returns."""

    ns: str
    key: str
    type: Any


def _option(row: Setting) -> Option:
    return Option(row.fresh_default(), type="any", old=set(row.old_names))


def _namespaces() -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, row in TABLE.items():
        prefix, _, rest = name.partition("_")
        if rest and prefix in _GROUPS:
            made.setdefault(prefix, {})[rest] = _option(row)
        else:
            made[name] = _option(row)
    return made


NAMESPACES: Final = _namespaces()
DEFAULTS: Final = {name: row.fresh_default() for name, row in TABLE.items()}
SETTING_KEYS: Final = set(TABLE)


def flatten(
    d: Mapping[str, Any],
    root: str = "",
    keyfilter: Callable[..., str] = "_".join,
) -> Iterator[tuple[str, Any]]:
    """Return what is in mappings within mappings, with the names joined."""
    todo = deque([(root, d)])
    while todo:
        above, mapping = todo.popleft()
        for name, value in mapping.items():
            full = keyfilter([above, name]) if above else name
            if isinstance(value, Mapping):
                todo.append((full, value))
            else:
                yield full, value


def find(name: str, namespace: str = "celery") -> Found:
    """Return where a setting stands, by its name or an old one; raises ``KeyError``."""
    name = OLD.get(name.upper(), name.lower())
    for full in (name, f"{namespace}_{name}"):
        if full in TABLE:
            prefix, _, rest = full.partition("_")
            group = NAMESPACES.get(prefix)
            if isinstance(group, dict) and rest in group:
                return Found(prefix, rest, group[rest])
            return Found("", full, NAMESPACES[full])
    raise KeyError(name)
