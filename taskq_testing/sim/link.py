"""The way from a node to a server, and what can be wrong with it.

Every call of a port goes over a ``Link`` twice: its request before it takes effect, its reply
afterwards.  A ``Trouble`` on the link, or at the server (for all nodes at once), may make either
wait, get lost or be refused.  So a publish has three outcomes, as in production: stored, not
stored, or unknown to the sender because only the reply was lost.

Owned here: waiting and refusing.  Not owned: connections that break (``broker``, ``fleet``), what a
message turns into (``broker/editing.py``), when troubles come and go (``taskq_testing.faults``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, Final, Protocol

from taskq.errors import OperationalError


class Call(StrEnum):
    """What a node asks of a server."""

    CONNECT = "connect"
    PUBLISH = "publish"
    TAKE = "take"
    SETTLE = "settle"
    COMMIT = "commit"
    RENEW = "renew"
    LOOK = "look"
    WRITE = "write"
    READ = "read"


ALL: Final = frozenset(Call)
WRITING: Final = frozenset({Call.PUBLISH, Call.COMMIT, Call.WRITE})
# What changes anything on a server that keeps everything in one place.
CHANGING: Final = WRITING | {Call.TAKE, Call.SETTLE, Call.RENEW}


# Who asks again at once must not do so for ever at one moment of virtual time.
ROUND_TRIP_S: Final = 0.01


class Way(Protocol):
    """The node that calls."""

    def now_s(self) -> float:
        """The elapsed time of the world."""

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""

    def pause(self) -> None:
        """Others may go first."""

    def say(self, what: str, **facts: Any) -> None:
        """Write to the trace."""


class Trouble:
    """Something that is wrong.  By itself it does nothing."""

    calls: frozenset[Call] = ALL
    over = False  # it has happened, and goes

    def go(self, way: Way, call: Call, size: int, limit_s: float | None) -> None:
        """A request sets out."""

    def come(self, way: Way, call: Call) -> None:
        """Its reply comes back."""


class Slow(Trouble):
    """Every call takes longer: for its way, and for its bytes."""

    def __init__(
        self, seconds: float, s_per_byte: float = 0.0, calls: frozenset[Call] = ALL
    ) -> None:
        self._seconds, self._s_per_byte, self.calls = seconds, s_per_byte, calls

    def go(self, way: Way, call: Call, size: int, limit_s: float | None) -> None:
        """Wait; who has no patience gives up."""
        del call
        _wait(way, self._seconds + size * self._s_per_byte, limit_s)


class Hold(Trouble):
    """Calls wait until a moment: nobody answers, and nobody says no."""

    def __init__(self, until_s: float, calls: frozenset[Call] = ALL) -> None:
        self._until_s, self.calls = until_s, calls

    def go(self, way: Way, call: Call, size: int, limit_s: float | None) -> None:
        """Wait; who has no patience gives up."""
        del call, size
        _wait(way, self._until_s - way.now_s(), limit_s)


class Refuse(Trouble):
    """The server answers no; at most so many times.  To hear it takes a moment."""

    def __init__(self, reason: str, calls: frozenset[Call] = ALL, times: int | None = None) -> None:
        self._reason, self.calls, self._left = reason, calls, times

    def go(self, way: Way, call: Call, size: int, limit_s: float | None) -> None:
        """Raise."""
        del call, size, limit_s
        if self._left is not None:
            self._left -= 1
            self.over = self._left <= 0
        way.sleep(ROUND_TRIP_S)
        raise OperationalError(self._reason)


class Silent(Trouble):
    """One direction, or both, of a connection that looks whole: who waits notices at last."""

    def __init__(
        self, until_s: float, notice_s: float, *, requests: bool = True, replies: bool = True
    ) -> None:
        self._until_s, self._notice_s = until_s, notice_s
        self._requests, self._replies = requests, replies

    def go(self, way: Way, call: Call, size: int, limit_s: float | None) -> None:
        """The request does not arrive."""
        del size
        if self._requests:
            self._vanish(way, call, limit_s)

    def come(self, way: Way, call: Call) -> None:
        """It has taken effect, and nobody hears of it."""
        if self._replies:
            self._vanish(way, call, None)

    def _vanish(self, way: Way, call: Call, limit_s: float | None) -> None:
        left_s = self._until_s - way.now_s()
        if left_s > 0:
            _wait(way, min(left_s, self._notice_s), limit_s)
            raise OperationalError(f"no answer to {call.value} for {self._notice_s:g}s")


class Lose(Trouble):
    """The nth request, or the nth reply, is lost with its connection."""

    def __init__(
        self, calls: frozenset[Call], *, nth: int = 1, reply: bool, lost: Callable[[], object]
    ) -> None:
        self.calls, self._left, self._reply, self._lost = calls, nth, reply, lost

    def go(self, way: Way, call: Call, size: int, limit_s: float | None) -> None:
        """Count, and lose it."""
        del way, size, limit_s
        self._left -= 1
        if not self._left and not self._reply:
            self._lose(call)

    def come(self, way: Way, call: Call) -> None:
        """Lose it."""
        del way
        if not self._left and self._reply:
            self._lose(call)

    def _lose(self, call: Call) -> None:
        self.over = True
        self._lost()
        what = "reply to" if self._reply else "request to"
        raise OperationalError(f"connection lost with the {what} {call.value}")


class Detour(Trouble):
    """A request that is made once more: the server had to be told what it had forgotten."""

    def __init__(self, calls: frozenset[Call], times: int) -> None:
        self.calls, self._left = calls, times

    def go(self, way: Way, call: Call, size: int, limit_s: float | None) -> None:
        """Go twice: time may pass, and others come between."""
        del size, limit_s
        self._left -= 1
        self.over = self._left <= 0
        way.say("broker.reload", call=call.value)
        way.pause()


class Troubles:
    """Those of one link, or of one server."""

    def __init__(self) -> None:
        self.all: dict[Trouble, None] = {}

    def add(self, trouble: Trouble) -> None:
        """Something is wrong from now on."""
        self.all[trouble] = None

    def end(self, trouble: Trouble) -> None:
        """It is over."""
        self.all.pop(trouble, None)


class Link:
    """The way from one node to one server."""

    def __init__(self, server: Troubles | None = None) -> None:
        self.cut = False
        self.reason = ""
        self.own = Troubles()
        self.server = server or Troubles()

    @property
    def calm(self) -> bool:
        """Nothing is wrong but, perhaps, that it is cut."""
        return not self.own.all and not self.server.all

    def go(self, way: Way, call: Call, size: int, limit_s: float | None) -> None:
        """Send a request."""
        for troubles, trouble in self._about(call):
            try:
                trouble.go(way, call, size, limit_s)
            finally:
                _tidy(troubles, trouble)

    def come(self, way: Way, call: Call) -> None:
        """Get the reply."""
        for troubles, trouble in self._about(call):
            try:
                trouble.come(way, call)
            finally:
                _tidy(troubles, trouble)

    def _about(self, call: Call) -> Iterable[tuple[Troubles, Trouble]]:
        both = (self.own, self.server)
        return [(some, each) for some in both for each in some.all if call in each.calls]


def _tidy(troubles: Troubles, trouble: Trouble) -> None:
    if trouble.over:
        troubles.end(trouble)


def _wait(way: Way, seconds: float, limit_s: float | None) -> None:
    if limit_s is not None and limit_s < seconds:
        way.sleep(limit_s)
        raise OperationalError(f"no answer within {limit_s:g}s")
    if seconds > 0:
        way.sleep(seconds)
