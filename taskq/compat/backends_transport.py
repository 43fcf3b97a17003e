# ruff: noqa: PLR0917 - one record is made of what a task hands over
"""From a slot of a worker to the process that stores: all that a user's class is to be given.

A record carries result, state, traceback and the attributes of the request; ``BackendStore`` makes
a call of ``store_result`` of it.  So a class is called where every other store is: after what
follows from a task was published, and before its message is acknowledged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from taskq import states
from taskq.app.backend import storable
from taskq.app.context import Context
from taskq.app.result import result_from_tuple
from taskq.errors import EncodeError
from taskq.ports import Codec, ResultRecord
from taskq.protocol.exceptions import exception_data, exception_from
from taskq.protocol.result import read_meta

__all__ = ["Told", "read_record", "read_transport", "request_parts", "transport_record"]

# What a request is known by inside, or what the process that runs it alone can have.
_NOT_TOLD: Final = frozenset({"_children", "_protected", "_sent", "timelimit", "callbacks"})
KEEPS_OBJECTS: Final = frozenset({"pickle", "application/x-python-serialize"})


def transport_record(
    backend: Any,
    task_id: str,
    result: Any,
    state: str,
    traceback: str | None,
    request: Any,
    reply_to: str | None,
) -> ResultRecord:
    """Pack it.  Raises ``EncodeError`` if the result cannot be stored."""
    told = {
        "status": state,
        "result": _plain(backend, result),
        "traceback": None if traceback is None else str(traceback),
        "task_id": task_id,
        "request": None if request is None else request_parts(backend, request),
    }
    made = _codec(backend).encode(told, backend.serializer)
    return ResultRecord(
        task_id=task_id,
        state=state,
        payload=made.body,
        content_type=made.content_type,
        content_encoding=made.content_encoding,
        expires_s=backend.failure_expires_s if state == states.FAILURE else backend.expires_s,
        reply_to=reply_to,
    )


def _plain(backend: Any, result: Any) -> Any:
    """Return what stands for a result on its way: an exception as it is where it comes back."""
    if isinstance(result, BaseException):
        if backend.serializer in KEEPS_OBJECTS and backend._comes_back(result):  # noqa: SLF001 - of this package
            return result
        return exception_data(result, backend.is_encodable)
    return storable(result)


def request_parts(backend: Any, request: Any) -> dict[str, Any]:
    """Return the attributes of a request that a class may read."""
    sent = getattr(request, "_sent", None) or {}
    own = getattr(request, "__dict__", {})
    parts = {k: v for k, v in {**sent, **own}.items() if k not in _NOT_TOLD}
    if getattr(request, "chain", None):
        parts.pop("chord", None)  # its last step is the member
    parts["children"] = [each.as_tuple() for each in getattr(request, "children", None) or ()]
    try:
        _codec(backend).encode(parts, backend.serializer)
    except EncodeError:
        parts = {name: value for name, value in parts.items() if backend.is_encodable(value)}
    return parts


class Told:
    """What a record told."""

    def __init__(self, backend: Any, record: ResultRecord) -> None:
        value = _codec(backend).decode(
            record.payload,
            record.content_type,
            record.content_encoding,
            frozenset({record.content_type}),
        )
        self.task_id, self.state = record.task_id, record.state
        self.traceback = value.get("traceback")
        self.result = value.get("result")
        if self.state in states.EXCEPTION_STATES and isinstance(self.result, Mapping):
            self.result = exception_from(self.result)
        parts = value.get("request")
        self.request = None if parts is None else _request(backend.app, dict(parts))


def _request(app: Any, parts: dict[str, Any]) -> Context:
    children = parts.pop("children", ())
    request = Context(**parts)
    request.children = [result_from_tuple(child, app) for child in children]
    return request


def read_record(backend: Any, meta: Mapping[str, Any], task_id: str) -> ResultRecord:
    """Make a record of what a class has read."""
    result = meta.get("result")
    found = {**meta, "task_id": task_id, "result": _plain(backend, result)}
    codec = _codec(backend)
    try:
        made = codec.encode(found, backend.serializer)
    except EncodeError:
        kept = {name: value for name, value in found.items() if backend.is_encodable(value)}
        made = codec.encode(kept, backend.serializer)
    return ResultRecord(
        task_id, str(meta["status"]), made.body, made.content_type, made.content_encoding
    )


def read_transport(backend: Any, record: ResultRecord) -> dict[str, Any]:
    """Return the meta of such a record."""
    accept = frozenset({record.content_type})
    return read_meta(
        _codec(backend).decode(record.payload, record.content_type, record.content_encoding, accept)
    )


def _codec(backend: Any) -> Codec:
    codec: Codec = backend.app.ports.codec
    return codec
