"""How messages, queues, bindings and channels look in Redis: kombu's layout, byte for byte.

Pure functions and one record of names; used by the Redis broker and its intake.  The layout is
that of kombu 5.7's own Redis transport, so that its clients and workers meet ours on one key.
"""

from __future__ import annotations

import json
import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from bisect import bisect
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from kombu.utils.json import JSONEncoder
from kombu.utils.json import loads as kombu_loads

from taskq.ports import Message, QueueSpec

SEP: Final = "\x06\x16"
PRIORITY_STEPS: Final = (0, 3, 6, 9)
HIGHEST_PRIORITY: Final = 9
DELIVERIES: Final = "taskq-deliveries"
# kombu keeps a binding of an expiring queue for twice the queue's life, and at least an hour.
BINDING_LIVES: Final = 2
SHORTEST_BINDING_MS: Final = 60 * 60 * 1000

_encode: Final = JSONEncoder().encode
_decode: Final = json.JSONDecoder().decode
_MARKED: Final = b'"__type__"'


class Layout:
    """Names of keys and channels under the given transport options."""

    def __init__(self, options: Mapping[str, Any], db: int) -> None:
        self.prefix: str = options.get("global_keyprefix") or ""
        self.sep: str = options.get("sep") or SEP
        self.steps: tuple[int, ...] = tuple(options.get("priority_steps") or PRIORITY_STEPS)
        self.fanout_patterns = bool(options.get("fanout_patterns", True))
        fanout = options.get("fanout_prefix", True)
        text = fanout if isinstance(fanout, str) else ("/{db}." if fanout else "")
        self.fanout_prefix = text.format(db=db)
        self.dead = self.key("taskq.dead")
        self.workers = self.key("taskq.workers")
        self.binding_deadlines = self.key("_kombu.binding_deadlines")

    def key(self, name: str) -> str:
        """Put the prefix of this application in front."""
        return f"{self.prefix}{name}"

    def lease(self, token: str) -> str:
        """Messages that one intake has taken: tag -> list and envelope."""
        return f"{self.prefix}taskq.lease.{token}"

    def claimed(self, token: str) -> str:
        """Tags of those whose body may have started."""
        return f"{self.prefix}taskq.claimed.{token}"

    def taken_over(self, token: str) -> str:
        """Says that another worker has taken over what this intake had."""
        return f"{self.prefix}taskq.taken.{token}"

    def bindings(self, exchange: str) -> str:
        """Which queues are bound to an exchange."""
        return f"{self.prefix}_kombu.binding.{exchange}"

    def permanent_bindings(self, exchange: str) -> str:
        """Those of them that do not lapse."""
        return f"{self.prefix}_kombu.binding_permanent.{exchange}"

    def list_of(self, queue: str, priority: Any = 0) -> str:
        """Return the list for messages of this priority."""
        try:
            number = max(0, min(int(priority), HIGHEST_PRIORITY))
        except (TypeError, ValueError):
            number = 0
        step = self.steps[bisect(self.steps, number) - 1]
        return f"{self.prefix}{queue}{self.sep}{step}" if step else f"{self.prefix}{queue}"

    def lists_of(self, queue: str) -> tuple[str, ...]:
        """Return all lists of a queue, the one that is served first in front."""
        return tuple(self.list_of(queue, step) for step in self.steps)

    def member(self, queue: QueueSpec, exchange_type: str, routing_key: str) -> str:
        """Return how a binding is written in the set of its exchange."""
        pattern = topic_pattern(routing_key) if exchange_type == "topic" else ""
        return self.sep.join((routing_key, pattern, queue.name))

    def channel(self, exchange: str, routing_key: str) -> str:
        """Return the channel to which a fanout exchange publishes."""
        base = f"{self.prefix}{self.fanout_prefix}{exchange}"
        return f"{base}/{routing_key}" if routing_key and self.fanout_patterns else base

    def pattern(self, exchange: str, routing_key: str) -> str:
        """Return the pattern to which a queue bound to a fanout exchange listens."""
        return self.channel(exchange, routing_key.replace("#", "*"))

    def queues_bound(
        self, members: Sequence[bytes], exchange_type: str, routing_key: str
    ) -> list[str]:
        """Return the queues to which a message goes, each once, in a settled order."""
        found = set()
        for member in members:
            key, pattern, queue = [*member.decode().split(self.sep, 2), "", ""][:3]
            if not queue:
                continue
            if exchange_type == "topic":
                matched = bool(_compiled(pattern or topic_pattern(key)).match(routing_key))
            else:
                matched = key == routing_key
            if matched:
                found.add(queue)
        return sorted(found)


def topic_pattern(routing_key: str) -> str:
    """Write a topic's binding key as the regular expression that kombu keeps beside it."""
    wildcards = {"*": r"[^\.]+", "#": r".*?"}
    words = [wildcards.get(word) or _escaped(word) for word in routing_key.split(".")]
    return "^" + r"\.".join(words) + "$"


def _escaped(word: str) -> str:
    """Escape as kombu does, which escapes more than ``re.escape``: others read the pattern."""
    return "".join(
        letter
        if letter.isalnum() or letter in "#*"
        else "\\000"
        if letter == "\0"
        else "\\" + letter
        for letter in word
    )


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


# -- envelopes -----------------------------------------------------------------------------------

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
    except Exception as error:  # noqa: BLE001 - boundary: bytes may do anything to a parser
        raise ValueError(f"no JSON ({type(error).__name__}: {error})") from None
    if not isinstance(parsed, dict):
        raise ValueError(f"a JSON {type(parsed).__name__}, not an object")  # noqa: TRY004 - one kind
    for name in ("headers", "properties"):
        if not isinstance(parsed.get(name), dict):
            raise ValueError(f"its {name!r} is no object")  # noqa: TRY004 - one kind
    return parsed


def message_of(parsed: Mapping[str, Any]) -> Message:
    """Read a parsed envelope as a message; raises ``ValueError`` where its body is none."""
    properties = parsed["properties"]
    body = parsed.get("body")
    if not isinstance(body, str):
        raise ValueError("its 'body' is no text")  # noqa: TRY004 - one kind
    try:
        encoded = properties.get("body_encoding") == "base64"
        content = a2b_base64(body) if encoded else body.encode()
    except (Base64Error, UnicodeEncodeError) as error:
        raise ValueError(f"its body is not what body_encoding says: {error}") from None
    return Message(
        headers=parsed["headers"],
        body=content,
        content_type=parsed.get("content-type") or "application/data",
        content_encoding=parsed.get("content-encoding") or "binary",
        properties=properties,
    )


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
    """How often it was given out before."""
    count = parsed["headers"].get(DELIVERIES, 0)
    return count if isinstance(count, int) else 0


def returned(parsed: Mapping[str, Any], *, counted: bool) -> str:
    """Write a message that goes back: marked as kombu marks it, and counted."""
    headers = dict(parsed["headers"])
    properties = dict(parsed["properties"])
    info = properties.get("delivery_info")
    headers["redelivered"] = True
    properties["delivery_info"] = {**(info if isinstance(info, dict) else {}), "redelivered": True}
    if counted:
        headers[DELIVERIES] = deliveries_of(parsed) + 1
    return _encode({**parsed, "headers": headers, "properties": properties})


def dead_entry(raw: bytes, reason: str, at: str, queue: str, node: str) -> str:
    """Write an entry of the dead-letter list; ``message`` is what stood in the queue."""
    entry = {"reason": reason, "at": at, "queue": queue, "node": node}
    try:
        entry["message"] = raw.decode()
    except UnicodeDecodeError:
        entry["message"] = b2a_base64(raw, newline=False).decode("ascii")
        entry["encoding"] = "base64"
    return json.dumps(entry)
