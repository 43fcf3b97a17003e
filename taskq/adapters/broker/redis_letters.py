"""Dead letters in Redis: how one is written, and what can be done with them.

A letter is ``<length>:<JSON of why, who and which queue>`` and then the entry of the lease that it
was taken out of: the list it came from and the bytes that stood there.  Its id is the microsecond
of the server in which it was written, or the next one that is free.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from taskq.adapters.broker.redis_calling import Caller
from taskq.adapters.broker.redis_layout import Layout
from taskq.adapters.broker.redis_operations import Held, read_lease_entry, split_name
from taskq.adapters.broker.redis_scripts_letters import REPLAY
from taskq.adapters.broker.redis_wire import delivery_of, message_of, read_envelope, renewed
from taskq.ports import DeadLetter, Malformed

LETTERS_PER_CALL: Final = 20  # a letter may be as large as a message
NAMES_PER_CALL: Final = 1000
IN_A_SECOND: Final = 1_000_000
# Longer reasons tell nobody more.
LONGEST_REASON: Final = 10_000


def letter_head(reason: str, node: str, queue: str) -> bytes:
    """Write what stands in front of the message; plain ASCII, so nothing in it can be wrong."""
    text = json.dumps({"reason": reason[:LONGEST_REASON], "node": node, "queue": queue}).encode()
    return b"%d:%b" % (len(text), text)


def read_letter(letter_id: str, letter: bytes) -> DeadLetter:
    """Read one; whatever stands there, something comes of it."""
    head, held = _parts(letter)
    reason, node, queue = (str(head.get(name) or "") for name in ("reason", "node", "queue"))
    at_s = int(letter_id) / IN_A_SECOND if letter_id.isdecimal() else 0.0
    read = delivery_of(0, held.raw, queue)
    if isinstance(read, Malformed):
        return DeadLetter(letter_id, None, queue, "", "", reason, node, at_s, raw=held.raw)
    return DeadLetter(
        letter_id,
        read.message,
        queue,
        read.exchange,
        read.routing_key,
        reason,
        node,
        at_s,
        read.attempts,
    )


def _parts(letter: bytes) -> tuple[dict[str, Any], Held]:
    try:
        text, rest = split_name(letter)
        head = json.loads(text)
    except ValueError:
        return {"reason": "this record is damaged"}, Held(letter, "")
    return head if isinstance(head, dict) else {}, read_lease_entry(rest)


class Letters:
    """The dead letters of one database."""

    def __init__(self, caller: Caller, layout: Layout) -> None:
        self._caller, self._layout = caller, layout

    def some(self, limit: int, offset: int) -> Sequence[DeadLetter]:
        """Return some, the newest first."""
        if limit <= 0:
            return []
        ids = self._caller.ask("ZREVRANGE", self._layout.dead, offset, offset + limit - 1)
        return [read_letter(name.decode(), letter) for name, letter in self._read(ids)]

    def count(self) -> int:
        """How many there are."""
        return int(self._caller.ask("ZCARD", self._layout.dead))

    def one(self, letter_id: str) -> DeadLetter | None:
        """Return one, if it is there."""
        found = list(self._read([_named(letter_id)]))
        return read_letter(letter_id, found[0][1]) if found else None

    def replay(self, letter_ids: Sequence[str] | None, life_ms_of: Callable[[str], int]) -> int:
        """Put some (None: all) into their lists; what is no message stays where it is."""
        count = 0
        for some in _slices(self._ids(letter_ids)):
            arguments: list[Any] = []
            for name, letter in self._read(some):
                head, held = _parts(letter)
                text = _as_new(held)
                if text is not None:
                    life_ms = life_ms_of(str(head.get("queue") or ""))
                    arguments += (name, held.key, text, life_ms)
            if arguments:
                count += self._run_replay(arguments)
        return count

    def _run_replay(self, arguments: Sequence[Any]) -> int:
        keys = [self._layout.dead, self._layout.letters]
        return int(self._caller.run(REPLAY, keys, arguments))

    def purge(self, letter_ids: Sequence[str] | None) -> int:
        """Throw some (None: all) away."""
        count = 0
        for some in _slices(self._ids(letter_ids), NAMES_PER_CALL):
            gone, _ = self._caller.transact(
                [
                    ("ZREM", self._layout.dead, *some),
                    ("HDEL", self._layout.letters, *some),
                ]
            )
            count += int(gone)
        return count

    def _ids(self, letter_ids: Sequence[str] | None) -> list[bytes]:
        """Which are meant; of all, the oldest first."""
        if letter_ids is not None:
            return [_named(letter_id) for letter_id in letter_ids]
        return list(self._caller.ask("ZRANGE", self._layout.dead, 0, -1))

    def _read(self, ids: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Read those that are still there."""
        for some in _slices(ids):
            found = self._caller.ask("HMGET", self._layout.letters, *some)
            for name, letter in zip(some, found, strict=True):
                if letter is not None:
                    yield name, letter


def _as_new(held: Held) -> str | None:
    """Write a message as if nobody had ever had it; None where there is none, or no list for it."""
    if not held.key:
        return None
    try:
        parsed = read_envelope(held.raw)
        message_of(parsed)
    except ValueError:
        return None
    return renewed(parsed)


def _named(letter_id: str) -> bytes:
    """Write what somebody has typed; what cannot be written names nothing."""
    return letter_id.encode(errors="replace")


def _slices(ids: Sequence[bytes], size: int = LETTERS_PER_CALL) -> Iterable[Sequence[bytes]]:
    return (ids[at : at + size] for at in range(0, len(ids), size))
