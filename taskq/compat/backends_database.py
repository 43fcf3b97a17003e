"""``celery.backends.database``: the class, and the tables as SQLAlchemy's classes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from sqlalchemy import create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError, InvalidRequestError
from sqlalchemy.orm import Session, registry, sessionmaker
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.pool import NullPool

from taskq.adapters.results.database import PREFIX
from taskq.adapters.results.database_tables import tables
from taskq.compat.backends_base import BaseBackend
from taskq.compat.backends_native import Native

__all__ = ["DatabaseBackend", "SessionManager", "Task", "TaskExtended", "TaskSet"]

_TABLES = tables()
_MAPPED = registry(metadata=_TABLES.metadata)
_PLAIN = ("task_id", "status", "result", "traceback", "date_done", "children")
_EXTENDED = (*_PLAIN, "name", "args", "kwargs", "worker", "retries", "queue", "stamps")


class Task:
    """A row of the table of tasks."""

    __table__: ClassVar[Any] = _TABLES.tasks
    __tablename__: ClassVar[str] = _TABLES.tasks.name
    shown: ClassVar[tuple[str, ...]] = _PLAIN

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id

    def to_dict(self) -> dict[str, Any]:
        """Return the columns; what is encoded stays so."""
        return {name: getattr(self, name) for name in self.shown}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.task_id} state: {self.to_dict()['status']}>"

    @classmethod
    def configure(cls, schema: str | None = None, name: str | None = None) -> None:
        """Say where the table is."""
        _place(cls.__table__, schema, name)


class TaskExtended(Task):
    """The same, with what ``result_extended`` adds."""

    shown: ClassVar[tuple[str, ...]] = _EXTENDED


class TaskSet:
    """A row of the table of groups."""

    __table__: ClassVar[Any] = _TABLES.groups
    __tablename__: ClassVar[str] = _TABLES.groups.name

    def __init__(self, taskset_id: str, result: Any) -> None:
        self.taskset_id, self.result = taskset_id, result

    def to_dict(self) -> dict[str, Any]:
        """Return the columns."""
        return {name: getattr(self, name) for name in ("taskset_id", "result", "date_done")}

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.taskset_id}>"

    @classmethod
    def configure(cls, schema: str | None = None, name: str | None = None) -> None:
        """Say where the table is."""
        _place(cls.__table__, schema, name)


for _class in (Task, TaskExtended, TaskSet):
    _MAPPED.map_imperatively(_class, _class.__table__)


def _place(table: Any, schema: str | None, name: str | None) -> None:
    table.schema = schema
    if name:
        table.name = table.fullname = name


@contextmanager
def session_cleanup(session: Session) -> Iterator[None]:
    """Roll back what failed, and close the session."""
    try:
        yield
    except Exception:
        session.rollback()
        raise
    finally:
        session.close()


class SessionManager:
    """Engines and sessions, for programs that read the tables themselves."""

    def __init__(self, engine_callback: Any = None) -> None:
        self.engine_callback = engine_callback
        self.prepared = False
        self._engines: dict[tuple[int, str], Engine] = {}

    def get_engine(self, dburi: str, **kwargs: Any) -> Engine:
        """Return the engine of this process for a database."""
        key = (os.getpid(), dburi)
        if key not in self._engines:
            self._engines[key] = create_engine(dburi, **kwargs)
            if self.engine_callback is not None:
                self.engine_callback(self._engines[key])
        return self._engines[key]

    def create_session(
        self, dburi: str, short_lived_sessions: bool = False, **kwargs: Any
    ) -> tuple[Engine, Any]:
        """Return an engine, and what makes sessions."""
        if short_lived_sessions:
            kwargs = {k: v for k, v in kwargs.items() if not k.startswith("pool_")}
            engine = create_engine(dburi, poolclass=NullPool, **kwargs)
        else:
            engine = self.get_engine(dburi, **kwargs)
        return engine, sessionmaker(bind=engine)

    def prepare_models(self, engine: Engine) -> None:
        """Make the tables, unless they are there."""
        if not self.prepared:
            _MAPPED.metadata.create_all(engine, checkfirst=True)
            self.prepared = True

    def session_factory(self, dburi: str, **kwargs: Any) -> Session:
        """Return a session."""
        engine, make = self.create_session(dburi, **kwargs)
        self.prepare_models(engine)
        session: Session = make()
        return session

    def invalidate(self, dburi: str) -> None:
        """Forget the engine for a database."""
        engine = self._engines.pop((os.getpid(), dburi), None)
        if engine is not None:
            engine.dispose()


class DatabaseBackend(Native, BaseBackend):
    """``celery.backends.database.DatabaseBackend``."""

    default_url: ClassVar[str] = "database"
    subpolling_interval: ClassVar[float | None] = 0.5
    task_cls: Any = Task
    taskset_cls: Any = TaskSet

    def __init__(
        self,
        dburi: str | None = None,
        engine_options: Mapping[str, Any] | None = None,
        url: str | None = None,
        **kwargs: Any,
    ) -> None:
        place = url or dburi
        super().__init__(url=place, **kwargs)
        conf = self.app.conf
        self.url = (place or conf.database_url or "").removeprefix(PREFIX)
        self.engine_options = {**(conf.database_engine_options or {}), **(engine_options or {})}
        self.short_lived_sessions = bool(conf.database_short_lived_sessions)
        self.session_manager = SessionManager(conf.database_engine_callback)
        schemas, names = conf.database_table_schemas or {}, conf.database_table_names or {}
        if schemas or names:
            self.task_cls.configure(schema=schemas.get("task"), name=names.get("task"))
            self.taskset_cls.configure(schema=schemas.get("group"), name=names.get("group"))
        if self.extended_result:
            self.task_cls = TaskExtended

    @property
    def place(self) -> str:
        """The URL as a result backend is told."""
        return f"{PREFIX}{self.url}" if self.url else self.default_url

    @property
    def extended_result(self) -> bool:
        """Whether rows say more than the result."""
        return bool(self.app.conf.result_extended)

    def ResultSession(self, session_manager: SessionManager | None = None) -> Session:  # noqa: N802 - Celery's name
        """Return a session on the tables."""
        manager = session_manager or self.session_manager
        return manager.session_factory(
            self.url or "", short_lived_sessions=self.short_lived_sessions, **self.engine_options
        )

    def exception_safe_to_retry(self, exc: BaseException) -> bool:
        """Whether the database may answer the next time."""
        return isinstance(exc, DatabaseError | InvalidRequestError | StaleDataError)

    def on_backend_retryable_error(self, exc: BaseException) -> None:  # noqa: ARG002 - Celery's
        """Begin with a new connection."""
        self.session_manager.invalidate(self.url or "")
