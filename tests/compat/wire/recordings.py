"""Reads recorded messages, and makes them and built ones comparable."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kombu.compression import decompress
from kombu.serialization import loads
from kombu.utils.json import dumps

from taskq.protocol.message import Parts

RECORDED = Path(__file__).parent / "recorded"
TASK_FOLDERS = ("redis", "rabbitmq", "redis_v1", "rabbitmq_v1")

# Recorded ids, and those of apps on paper.
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|id-\d+|thread-oid")
_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+")
# Options that leak into the properties (``argsrepr``, ``origin``) come through on Redis only.
_OF_TRANSPORTS = frozenset(
    {"body_encoding", "content_encoding", "content_type", "delivery_info", "delivery_tag"}
    | {"argsrepr", "origin"}
)


class Recorded(NamedTuple):
    """One recorded message."""

    headers: dict[str, Any]
    properties: dict[str, Any]
    raw_body: bytes
    body: Any  # decoded, by kombu


def files(pattern: str, folders: tuple[str, ...] = TASK_FOLDERS) -> list[Path]:
    """Return recorded files, in a stable order."""
    return sorted(path for folder in folders for path in (RECORDED / folder).glob(pattern))


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def messages(path: Path) -> list[Recorded]:
    """Read all messages of one scenario."""
    return [_read(each) for each in json.loads(path.read_text())["messages"]]


def _read(found: dict[str, Any]) -> Recorded:
    envelope = found.get("envelope")
    if envelope is not None:  # Redis
        headers, properties = envelope["headers"], envelope["properties"]
        raw = base64.b64decode(envelope["body"])
        kind, encoding = envelope["content-type"], envelope["content-encoding"]
    else:
        headers, properties = found["headers"], found["properties"]
        raw = base64.b64decode(found["body_b64"])
        kind, encoding = properties["content_type"], properties["content_encoding"]
    plain = decompress(raw, headers["compression"]) if "compression" in headers else raw
    body = loads(plain, kind, encoding, accept={kind})
    return Recorded(headers, properties, raw, body)


def comparable(found: Sequence[Parts | Recorded], *, in_order: bool = True) -> list[str]:
    """Set aside ids, times, origin, reply queues and what belongs to a transport.

    Ids are renamed in the order in which they appear, so which ids are equal still counts, also
    between messages.  The order of keys in headers and body counts too.
    """
    names: dict[str, str] = {}
    return [_comparable(each, names, in_order) for each in found]


def _comparable(message: Parts | Recorded, names: dict[str, str], in_order: bool) -> str:
    headers = {key: each for key, each in message.headers.items() if key != "compression"}
    if "origin" in headers:
        headers["origin"] = "somebody"
    properties = {
        key: each
        for key, each in sorted(message.properties.items())
        if key not in _OF_TRANSPORTS and not (key == "correlation_id" and _is_own_id(message))
    }
    # Left out on RabbitMQ where a queue was named; other transports say 0 by themselves.
    properties.setdefault("priority", 0)
    if "expiration" in properties:
        properties["expiration"] = "some time"

    def rename(match: re.Match[str]) -> str:
        return names.setdefault(match.group(), f"<{len(names)}>")

    text = dumps([headers, message.body, dict(sorted(properties.items()))], sort_keys=not in_order)
    return _ID.sub(rename, _TIME.sub("some time", text))


def _is_own_id(message: Parts | Recorded) -> bool:
    body_id = message.body["id"] if isinstance(message.body, dict) else None
    return bool(message.properties["correlation_id"] == message.headers.get("id", body_id))


def each_recorded() -> Iterator[tuple[str, Recorded]]:
    """Go through all recorded task messages."""
    for path in [*files("send_*.json"), *files("worker_sends_*.json")]:
        for message in messages(path):
            yield name_of(path), message
