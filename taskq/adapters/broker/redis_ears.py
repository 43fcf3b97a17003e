"""Where a listener's messages come in: a channel, or a list read by ``BRPOP``.

A list has a connection of its own, for that is blocked while it waits.  Used by ``redis_inbox``,
which says what is heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from taskq.adapters.broker.redis_link import GoneError, Link, LinkPool
from taskq.adapters.broker.redis_waiting import GRACE_S, PEEK_S, Listener
from taskq.ports import Clock

# How often a list is looked at on a client without sockets.
POLL_S: Final = 0.1
# Messages read from one list in one call.
READ_AT_ONCE: Final = 1000


class Ear(Protocol):
    """Where messages come in."""

    @property
    def descriptors(self) -> list[int]:
        """Sockets on which news come."""

    def open(self) -> None:
        """Begin to hear."""

    def hear(self) -> list[bytes]:
        """Return what has come."""

    def wait(self, timeout_s: float) -> None:
        """Return when there may be something, or the time is over."""

    def close(self) -> None:
        """Hear no more."""


class ChannelEar:
    """Hears channels."""

    def __init__(self, pool: LinkPool, clock: Clock, patterns: Sequence[str]) -> None:
        self._listener = Listener(pool, clock)
        self._patterns = patterns

    @property
    def descriptors(self) -> list[int]:
        """Sockets on which news come."""
        return self._listener.descriptors

    def open(self) -> None:
        """Subscribe."""
        self._listener.listen(dict.fromkeys(self._patterns, ("",)))

    def hear(self) -> list[bytes]:
        """Return what was published."""
        heard = [raw for _, raw in self._listener.drain()]
        self._listener.check()
        return heard

    def wait(self, timeout_s: float) -> None:
        """Wait for something to be published."""
        self._listener.wait(timeout_s)

    def close(self) -> None:
        """Subscribe no longer."""
        self._listener.close()


class ListEar:
    """Hears what is put into some lists."""

    def __init__(self, pool: LinkPool, clock: Clock, keys: Sequence[str]) -> None:
        self._pool, self._clock, self._keys = pool, clock, keys
        self._link: Link | None = None
        self._asked_s = 0.0

    @property
    def descriptors(self) -> list[int]:
        """The socket on which the next message comes."""
        return [] if self._link is None else [self._link.fileno()]

    def open(self) -> None:
        """Connect, and ask for the next message."""
        link = self._pool.fresh()
        before, self._link = self._link, link
        if before is not None:
            before.close()
        self._ask(link)

    def hear(self) -> list[bytes]:
        """Return what has come, and ask for the next."""
        link = self._opened()
        if not link.readable():
            if self._clock.read().elapsed_s - self._asked_s > PEEK_S + GRACE_S:
                raise GoneError("nothing comes on this connection any more")
            return []
        answer = link.answer()
        heard = [answer[1]] if answer else []
        if heard:
            for raws in link.ask_many([("RPOP", key, READ_AT_ONCE) for key in self._keys]):
                heard += raws or ()
        self._ask(link)
        return heard

    def wait(self, timeout_s: float) -> None:
        """Wait for something to be put into a list."""
        self._opened().readable(timeout_s)

    def close(self) -> None:
        """Ask no more."""
        if self._link is not None:
            self._link.close()
        self._link = None

    def _opened(self) -> Link:
        if self._link is None:
            raise GoneError("this inbox is closed")
        return self._link

    def _ask(self, link: Link) -> None:
        link.send("BRPOP", *self._keys, PEEK_S)
        self._asked_s = self._clock.read().elapsed_s


class PollingEar:
    """Looks at what is there, where there is no socket to wait for."""

    def __init__(self, pool: LinkPool, clock: Clock, keys: Sequence[str], channel: Ear) -> None:
        self._pool, self._clock, self._keys, self._channel = pool, clock, keys, channel
        self.descriptors: list[int] = []

    def open(self) -> None:
        """Begin to hear."""
        self._channel.open()

    def hear(self) -> list[bytes]:
        """Return what has come."""
        heard = self._channel.hear()
        if self._keys:
            with self._pool.lent() as link:
                for raws in link.ask_many([("RPOP", key, READ_AT_ONCE) for key in self._keys]):
                    heard += raws or ()
        return heard

    def wait(self, timeout_s: float) -> None:
        """Wait a little."""
        self._clock.sleep(min(timeout_s, POLL_S))

    def close(self) -> None:
        """Hear no more."""
        self._channel.close()
