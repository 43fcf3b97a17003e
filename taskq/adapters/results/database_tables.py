"""The two tables of a database store: ``celery_taskmeta`` and ``celery_tasksetmeta``.

Programs of Celery's read what we write, and the reverse; so names, types, sequences and indexes are
Celery's.  Column ``result`` holds the result alone, encoded; the other parts of a meta have columns
of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    String,
    Table,
    Text,
)

TASKS: Final = "celery_taskmeta"
GROUPS: Final = "celery_tasksetmeta"
NAME_LENGTH: Final = 155


@dataclass(frozen=True, slots=True)
class Tables:
    """Both tables of one store."""

    tasks: Table
    groups: Table

    @property
    def metadata(self) -> MetaData:
        """What they belong to."""
        return self.tasks.metadata


def tables(
    names: Mapping[str, str] | None = None, schemas: Mapping[str, str] | None = None
) -> Tables:
    """Describe the tables; ``names`` and ``schemas`` are those of ``task`` and ``group``."""
    names, schemas = names or {}, schemas or {}
    metadata = MetaData()
    tasks = Table(
        names.get("task", TASKS),
        metadata,
        _number("task_id_sequence", schemas.get("task")),
        Column("task_id", String(NAME_LENGTH), unique=True),
        Column("status", String(50)),
        Column("result", LargeBinary, nullable=True),
        Column("date_done", DateTime, nullable=True, index=True),
        Column("traceback", Text, nullable=True),
        Column("children", LargeBinary, nullable=True),
        Column("name", String(NAME_LENGTH), nullable=True),
        Column("args", LargeBinary, nullable=True),
        Column("kwargs", LargeBinary, nullable=True),
        Column("worker", String(NAME_LENGTH), nullable=True),
        Column("retries", Integer, nullable=True),
        Column("queue", String(NAME_LENGTH), nullable=True),
        Column("stamps", LargeBinary, nullable=True),
        schema=schemas.get("task"),
        sqlite_autoincrement=True,
    )
    groups = Table(
        names.get("group", GROUPS),
        metadata,
        _number("taskset_id_sequence", schemas.get("group")),
        Column("taskset_id", String(NAME_LENGTH), unique=True),
        Column("result", LargeBinary, nullable=True),
        Column("date_done", DateTime, nullable=True, index=True),
        schema=schemas.get("group"),
        sqlite_autoincrement=True,
    )
    return Tables(tasks, groups)


def _number(sequence: str, schema: str | None) -> Column[Any]:
    return Column(
        "id", Integer, Sequence(sequence, schema=schema), primary_key=True, autoincrement=True
    )
