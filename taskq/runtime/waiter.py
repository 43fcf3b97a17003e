"""Waiting for descriptors or for a nudge, in one thread.

``nudge`` may be called from a signal handler or another thread; all else belongs to the loop.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Collection
from contextlib import suppress


class Waiter:
    """Where a loop sleeps."""

    def __init__(self) -> None:
        self._nudge_out, self._nudge_in = socket.socketpair()
        for end in (self._nudge_out, self._nudge_in):
            end.setblocking(False)
        # Not epoll: it forgets a descriptor that is closed, and does not notice that another
        # connection got the same number.  There are few, so handing them over each time is cheap.
        kind = getattr(selectors, "PollSelector", selectors.SelectSelector)
        self._selector: selectors.BaseSelector = kind()
        self._selector.register(self._nudge_out, selectors.EVENT_READ)
        self._registered: set[int] = set()

    def wait(self, seconds: float, watched: Collection[int] = ()) -> frozenset[int]:
        """Return when one of these is readable, after a nudge, or when the time is over.

        What is readable is returned.
        """
        self._watch(set(watched))
        ready = self._selector.select(seconds)
        with suppress(BlockingIOError):
            self._nudge_out.recv(4096)
        return frozenset(key.fd for key, _ in ready)

    def nudge(self) -> None:
        """End the wait, or keep the next one from beginning."""
        # When the buffer is full the loop is awake already; when it is closed, it has ended.
        with suppress(OSError):
            self._nudge_in.send(b"!")

    def close(self) -> None:
        """Wait no longer: at the end of the loop, or in a child, which has no use for it."""
        self._selector.close()
        self._nudge_in.close()
        self._nudge_out.close()

    def _watch(self, wanted: set[int]) -> None:
        if wanted == self._registered:
            return
        for fd in self._registered - wanted:
            self._selector.unregister(fd)
        for fd in wanted - self._registered:
            self._selector.register(fd, selectors.EVENT_READ)
        self._registered = wanted
