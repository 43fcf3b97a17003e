"""Results in a database, by SQLAlchemy: ``db+sqlite:///results.db``, ``db+postgresql://...``.

A meta becomes a row of Celery's table and comes back from it (``database_rows.py``).  A final state
is kept by one statement: the condition is part of the update.  Nothing expires by itself: the task
``celery.backend_cleanup`` deletes rows that were written too long ago.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import Table, create_engine, delete, insert, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, InterfaceError
from sqlalchemy.exc import OperationalError as LostError
from sqlalchemy.pool import NullPool

from taskq.adapters.results.asking import AskedStore, Asking
from taskq.adapters.results.database_rows import Rows
from taskq.adapters.results.database_tables import Tables, tables
from taskq.adapters.results.keyvalue import READING, TASK_KEY, WRITING
from taskq.errors import ImproperlyConfigured, OperationalError
from taskq.ports import EMPTY, Clock, ResultRecord, RetryPolicy
from taskq.states import ALL_STATES, is_less_final

Returned = TypeVar("Returned")

PREFIX: Final = "db+"
# What is raised when a database is out of reach, locked by another writer, or ended the link.
LOST: Final = (LostError, InterfaceError)
# How many ids one statement names; SQLite has a limit on them.
IDS_PER_STATEMENT: Final = 500
# How long a writer waits for another one in SQLite, which locks the whole file.
SQLITE_PATIENCE_S: Final = 30


class DatabaseStore(AskedStore):
    """Implements ``ports.ResultStore`` in two tables."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        rows: Rows,
        engine_options: Mapping[str, Any] = EMPTY,
        engine_callback: Callable[[Engine], Any] | None = None,
        short_lived: bool = False,
        names: Mapping[str, str] | None = None,
        schemas: Mapping[str, str] | None = None,
        expires_s: float | None = None,
    ) -> None:
        try:
            self._url = make_url(url.removeprefix(PREFIX))
        except ArgumentError as error:
            raise ImproperlyConfigured(
                f"result_backend {PREFIX}...: not the URL of a database; write"
                " db+sqlite:////path/of/a/file or db+postgresql://user:password@host/name"
            ) from error
        self._clock, self._rows, self._expires_s = clock, rows, expires_s
        self._engine_options, self._engine_callback = engine_options, engine_callback
        self._short_lived = short_lived
        self.tables: Tables = tables(names, schemas)
        self._asking = Asking(self.load, clock)
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._pid, self._ready = os.getpid(), False

    @property
    def name(self) -> str:
        """What the banner of a worker shows; passwords are starred."""
        return PREFIX + self._url.render_as_string(hide_password=True)

    @property
    def key_prefix(self) -> str:
        """As in a store of keys and values, for who asks; rows are found by their id."""
        return TASK_KEY

    # -- results ---------------------------------------------------------------------------------

    def store(self, records: Sequence[ResultRecord]) -> None:
        """Write, where nothing more final is there."""
        if not records:
            return
        rows = [(record, self._rows.row_of(record, self._now())) for record in records]

        def write(connection: Connection) -> None:
            for record, row in rows:
                self._put(connection, record, row)

        self._call(write, WRITING)

    def _put(self, connection: Connection, record: ResultRecord, row: Mapping[str, Any]) -> None:
        table = self.tables.tasks
        kept = [state for state in ALL_STATES if is_less_final(record.state, state)]
        change = update(table).where(
            table.c.task_id == record.task_id, table.c.status.not_in(sorted(kept))
        )
        # Two may insert at once: who comes second updates, if its state counts more.
        if not connection.execute(change.values(row)).rowcount and not _added(
            connection, table, row
        ):
            connection.execute(change.values(row))

    def load(self, task_ids: Sequence[str]) -> Sequence[ResultRecord | None]:
        """Read what is stored now."""
        if not task_ids:
            return []
        table, wanted = self.tables.tasks, list(dict.fromkeys(task_ids))

        def read(connection: Connection) -> dict[str, Mapping[str, Any]]:
            found: dict[str, Mapping[str, Any]] = {}
            for start in range(0, len(wanted), IDS_PER_STATEMENT):
                some = table.c.task_id.in_(wanted[start : start + IDS_PER_STATEMENT])
                for row in connection.execute(select(table).where(some)).mappings():
                    found[row["task_id"]] = dict(row)
            return found

        found = self._call(read, READING)
        return [
            self._rows.record_of(found[task_id]) if task_id in found else None
            for task_id in task_ids
        ]

    def wait(self, task_ids: Sequence[str], timeout_s: float | None) -> Sequence[ResultRecord]:
        """Return when something may have changed, or the time is over."""
        return self._asking.wait(task_ids, timeout_s)

    def stop_waiting(self, task_ids: Sequence[str]) -> None:
        """This thread waits for these no more."""
        self._asking.stop(task_ids)

    def forget(self, task_ids: Sequence[str]) -> None:
        """Delete."""
        table = self.tables.tasks

        def drop(connection: Connection) -> None:
            for start in range(0, len(task_ids), IDS_PER_STATEMENT):
                some = table.c.task_id.in_(task_ids[start : start + IDS_PER_STATEMENT])
                connection.execute(delete(table).where(some))

        self._call(drop, WRITING)

    # -- groups ----------------------------------------------------------------------------------

    def save_group(self, group_id: str, payload: bytes, expires_s: float | None) -> None:  # noqa: ARG002 - one age for all
        """Keep a group's own record."""
        table = self.tables.groups
        row = {
            "taskset_id": group_id,
            "result": self._rows.group_column(payload),
            "date_done": self._now(),
        }

        def write(connection: Connection) -> None:
            change = update(table).where(table.c.taskset_id == group_id).values(row)
            if not connection.execute(change).rowcount and not _added(connection, table, row):
                connection.execute(change)

        self._call(write, WRITING)

    def load_group(self, group_id: str) -> bytes | None:
        """Read it."""
        table = self.tables.groups
        wanted = select(table.c.result).where(table.c.taskset_id == group_id)
        column = self._call(lambda link: link.execute(wanted).scalar_one_or_none(), READING)
        return None if column is None else self._rows.group_payload(column)

    def forget_group(self, group_id: str) -> None:
        """Delete it."""
        table = self.tables.groups
        self._call(
            lambda link: link.execute(delete(table).where(table.c.taskset_id == group_id)), WRITING
        )

    # -- housekeeping ----------------------------------------------------------------------------

    def clean_up(self) -> None:
        """Delete rows that are too old."""
        if not self._expires_s:
            return
        last = self._now() - timedelta(seconds=self._expires_s)
        both = (self.tables.tasks, self.tables.groups)

        def drop(connection: Connection) -> None:
            for table in both:
                connection.execute(delete(table).where(table.c.date_done < last))

        self._call(drop, WRITING)

    def close(self) -> None:
        """Let go of connections."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose(close=self._pid == os.getpid())

    # -- talking ---------------------------------------------------------------------------------

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.read().wall_s, UTC).replace(tzinfo=None)

    def _call(self, act: Callable[[Connection], Returned], policy: RetryPolicy) -> Returned:
        """Do something in a transaction; again after a lost connection, for it may be repeated."""
        attempt = 0
        while True:
            try:
                with self._connection() as connection:
                    return act(connection)
            except LOST as error:
                if policy.max_retries is not None and attempt >= policy.max_retries:
                    raise OperationalError(
                        f"{self.name}: the result store cannot be reached: {error.orig}"
                    ) from error
            self._clock.sleep(policy.pause_s(attempt))
            attempt += 1

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        engine = self._own_engine()
        with engine.begin() as connection:
            yield connection

    def _own_engine(self) -> Engine:
        with self._lock:
            if self._engine is not None and self._pid != os.getpid():
                # The parent's connections are the parent's.
                self._engine.dispose(close=False)
                self._engine = None
            if self._engine is None:
                self._pid, self._engine = os.getpid(), self._make_engine()
            if not self._ready:
                self.tables.metadata.create_all(self._engine, checkfirst=True)
                self._ready = True
            return self._engine

    def _make_engine(self) -> Engine:
        options = dict(self._engine_options)
        if self._short_lived:
            options = {k: v for k, v in options.items() if not k.startswith("pool_")}
            options["poolclass"] = NullPool
        if self._url.get_backend_name() == "sqlite":
            options.setdefault("connect_args", {"timeout": SQLITE_PATIENCE_S})
        try:
            engine = create_engine(self._url, **options)
        except ImportError as error:
            raise ImproperlyConfigured(
                f"{self.name}: the driver of this database is not installed: {error};"
                " pip install it, or name another one: db+postgresql+psycopg2://..."
            ) from error
        if self._engine_callback is not None:
            self._engine_callback(engine)
        return engine


def _added(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row, unless there is one under its id."""
    dialect = connection.dialect.name
    if dialect == "sqlite":
        return bool(
            connection.execute(sqlite.insert(table).values(row).on_conflict_do_nothing()).rowcount
        )
    if dialect == "postgresql":
        statement = postgresql.insert(table).values(row).on_conflict_do_nothing()
        return bool(connection.execute(statement).rowcount)
    if dialect in {"mysql", "mariadb"}:
        ignoring = mysql.insert(table).values(row).prefix_with("IGNORE")
        return bool(connection.execute(ignoring).rowcount)
    try:
        with connection.begin_nested():
            connection.execute(insert(table).values(row))
    except IntegrityError:
        return False
    return True
