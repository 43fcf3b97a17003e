"""Result metas: what is stored for a task, as a dict, and as bytes.

The order of the keys is that of the reference, so that what is stored is the same text.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from taskq import states
from taskq.app.failure import exception_from_dict, exception_to_dict
from taskq.errors import EncodeError
from taskq.ports import Codec

__all__ = ["MetaCodec", "build_meta"]

# Serializers that keep objects: an exception goes through them as it is.
_KEEPS_OBJECTS: Final = frozenset({"pickle", "application/x-python-serialize"})


def build_meta(
    task_id: str,
    state: str,
    result: Any,
    traceback: str | None,
    request: Any = None,
    *,
    wall_s: float,
    extended: bool = False,
) -> dict[str, Any]:
    """Return the meta of one task; ``result`` is already encodable."""
    done = state in states.READY_STATES
    meta: dict[str, Any] = {
        "status": state,
        "result": result,
        "traceback": traceback,
        "children": _children_of(request),
        "date_done": datetime.fromtimestamp(wall_s, UTC).isoformat() if done else None,
    }
    if request is not None:
        if request.group is not None:
            meta["group_id"] = request.group
        if request.parent_id is not None:
            meta["parent_id"] = request.parent_id
        if extended:
            meta.update(_extended(request))
    meta["task_id"] = task_id
    return meta


def _children_of(request: Any) -> list[Any]:
    children = getattr(request, "_children", None)
    return [child.as_tuple() for child in children] if children else []


def _extended(request: Any) -> dict[str, Any]:
    """What ``result_extended`` adds."""
    delivery_info = request.delivery_info or {}
    found = {
        "name": request.task,
        "args": request.args,
        "kwargs": request.kwargs,
        "worker": request.hostname,
        "retries": request.retries,
        "queue": delivery_info.get("routing_key"),
    }
    if request.stamps:
        found["stamps"] = request.stamps
        found["stamped_headers"] = request.stamped_headers
    return found


class MetaCodec:
    """Metas to bytes and back, as one app is configured."""

    def __init__(self, codec: Codec, serializer: str, accept: frozenset[str]) -> None:
        self.codec, self.serializer, self.accept = codec, serializer, accept
        encoded = codec.encode(None, serializer)
        self.content_type, self.content_encoding = encoded.content_type, encoded.content_encoding
        self.keeps_objects = serializer in _KEEPS_OBJECTS

    def encode(self, meta: Any) -> bytes:
        """Raises ``EncodeError``."""
        return self.codec.encode(meta, self.serializer).body

    def decode(self, payload: bytes) -> dict[str, Any]:
        """Read a meta; the exception in it is made again."""
        meta: dict[str, Any] = self.codec.decode(
            payload, self.content_type, self.content_encoding, self.accept
        )
        if meta.get("status") in states.EXCEPTION_STATES:
            meta["result"] = exception_from_dict(meta["result"])
        return meta

    def decode_any(self, payload: bytes) -> Any:
        """Read a value that is no meta: a saved group, a part of a chord."""
        return self.codec.decode(payload, self.content_type, self.content_encoding, self.accept)

    def is_encodable(self, value: Any) -> bool:
        """Whether a value can be stored."""
        try:
            self.codec.encode(value, self.serializer)
        except EncodeError:
            return False
        return True

    def error(self, error: BaseException) -> Any:
        """Return what stands for an exception in a meta."""
        if self.keeps_objects and self.is_encodable(error):
            return error
        return exception_to_dict(error, self.is_encodable)

    def result(self, state: str, value: Any) -> Any:
        """Return what stands for a result of a state in a meta."""
        if state in states.EXCEPTION_STATES and isinstance(value, BaseException):
            return self.error(value)
        return _plain(value)


def _plain(value: Any) -> Any:
    """Handles of results go as their tuples."""
    as_tuple = getattr(value, "as_tuple", None)
    is_handle = as_tuple is not None and not isinstance(value, Mapping | type)
    return as_tuple() if is_handle else value
