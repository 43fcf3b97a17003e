"""Results in MongoDB: ``mongodb://host:27017/database``, documents as Celery writes them.

A final state is kept by one step: the condition is part of the update.  Nothing expires by itself:
the task ``celery.backend_cleanup`` deletes what was written too long ago.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, DuplicateKeyError
from pymongo.uri_parser import parse_uri

from taskq.adapters.results.asking import AskedStore, Asking
from taskq.adapters.results.database_rows import Rows
from taskq.adapters.results.keyvalue import READING, TASK_KEY, WRITING
from taskq.errors import OperationalError
from taskq.ports import EMPTY, Clock, ResultRecord, RetryPolicy
from taskq.states import ALL_STATES, is_less_final

Returned = TypeVar("Returned")

DATABASE: Final = "celery"
TASKS: Final = "celery_taskmeta"
GROUPS: Final = "celery_groupmeta"
# What Celery does not keep: groups within the group, and what stood before it.
TREE: Final = "taskq_tree"


class MongoStore(AskedStore):
    """Implements ``ports.ResultStore`` in two collections."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        rows: Rows,
        settings: Mapping[str, Any] = EMPTY,
        expires_s: float | None = None,
        client: Callable[..., Any] = MongoClient,
    ) -> None:
        parts = parse_uri(url) if url.partition("://")[2].strip("/") else {}
        self._url = url if parts else f"mongodb://{_host(settings)}"
        self._database = parts.get("database") or settings.get("database") or DATABASE
        self._tasks = settings.get("taskmeta_collection") or TASKS
        self._groups = settings.get("groupmeta_collection") or GROUPS
        self._options = {
            "maxPoolSize": settings.get("max_pool_size") or 10,
            **(settings.get("options") or {}),
        }
        login = {name: settings[name] for name in ("username", "password") if settings.get(name)}
        if settings.get("user"):
            login["username"] = settings["user"]
        self._options.update(login)
        self._clock, self._rows, self._expires_s = clock, rows, expires_s
        self._connect = client
        self._client: Any = None
        self._asking = Asking(self.load, clock)

    @property
    def name(self) -> str:
        """Where it is; passwords are starred."""
        scheme, _, rest = self._url.partition("://")
        login, at, place = rest.rpartition("@")
        shown = f"{login.partition(':')[0]}:**@" if at else ""
        return f"{scheme}://{shown}{place}"

    @property
    def key_prefix(self) -> str:
        """As in a store of keys and values, for who asks; documents are found by their id."""
        return TASK_KEY

    # -- results ---------------------------------------------------------------------------------

    def store(self, records: Sequence[ResultRecord]) -> None:
        """Write, where nothing more final is there."""
        for record in records:
            row = self._rows.row_of(record, self._now())
            document = {name: _shown(value) for name, value in row.items() if name != "task_id"}
            kept = sorted(state for state in ALL_STATES if is_less_final(record.state, state))
            wanted = {"_id": record.task_id, "status": {"$nin": kept}}

            def write(wanted: Any = wanted, document: Any = document) -> None:
                tasks = self.collection(self._tasks)
                with suppress(DuplicateKeyError):  # it is there, and more final
                    tasks.update_one(wanted, {"$set": document}, upsert=True)

            self._call(write, WRITING)

    def load(self, task_ids: Sequence[str]) -> Sequence[ResultRecord | None]:
        """Read what is stored now."""
        if not task_ids:
            return []
        wanted = {"_id": {"$in": list(dict.fromkeys(task_ids))}}
        documents = self._call(lambda: list(self.collection(self._tasks).find(wanted)), READING)
        found = {document["_id"]: self._record(document) for document in documents}
        return [found.get(task_id) for task_id in task_ids]

    def _record(self, document: Mapping[str, Any]) -> ResultRecord:
        empty = dict.fromkeys(("result", "traceback", "children", "date_done"))
        row = {name: _bytes(value) for name, value in {**empty, **document}.items()}
        for plain in ("status", "traceback", "name", "worker", "queue"):
            row[plain] = document.get(plain)
        return self._rows.record_of({**row, "task_id": document["_id"]})

    def wait(self, task_ids: Sequence[str], timeout_s: float | None) -> Sequence[ResultRecord]:
        """Return when something may have changed, or the time is over."""
        return self._asking.wait(task_ids, timeout_s)

    def stop_waiting(self, task_ids: Sequence[str]) -> None:
        """This thread waits for these no more."""
        self._asking.stop(task_ids)

    def forget(self, task_ids: Sequence[str]) -> None:
        """Delete."""
        wanted = {"_id": {"$in": list(task_ids)}}
        self._call(lambda: self.collection(self._tasks).delete_many(wanted), WRITING)

    # -- groups: Celery keeps the ids of their members alone -------------------------------------

    def save_group(self, group_id: str, payload: bytes, expires_s: float | None) -> None:  # noqa: ARG002 - one age for all
        """Keep a group's own record."""
        (_, _), members = self._rows.group_value(payload)
        ids = [member[0][0] for member in members or ()]
        document = {
            "result": _shown(self._rows.encode(ids)),
            "date_done": self._now(),
            TREE: _shown(payload),
        }
        self._call(
            lambda: self.collection(self._groups).update_one(
                {"_id": group_id}, {"$set": document}, upsert=True
            ),
            WRITING,
        )

    def load_group(self, group_id: str) -> bytes | None:
        """Read it."""
        wanted = {"_id": group_id}
        document = self._call(lambda: self.collection(self._groups).find_one(wanted), READING)
        if document is None:
            return None
        if TREE in document:
            payload: bytes = _bytes(document[TREE])
            return payload
        members = [[[each, None], None] for each in self._rows.decode(_bytes(document["result"]))]
        return self._rows.encode({"result": [[group_id, None], members]})

    def forget_group(self, group_id: str) -> None:
        """Delete it."""
        self._call(lambda: self.collection(self._groups).delete_one({"_id": group_id}), WRITING)

    # -- housekeeping ----------------------------------------------------------------------------

    def clean_up(self) -> None:
        """Delete documents that are too old."""
        if not self._expires_s:
            return
        old = {"date_done": {"$lt": self._now() - timedelta(seconds=self._expires_s)}}
        for name in (self._tasks, self._groups):
            self._call(lambda name=name: self.collection(name).delete_many(old), WRITING)  # type: ignore[misc]  # the default binds the name

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    # -- talking ---------------------------------------------------------------------------------

    def collection(self, name: str) -> Any:
        """Return a collection, as pymongo has it."""
        if self._client is None:
            self._client = self._connect(self._url, **self._options)
        return self._client[self._database][name]

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.read().wall_s, UTC).replace(tzinfo=None)

    def _call(self, act: Callable[[], Returned], policy: RetryPolicy) -> Returned:
        """Do something; again after a lost connection, for it may be repeated."""
        attempt = 0
        while True:
            try:
                return act()
            except ConnectionFailure as error:
                if policy.max_retries is not None and attempt >= policy.max_retries:
                    raise OperationalError(
                        f"{self.name}: the result store cannot be reached: {error}"
                    ) from error
            self._clock.sleep(policy.pause_s(attempt))
            attempt += 1


def _host(settings: Mapping[str, Any]) -> str:
    host = settings.get("host") or "localhost"
    hosts = host if isinstance(host, str) else ",".join(host)
    return hosts if ":" in hosts else f"{hosts}:{settings.get('port') or 27017}"


def _shown(value: Any) -> Any:
    """Encoded text is kept as text, as Celery does; other bytes as they are."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _bytes(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value
