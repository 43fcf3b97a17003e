"""Hears of results as they are stored: one subscription for each thread that waits.

What is heard is a hint; the store's ``load`` is the truth.  So a message that is missed costs
half a second at most, and no error here is one of the caller's: it shows when it loads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, TypeAlias

from taskq.adapters.broker.redis_link import ANY, Link, LinkPool
from taskq.ports import Clock

Hint: TypeAlias = tuple[str, bytes]  # the key of a result, and what was stored

# The longest wait without looking at what is stored.
LOOK_EVERY_S: Final = 0.5
# How often a connection without a socket is looked at.
POLL_S: Final = 0.02
# Hints that nobody has asked for yet; the oldest are dropped, for they are hints.
MOST_HINTS: Final = 1000


class Listening:
    """One connection that is subscribed to some keys.  Used by one thread at a time."""

    def __init__(self, pool: LinkPool, clock: Clock, *, has_sockets: bool) -> None:
        self._pool, self._clock, self._has_sockets = pool, clock, has_sockets
        self._link: Link | None = None
        self._heard: deque[Hint] = deque(maxlen=MOST_HINTS)
        self.keys: set[str] = set()
        # What was waited for last.  Who waits for many comes again with each hint, and what is the
        # same as before is not gone through again.
        self._ids: tuple[str, ...] = ()
        self._wanted: frozenset[str] = frozenset()
        self._heard_of: AbstractSet[str] | None = None  # known to be among the keys

    def keys_for(self, prefix: str, task_ids: Sequence[str]) -> frozenset[str]:
        """Return the keys of some tasks."""
        if task_ids is not self._ids:
            self._wanted = frozenset(keys_of(prefix, task_ids))
            # A list may be another one the next time.
            self._ids = task_ids if isinstance(task_ids, tuple) else ()
        return self._wanted

    def wait(self, keys: AbstractSet[str], timeout_s: float | None) -> list[Hint]:
        """Return what was heard of these keys, at once if one of them is new, else in time."""
        patience_s = LOOK_EVERY_S if timeout_s is None else min(timeout_s, LOOK_EVERY_S)
        try:
            if self._link is None or not (keys is self._heard_of or self.keys.issuperset(keys)):
                self._subscribe(keys)
                return self._take(keys)
            self._heard_of = keys
            return self._listen(self._link, keys, patience_s)
        except ANY:
            self.close()
            # Not to ask a server that is away over and over; ``load`` says what is wrong.
            self._clock.sleep(max(0.0, patience_s))
            return []

    def stop(self, keys: Collection[str]) -> None:
        """Nobody waits for these any more."""
        gone = self.keys.intersection(keys)
        self.keys -= gone
        self._heard_of = None
        if self._link is None or not gone:
            return
        try:
            self._link.send("UNSUBSCRIBE", *gone)
        except ANY:
            self.close()

    def close(self) -> None:
        """Let go of the connection."""
        if self._link is not None:
            self._link.close()
        self._link = None
        self._heard_of = None
        self.keys.clear()

    def _subscribe(self, keys: Collection[str]) -> None:
        if self._link is None:
            self._link = self._pool.fresh()
            self.keys.clear()
        new = [key for key in keys if key not in self.keys]
        self._link.send("SUBSCRIBE", *new)
        awaited = set(new)
        while awaited:
            reply = self._link.push()
            self._note(reply)
            if isinstance(reply, list) and reply and reply[0] == b"subscribe":
                awaited.discard(reply[1].decode())
        self.keys.update(new)

    def _listen(self, link: Link, keys: AbstractSet[str], patience_s: float) -> list[Hint]:
        deadline_s = self._clock.read().elapsed_s + patience_s
        while True:
            while link.readable():
                self._note(link.push())
            heard = self._take(keys)
            left_s = deadline_s - self._clock.read().elapsed_s
            if heard or left_s <= 0:
                return heard
            if self._has_sockets:
                link.readable(left_s)
            else:
                self._clock.sleep(min(left_s, POLL_S))

    def _note(self, reply: object) -> None:
        if isinstance(reply, list) and reply and reply[0] == b"message":
            self._heard.append((reply[1].decode(), reply[2]))

    def _take(self, keys: AbstractSet[str]) -> list[Hint]:
        if not self._heard:
            return []
        taken = [hint for hint in self._heard if hint[0] in keys]
        kept = [hint for hint in self._heard if hint[0] in self.keys and hint[0] not in keys]
        self._heard.clear()
        self._heard.extend(kept)
        return taken


def keys_of(prefix: str, task_ids: Sequence[str]) -> list[str]:
    """Return the key, and the channel, of each task's result."""
    return [prefix + task_id for task_id in task_ids]
