# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""What an app keeps in its result store, and how it reads it back.

``app.backend`` is one of these.  It knows settings, serializer and metas; the store behind
``app.ports.store`` knows keys and bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from taskq import states
from taskq.canvas.lasting import chord_life_s
from taskq.errors import DecodeError, EncodeError
from taskq.ports import Codec, ResultRecord, ResultStore
from taskq.protocol.result import (
    Extended,
    group_meta,
    pending_meta,
    read_group_meta,
    read_meta,
    read_tree,
    task_meta,
)
from taskq.protocol.saferepr import safe_repr

__all__ = ["Backend", "is_ours", "storable"]

# Celery's names of keys.
TASK_PREFIX: Final = "celery-task-meta-"
GROUP_PREFIX: Final = "celery-taskset-meta-"
CHORD_PREFIX: Final = "chord-unlock-"

# As much as is shown of an argument that cannot be stored.
_ARGUMENT_LIMIT: Final = 1024

# Serializers that keep objects: an exception goes through them as it is, if it can be made again.
_KEEPS_OBJECTS: Final = frozenset({"pickle", "application/x-python-serialize"})


class Backend:
    """The results of one app, as it is configured now."""

    READY_STATES = states.READY_STATES
    UNREADY_STATES = states.UNREADY_STATES
    EXCEPTION_STATES = states.EXCEPTION_STATES

    def __init__(self, app: Any, store: ResultStore | None = None) -> None:
        conf = app.conf
        self.app = app
        self._store = store
        self.serializer: str = conf.result_serializer
        self.extended: bool = conf.result_extended
        self.expires_s = _seconds(conf.result_expires)
        failure = conf.result_failure_expires
        self.failure_expires_s = self.expires_s if failure is None else _seconds(failure)
        self.chord_expires_s = chord_life_s(conf)
        self._codec: Codec = app.ports.codec
        accept = conf.result_accept_content
        self.accept = self._codec.accepted(conf.accept_content if accept is None else accept)
        encoded = self._codec.encode(None, self.serializer)
        self.content_type, self.content_encoding = encoded.content_type, encoded.content_encoding
        self._keeps_objects = self.serializer in _KEEPS_OBJECTS

    @property
    def store(self) -> ResultStore:
        """The store that it was given, else what the app stands on, here."""
        store: ResultStore = self._store or self.app.ports.store
        return store

    # -- values and bytes -------------------------------------------------------------------------

    def encode(self, value: Any) -> bytes:
        """Return what is stored for a value.  Raises ``EncodeError``."""
        return self._codec.encode(value, self.serializer).body

    def decode(self, payload: bytes) -> Any:
        """Return the value of what is stored."""
        return self._codec.decode(payload, self.content_type, self.content_encoding, self.accept)

    def storable(self, value: Any) -> Any:
        """Return what stands for a value in a meta: handles of results go as their tuples."""
        return storable(value)

    def is_encodable(self, value: Any) -> bool:
        """Whether a value can be stored."""
        try:
            self.encode(value)
        except EncodeError:
            return False
        return True

    def _comes_back(self, error: BaseException) -> bool:
        """Whether a reader gets an exception again, which its constructor may refuse."""
        try:
            again = self._codec.decode(
                self.encode(error),
                self.content_type,
                self.content_encoding,
                frozenset({self.content_type}),
            )
        except (EncodeError, DecodeError):
            return False
        return isinstance(again, BaseException)

    def decode_meta(self, payload: bytes) -> dict[str, Any]:
        """Read a meta; an exception in it is made again."""
        return read_meta(self.decode(payload))

    # -- what is stored ---------------------------------------------------------------------------

    def meta(
        self, task_id: str, result: Any, state: str, traceback: str | None, request: Any = None
    ) -> dict[str, Any]:
        """Build the meta of a task."""
        kept = (
            self._keeps_objects
            and isinstance(result, BaseException)
            and not is_ours(result)
            and self._comes_back(result)
        )
        found = task_meta(
            task_id,
            state,
            None if kept else storable(result),
            date_done=self._date_done(state),
            traceback=traceback,
            children=_children_of(request),
            parent_id=getattr(request, "parent_id", None),
            group_id=getattr(request, "group", None),
            extended=_extended(request) if self.extended and request is not None else None,
            can_encode=self.is_encodable,
        )
        if kept:
            found["result"] = result
        return found

    def _date_done(self, state: str) -> str | None:
        if state not in states.READY_STATES:
            return None
        return datetime.fromtimestamp(self.app.ports.clock.read().wall_s, UTC).isoformat()

    def record(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        reply_to: str | None = None,
    ) -> ResultRecord:
        """Build what the store gets.  Raises ``EncodeError`` if the result cannot be stored."""
        payload = self._payload(self.meta(task_id, result, state, traceback, request))
        if request is not None:
            reply_to = request.reply_to
        return ResultRecord(
            task_id=task_id,
            state=state,
            payload=payload,
            content_type=self.content_type,
            content_encoding=self.content_encoding,
            expires_s=self.failure_expires_s if state == states.FAILURE else self.expires_s,
            reply_to=reply_to or None,
            correlation_id=_correlation_of(request, task_id) if reply_to else None,
        )

    def _payload(self, meta: dict[str, Any]) -> bytes:
        """Encode a meta; of arguments that cannot be stored it has what ``repr`` says.

        They came in another serializer than the results': that must not cost a task its result.
        """
        try:
            return self.encode(meta)
        except EncodeError:
            if "args" not in meta:
                raise
        args, kwargs = meta["args"] or (), meta["kwargs"] or {}
        told = {
            "args": [self._told(each) for each in args],
            "kwargs": {name: self._told(each) for name, each in kwargs.items()},
        }
        return self.encode(meta | told)

    def _told(self, value: Any) -> Any:
        return value if self.is_encodable(value) else safe_repr(value, _ARGUMENT_LIMIT)

    def store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **_kwargs: Any,
    ) -> Any:
        """Store the state of a task, now."""
        self.store.store([self.record(task_id, result, state, traceback, request)])
        return result

    # -- what is read -----------------------------------------------------------------------------

    def get_task_meta(self, task_id: str) -> dict[str, Any]:
        """Read the meta of a task; one of which nothing is stored is PENDING."""
        return self.get_many_metas([task_id])[0]

    def get_many_metas(self, task_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Read the metas of many tasks in one round trip."""
        records = self.store.load(task_ids)
        return [
            pending_meta(task_id) if record is None else self.decode_record(record)
            for task_id, record in zip(task_ids, records, strict=True)
        ]

    def decode_record(self, record: ResultRecord) -> dict[str, Any]:
        """Read one record; its own content type counts, not the setting of this reader."""
        try:
            value = self._codec.decode(
                record.payload, record.content_type, record.content_encoding, self.accept
            )
            return read_meta(value)
        except DecodeError as error:
            error.add_note(f"while reading the result of {record.task_id} in {self.store.name}")
            raise

    def get_state(self, task_id: str) -> Any:
        """Read the state of a task."""
        return self.get_task_meta(task_id)["status"]

    def get_result(self, task_id: str) -> Any:
        """Read the result of a task."""
        return self.get_task_meta(task_id).get("result")

    def get_traceback(self, task_id: str) -> Any:
        """Read the traceback of a task."""
        return self.get_task_meta(task_id).get("traceback")

    def forget(self, task_id: str) -> None:
        """Delete what is stored for a task."""
        self.forget_many([task_id])

    def forget_many(self, task_ids: Sequence[str]) -> None:
        """Delete what is stored for many tasks in one round trip."""
        self.store.forget(task_ids)

    # -- keys, in stores of keys and values -------------------------------------------------------

    def get_key_for_task(self, task_id: str, key: str | bytes = "") -> bytes:
        """Return the key of a task's result."""
        return self._key(TASK_PREFIX, task_id, key)

    def get_key_for_group(self, group_id: str, key: str | bytes = "") -> bytes:
        """Return the key of a group's record; with ``.j`` or the like that of its chord."""
        return self._key(GROUP_PREFIX, group_id, key)

    def get_key_for_chord(self, group_id: str, key: str | bytes = "") -> bytes:
        """Return the key of the counter that a Celery keeps of a chord in a store without sets."""
        return self._key(CHORD_PREFIX, group_id, key)

    def _key(self, kind: str, name: str, more: str | bytes) -> bytes:
        # What an operator has put in front of all keys stands in front of the task's too.
        prefix = self.store.key_prefix.removesuffix(TASK_PREFIX)
        tail = more.decode() if isinstance(more, bytes) else more
        return f"{prefix}{kind}{name}{tail}".encode()

    def get(self, key: str | bytes) -> bytes | None:
        """Return what is stored under the key of a task or a group; None where nothing is."""
        text = key.decode() if isinstance(key, bytes) else key
        for kind, load in ((GROUP_PREFIX, self.store.load_group), (TASK_PREFIX, self._load)):
            start = self._key(kind, "", "").decode()
            if text.startswith(start):
                return load(text.removeprefix(start))
        return None

    def _load(self, task_id: str) -> bytes | None:
        [record] = self.store.load([task_id])
        return None if record is None else record.payload

    # -- groups -----------------------------------------------------------------------------------

    def save_group(self, group_id: str, result: Any) -> Any:
        """Keep the ids of a group."""
        payload = self.encode(group_meta(read_tree(result.as_tuple())))
        self.store.save_group(group_id, payload, self.expires_s)
        return result

    def restore_group(self, group_id: str) -> Any:
        """Return the tuple of a saved group; None where there is none."""
        payload = self.store.load_group(group_id)
        return None if payload is None else read_group_meta(self.decode(payload)).as_tuple()

    def delete_group(self, group_id: str) -> None:
        """Forget a saved group; its members stay."""
        self.store.forget_group(group_id)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.store.name}>"


def _correlation_of(request: Any, task_id: str) -> str:
    return getattr(request, "correlation_id", None) or task_id


def _seconds(value: Any) -> float | None:
    """Read a lifetime; 0 and None mean for ever."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    return float(seconds) if seconds else None


def _children_of(request: Any) -> Sequence[Any]:
    children = getattr(request, "_children", None)
    return [child.as_tuple() for child in children] if children else []


def _extended(request: Any) -> Extended:
    delivery_info = request.delivery_info or {}
    return Extended(
        name=request.task,
        args=request.args,
        kwargs=request.kwargs,
        worker=request.hostname,
        retries=request.retries,
        queue=delivery_info.get("routing_key"),
        stamps=request.stamps,
    )


def is_ours(error: BaseException) -> bool:
    """Whether an exception is to go by its name, as in JSON: a reader may have no taskq."""
    return type(error).__module__.partition(".")[0] == "taskq"


def storable(value: Any) -> Any:
    """Return what stands for a value in a meta."""
    as_tuple = getattr(value, "as_tuple", None)
    if as_tuple is None or isinstance(value, Mapping | type):
        return value
    return as_tuple()
