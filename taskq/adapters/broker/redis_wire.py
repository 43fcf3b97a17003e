"""How a message stands in Redis: kombu's envelope, byte for byte.

Pure functions, used by the Redis broker and its intake.  Whatever bytes somebody puts into a
list, reading them gives a message or ``ValueError``.
"""

from __future__ import annotations

import json
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from typing import Any, Final

from kombu.utils.json import JSONEncoder
from kombu.utils.json import loads as kombu_loads

from taskq.ports import Delivery, Malformed, Message

# How often a message was given out and came back though it may have begun.
DELIVERIES: Final = "taskq-deliveries"

_encode: Final = JSONEncoder().encode
_decode: Final = json.JSONDecoder().decode
_MARKED: Final = b'"__type__"'
# Properties that say how a message travelled; what it is does not depend on them.
_OF_THE_WAY: Final = ("delivery_info", "body_encoding", "delivery_tag")
# Headers that are written by who gives a message back.
_MARKS: Final = ("redelivered", DELIVERIES)
# So many openings can be nested so deep that a JSON library gives up; fewer cannot.
_DEEP: Final = 500
_MOST_DELIVERIES: Final = 2**31

# Added or replaced by whoever puts a message on a queue.
_OURS: Final = frozenset({"delivery_info", "body_encoding", "delivery_tag", "priority"})


def envelope(message: Message, exchange: str, routing_key: str, tag: str) -> str:
    """Write a message as it stands in a list."""
    given = message.properties
    properties: dict[str, Any] = {key: given[key] for key in given if key not in _OURS}
    if "delivery_mode" not in properties:
        properties["delivery_mode"] = 2
    properties["delivery_info"] = {"exchange": exchange, "routing_key": routing_key}
    properties["priority"] = given.get("priority") or 0
    properties["body_encoding"] = "base64"
    properties["delivery_tag"] = tag
    return _encode(
        {
            "body": b2a_base64(message.body, newline=False).decode("ascii"),
            "content-encoding": message.content_encoding,
            "content-type": message.content_type,
            "headers": message.headers,
            "properties": properties,
        }
    )


def read_envelope(raw: bytes) -> dict[str, Any]:
    """Parse an entry of a list; raises ``ValueError`` where it is no message."""
    try:
        # Most messages hold none of kombu's marked types; a plain parse is several times faster.
        parsed = kombu_loads(raw) if _MARKED in raw else _decode(raw.decode())
        if len(raw) > _DEEP and raw.count(b"[") + raw.count(b"{") > _DEEP:
            _encode(parsed)  # what is nested too deep to be written again could not be given back
    except Exception as error:  # noqa: BLE001 - boundary: bytes may do anything to a parser
        raise ValueError(f"no JSON ({type(error).__name__}: {error})") from None
    if not isinstance(parsed, dict):
        raise ValueError(f"a JSON {type(parsed).__name__}, not an object")  # noqa: TRY004 - one kind
    for name in ("headers", "properties"):
        if not isinstance(parsed.get(name), dict):
            raise ValueError(f"its {name!r} is no object")  # noqa: TRY004 - one kind
    if b"\\u" in raw and (b"\\ud" in raw or b"\\uD" in raw):
        _refuse_half_letters(parsed)
    return parsed


def _refuse_half_letters(parsed: Mapping[str, Any]) -> None:
    """JSON can name halves of letters that no encoding has; a key or a log line cannot."""
    try:
        json.dumps(parsed, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"its text cannot be written: {error}") from None


def message_of(parsed: Mapping[str, Any]) -> Message:
    """Read a parsed envelope as a message; raises ``ValueError`` where its body is none."""
    properties = parsed["properties"]
    body = parsed.get("body")
    if not isinstance(body, str):
        raise ValueError("its 'body' is no text")  # noqa: TRY004 - one kind
    try:
        encoded = properties.get("body_encoding") == "base64"
        content = a2b_base64(body) if encoded else body.encode()
    except ValueError as error:
        raise ValueError(f"its body is not what body_encoding says: {error}") from None
    return Message(
        headers=parsed["headers"],
        body=content,
        content_type=_text(parsed, "content-type", "application/data"),
        content_encoding=_text(parsed, "content-encoding", "binary"),
        properties=properties,
    )


def _text(parsed: Mapping[str, Any], name: str, otherwise: str) -> str:
    value = parsed.get(name) or otherwise
    if not isinstance(value, str):
        raise ValueError(f"its {name!r} is no text")  # noqa: TRY004 - one kind
    return value


def delivery_of(tag: int, raw: bytes, queue: str, *, claimed: bool = False) -> Delivery | Malformed:
    """Read what was taken out of a queue, as a worker gets it."""
    try:
        parsed = read_envelope(raw)
        message = message_of(parsed)
    except ValueError as error:
        return Malformed(tag, queue, raw, str(error))
    exchange, routing_key = place_of(parsed)
    redelivered, attempts = is_redelivered(parsed), deliveries_of(parsed)
    for name in _OF_THE_WAY:
        parsed["properties"].pop(name, None)
    if redelivered or attempts:
        for name in _MARKS:
            parsed["headers"].pop(name, None)
    return Delivery(tag, message, queue, exchange, routing_key, redelivered, attempts, claimed)


def task_id_of(parsed: Mapping[str, Any]) -> str:
    """Return the id of the task that a message is about; empty where it is about none."""
    task_id = parsed["headers"].get("id")
    return task_id if isinstance(task_id, str) else ""


def place_of(parsed: Mapping[str, Any]) -> tuple[str, str]:
    """Return exchange and routing key as the sender gave them."""
    info = parsed["properties"].get("delivery_info")
    if not isinstance(info, dict):
        return "", ""
    return str(info.get("exchange") or ""), str(info.get("routing_key") or "")


def is_redelivered(parsed: Mapping[str, Any]) -> bool:
    """Whether somebody had it before."""
    info = parsed["properties"].get("delivery_info")
    return bool(
        parsed["headers"].get("redelivered") or (isinstance(info, dict) and info.get("redelivered"))
    )


def deliveries_of(parsed: Mapping[str, Any]) -> int:
    """How often it was given out and came back though it may have begun."""
    count = parsed["headers"].get(DELIVERIES)
    if count is None:
        return 0
    return min(max(count, 0), _MOST_DELIVERIES) if isinstance(count, int) else 0


def returned(parsed: Mapping[str, Any], *, counted: bool) -> str:
    """Write a message that goes back: marked as kombu marks it, and counted."""
    headers = {**parsed["headers"], "redelivered": True}
    if counted:
        headers[DELIVERIES] = deliveries_of(parsed) + 1
    return _with(parsed, headers, redelivered=True)


def renewed(parsed: Mapping[str, Any]) -> str:
    """Write a message as if nobody had ever had it."""
    headers = {name: value for name, value in parsed["headers"].items() if name not in _MARKS}
    return _with(parsed, headers, redelivered=False)


def _with(parsed: Mapping[str, Any], headers: Mapping[str, Any], *, redelivered: bool) -> str:
    properties = dict(parsed["properties"])
    info = properties.get("delivery_info")
    info = dict(info) if isinstance(info, dict) else {}
    if redelivered:
        info["redelivered"] = True
    else:
        info.pop("redelivered", None)
    properties["delivery_info"] = info
    return _encode({**parsed, "headers": headers, "properties": properties})
