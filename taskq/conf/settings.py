"""All settings, as one table.

The rows stand in one file for each prefix; what a row is, ``kinds.py`` says.  Everything else is
derived from ``TABLE``: which upper-case names of old are honoured, which prefixes are ours, which
name somebody meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from taskq.conf import (
    settings_beat,
    settings_broker,
    settings_events,
    settings_general,
    settings_result,
    settings_stores,
    settings_task,
    settings_taskq,
    settings_worker,
)
from taskq.conf.kinds import Setting

GROUPS: Final = (
    settings_general,
    settings_task,
    settings_worker,
    settings_broker,
    settings_result,
    settings_stores,
    settings_beat,
    settings_events,
    settings_taskq,
)
TABLE: Final[Mapping[str, Setting]] = MappingProxyType(
    {row.name: row for group in GROUPS for row in group.ROWS}
)

# Old name to new name.
OLD: Final[Mapping[str, str]] = MappingProxyType(
    {old: row.name for row in TABLE.values() for old in row.old_names}
)

# A name that begins like this and is in no table is taken for a mistake.  Other prefixes
# (redis_, database_, s3_ ...) are left to the settings that users have of their own.
OUR_OLD_PREFIXES: Final = ("CELERYD_", "CELERYBEAT_", "BROKER_")
OUR_PREFIXES: Final = (
    *OUR_OLD_PREFIXES,
    "task_",
    "worker_",
    "broker_",
    "result_",
    "beat_",
    "event_queue_",
    "control_queue_",
    "taskq_",
)

# How alike two names have to be for one to be proposed for the other.
LIKENESS: Final = 0.6


def canonical(name: str) -> str:
    """Return the name of today for a name of old; any other name stays."""
    if name in TABLE:
        return name
    return OLD.get(name, name)


def is_ours(name: str) -> bool:
    """Whether a name that is in no table can only be a mistake."""
    return name.startswith(OUR_PREFIXES)


def nearest(name: str, among: Iterable[str] | None = None) -> str | None:
    """Return the setting that was probably meant."""
    candidates = list(TABLE if among is None else among)
    if name.isupper() and among is None:
        candidates = list(OLD)
    found = get_close_matches(name, candidates, n=1, cutoff=LIKENESS)
    return canonical(found[0]) if found else None
