"""What a result looks like in Redis: its key, its life, and what it must not replace.

Used by the Redis store, and by the Redis intake when a result rides on a script of the broker.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from taskq.adapters.results.packing import Packing
from taskq.ports import ResultRecord
from taskq.states import FAILURE, READY_STATES, REVOKED, SUCCESS, precedence

_STATE_IN_JSON: Final = re.compile(rb'^\{"status": ?"(\w+)"')
_STATE_ANYWHERE: Final = re.compile(rb'status"?[^\w]+([A-Z]+)')
# First byte -> how the rest is written.  Other writers may use another serializer than ours.
_PICKLE: Final = b"\x80"
_PICKLE_PROTOCOLS: Final = b"\x02\x03\x04\x05"
_MSGPACK_MAPS: Final = frozenset({*range(0x80, 0x90), 0xDE, 0xDF})


class ResultWrite(NamedTuple):
    """One result to be written."""

    key: str
    life_ms: int  # 0: for ever
    # States that it does not replace, with a space around each; where the payload does not show
    # its own state, that follows behind an equals sign.
    blockers: str
    payload: bytes


def result_write(record: ResultRecord, key_prefix: str, packing: Packing) -> ResultWrite:
    """Say how a record is written."""
    blockers = blockers_of(record.state)
    return ResultWrite(
        key_prefix + record.task_id,
        life_ms(record.expires_s),
        blockers if packing.method is None else f"{blockers}={record.state}",
        packing.pack(record.payload),
    )


def life_ms(expires_s: float | None) -> int:
    """How long a key lives; 0: for ever."""
    return max(1, int(expires_s * 1000)) if expires_s else 0


@lru_cache(maxsize=256)
def blockers_of(state: str) -> str:
    """States that are more final than the given one, and success, which nothing replaces."""
    more_final = [
        name
        for name in (SUCCESS, FAILURE, REVOKED)
        if name == SUCCESS or (precedence(name) < precedence(state) and state not in READY_STATES)
    ]
    return f" {' '.join(more_final)} "


def state_of(payload: bytes) -> str:
    """Read the state out of a stored result, whatever it is written in."""
    found = _STATE_IN_JSON.match(payload) or _STATE_ANYWHERE.search(payload)
    return found.group(1).decode() if found else ""


def content_of(payload: bytes) -> tuple[str, str]:
    """Return content type and encoding of a stored result, which says neither itself."""
    first = payload[:1]
    if first == _PICKLE and payload[1:2] in _PICKLE_PROTOCOLS and payload[1:2]:
        return "application/x-python-serialize", "binary"
    if first and first[0] in _MSGPACK_MAPS:
        return "application/x-msgpack", "binary"
    if first in {b"{", b"[", b'"'}:
        return "application/json", "utf-8"
    return "application/x-yaml", "utf-8"
