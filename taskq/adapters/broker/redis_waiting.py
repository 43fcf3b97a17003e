"""How an idle intake notices messages: peeks at lists, and a subscription for fanout queues.

A peek is ``BLMOVE key key RIGHT RIGHT``: it waits for a message and then moves it from the end
of the list to the same end.  Nothing is taken, so a worker that dies while it waits loses
nothing.  Each list needs a connection of its own, for it is blocked while it waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from taskq.adapters.broker.redis_link import ANY, Link, LinkPool
from taskq.ports import Clock

# The server answers a peek after this time at the latest, so that a connection on which nothing
# comes any more can be told from one on which nothing happens.
PEEK_S: Final = 30.0
GRACE_S: Final = 5.0
# More connections than this for waiting alone are not worth it; then lists are polled.
MOST_PEEKS: Final = 16
# A subscription on which nothing came for this long is asked for a sign of life.
QUIET_S: Final = 25.0


@dataclass(slots=True)
class _Peek:
    """One connection that waits at one list."""

    key: str
    link: Link | None = None
    sent_s: float | None = None  # None: not waiting
    # Closed only when its successor is open: a socket that takes the number of one that is
    # still registered with a selector would never be heard.
    broken: Link | None = None


class Peeks:
    """Waits at lists, without taking from them."""

    def __init__(self, pool: LinkPool, clock: Clock, *, has_sockets: bool) -> None:
        self._pool, self._clock = pool, clock
        self._has_sockets = has_sockets
        self._peeks: dict[str, _Peek] = {}

    def watch(self, keys: Sequence[str]) -> None:
        """From now on wait at these lists and no others."""
        wanted = keys if self._has_sockets and len(keys) <= MOST_PEEKS else ()
        for key in set(self._peeks) - set(wanted):
            _drop(self._peeks.pop(key))
        for key in wanted:
            self._peeks.setdefault(key, _Peek(key))

    @property
    def can_wait(self) -> bool:
        """Whether there is anything to watch."""
        return bool(self._peeks)

    @property
    def armed(self) -> bool:
        """Whether a message on any of the lists will be noticed."""
        return bool(self._peeks) and all(peek.sent_s is not None for peek in self._peeks.values())

    @property
    def descriptors(self) -> list[int]:
        """Sockets on which news come."""
        return [
            peek.link.fileno()
            for peek in self._peeks.values()
            if peek.sent_s is not None and peek.link is not None
        ]

    def arm(self) -> None:
        """Begin to wait where nobody waits.  A message that is there already is news at once."""
        now_s = self._clock.read().elapsed_s
        for peek in self._peeks.values():
            if peek.sent_s is not None:
                continue
            if peek.link is None:
                peek.link = self._pool.fresh()
            if peek.broken is not None:
                peek.broken.close()
                peek.broken = None
            try:
                peek.link.send("BLMOVE", peek.key, peek.key, "RIGHT", "RIGHT", PEEK_S)
            except ANY:
                _set_aside(peek)
                raise
            peek.sent_s = now_s

    def drain(self) -> None:
        """Read the news, so that the sockets are quiet again; drop connections that are dead."""
        now_s: float | None = None
        for peek in self._peeks.values():
            if peek.sent_s is None or peek.link is None:
                continue
            try:
                if peek.link.readable():
                    peek.link.answer()
                    peek.sent_s = None
                    continue
            except ANY:
                # It is made anew when it is armed; what is wrong is said by the command
                # that follows on the main connection.
                _set_aside(peek)
                continue
            now_s = self._clock.read().elapsed_s if now_s is None else now_s
            if now_s - peek.sent_s > PEEK_S + GRACE_S:
                _set_aside(peek)

    def close(self) -> None:
        """Let go of all connections; lists stay known."""
        for peek in self._peeks.values():
            _drop(peek)


def _set_aside(peek: _Peek) -> None:
    if peek.link is not None:
        peek.broken = peek.link
    peek.link = peek.sent_s = None


def _drop(peek: _Peek) -> None:
    for link in (peek.link, peek.broken):
        if link is not None:
            link.close()
    peek.link = peek.sent_s = peek.broken = None


class Listener:
    """A subscription: what fanout exchanges publish, for the queues bound to them."""

    def __init__(self, pool: LinkPool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock
        self._queues: dict[bytes, list[str]] = {}
        self._link: Link | None = None
        self._heard_s = 0.0
        self._asked = False

    @property
    def descriptors(self) -> list[int]:
        """Sockets on which news come."""
        return [] if self._link is None else [self._link.fileno()]

    def listen(self, patterns: Mapping[str, Sequence[str]]) -> None:
        """From now on listen to these patterns, each for the queues named."""
        wanted = {pattern.encode(): list(queues) for pattern, queues in patterns.items()}
        if wanted.keys() != self._queues.keys():
            self.close()
        self._queues = wanted
        if wanted and self._link is None:
            self._open()

    def drain(self) -> list[tuple[str, bytes]]:
        """Return queue and envelope of everything that came."""
        got: list[tuple[str, bytes]] = []
        if self._link is None:
            if self._queues:
                self._open()
            return got
        try:
            while self._link.readable():
                reply = self._link.push()
                self._heard_s, self._asked = self._clock.read().elapsed_s, False
                if isinstance(reply, list) and reply and reply[0] == b"pmessage":
                    got.extend((queue, reply[3]) for queue in self._queues.get(reply[1], ()))
        except ANY:
            # Messages to a fanout queue reach who listens; those of the gap are gone, as ever.
            self._open()
        return got

    def check(self) -> None:
        """Tell a dead subscription from a quiet one: two calls in a row without a sign end it."""
        if self._link is None or self._clock.read().elapsed_s - self._heard_s < QUIET_S:
            return
        if self._asked:
            self._open()
            return
        try:
            self._link.send("PING")
        except ANY:
            self._open()
            return
        self._asked = True

    def wait(self, timeout_s: float) -> None:
        """Return when something has come, or the time is over."""
        if self._link is not None:
            self._link.readable(timeout_s)

    def close(self) -> None:
        """Let go of the connection; patterns stay known."""
        if self._link is not None:
            self._link.close()
        self._link = None

    def _open(self) -> None:
        link = self._pool.fresh()
        try:
            link.send("PSUBSCRIBE", *self._queues)
            # From here on every message is heard: a sender that comes later is not missed.
            for _ in self._queues:
                link.push()
        except ANY:
            link.close()
            raise
        # Only now is its predecessor closed, for the same reason as a peek's.
        self.close()
        self._link, self._asked = link, False
        self._heard_s = self._clock.read().elapsed_s
