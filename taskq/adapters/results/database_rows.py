"""A stored meta as a row of Celery's table, and the reverse."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from taskq.ports import Codec, ResultRecord
from taskq.states import READY_STATES

# Parts of a meta that have a column each, encoded.
ENCODED: Final = ("children", "args", "kwargs")
# Parts that have a column as they are.
PLAIN: Final = ("name", "worker", "retries", "queue")


class Rows:
    """How one app's results look in a table: encoded with ``result_serializer``."""

    def __init__(self, codec: Codec, serializer: str) -> None:
        self._codec, self._serializer = codec, serializer
        encoded = codec.encode(None, serializer)
        self._content_type = encoded.content_type
        self._content_encoding = encoded.content_encoding
        self._accept = frozenset({self._content_type})

    def row_of(self, record: ResultRecord, now: datetime) -> dict[str, Any]:
        """Return the columns of a result."""
        meta = self._codec.decode(
            record.payload,
            record.content_type,
            record.content_encoding,
            frozenset({record.content_type}),
        )
        row: dict[str, Any] = {
            "task_id": record.task_id,
            "status": record.state,
            "result": self.encode(meta.get("result")),
            "traceback": meta.get("traceback"),
            "date_done": now,
        }
        children = meta.get("children")
        row["children"] = self.encode(children) if children else None
        if "name" in meta:  # an extended result
            row.update({part: meta.get(part) for part in PLAIN})
            row.update({part: self.encode(meta.get(part)) for part in ("args", "kwargs")})
        if meta.get("stamped_headers"):
            stamps = {name: meta.get(name) for name in meta["stamped_headers"]}
            row["stamps"] = self.encode(
                {"stamped_headers": meta["stamped_headers"], "stamps": stamps}
            )
        return row

    def record_of(self, row: Mapping[str, Any]) -> ResultRecord:
        """Return the result of a row."""
        state = row["status"] or ""
        done = row["date_done"]
        meta: dict[str, Any] = {
            "status": state,
            "result": self.decode(row["result"]),
            "traceback": row["traceback"],
            "children": self.decode(row["children"]) or [],
            "date_done": done.replace(tzinfo=UTC).isoformat()
            if done and state in READY_STATES
            else None,
        }
        if row.get("name") is not None:
            meta.update({part: row.get(part) for part in PLAIN})
            meta.update({part: self.decode(row.get(part)) for part in ("args", "kwargs")})
        stamped = self.decode(row.get("stamps"))
        if stamped:
            meta["stamped_headers"] = stamped.get("stamped_headers")
            meta.update(stamped.get("stamps") or {})
        meta["task_id"] = row["task_id"]
        return ResultRecord(
            row["task_id"], state, self.encode(meta), self._content_type, self._content_encoding
        )

    # -- groups ----------------------------------------------------------------------------------

    def group_column(self, payload: bytes) -> bytes:
        """Return what the table keeps of a group's record: its tuple alone."""
        return self.encode(self.group_value(payload))

    def group_value(self, payload: bytes) -> Any:
        """Return the tuple of a group's record."""
        return self.decode(payload)["result"]

    def group_payload(self, column: bytes) -> bytes:
        """Return the record."""
        return self.encode({"result": self.decode(column)})

    # -- bytes -----------------------------------------------------------------------------------

    def encode(self, value: Any) -> bytes:
        """Return what a column keeps of a value."""
        return self._codec.encode(value, self._serializer).body

    def decode(self, column: bytes | None) -> Any:
        """Return the value of a column."""
        if column is None:
            return None
        return self._codec.decode(
            bytes(column), self._content_type, self._content_encoding, self._accept
        )
