"""News from other threads for the thread that collects, with one descriptor to watch.

The pools of threads and of coroutines put events in; the runtime's thread takes them out.  Owned
here: the order of events, and one pipe that is readable while there may be any.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock
from typing import Final, Generic, TypeVar
from weakref import finalize

from taskq.ports import PoolEvent

DRAIN_BYTES: Final = 4096
Sender = TypeVar("Sender")


class Mailbox(Generic[Sender]):
    """Many threads put, one takes; nobody waits.  Each event comes with who put it."""

    def __init__(self) -> None:
        self._events: deque[tuple[Sender, PoolEvent]] = deque()
        self._rung = False
        self.reads, self._writes = os.pipe()
        # Where nobody closes it, the pipe lives as long as anybody who knows it.
        self._let_go = finalize(self, _close, self.reads, self._writes)
        self._ringing = Lock()
        os.set_blocking(self.reads, False)
        os.set_blocking(self._writes, False)

    def put(self, sender: Sender, event: PoolEvent) -> None:
        """Add an event, and ring unless the bell rings already."""
        # The order is what matters: an event that is in before the taker resets the bell is
        # taken; one that comes after it rings again.
        self._events.append((sender, event))
        if not self._rung:
            self._rung = True
            # A body that was given up may still put something after the end.
            with self._ringing, suppress(BlockingIOError):  # a full pipe is readable
                if self._let_go.alive:
                    os.write(self._writes, b"!")

    @property
    def watched(self) -> Sequence[int]:
        """What is readable while there may be news."""
        return (self.reads,) if self._let_go.alive else ()

    def close(self) -> None:
        """Let go of the pipe: nobody waits any more."""
        with self._ringing:
            self._let_go()

    def take(self) -> Sequence[tuple[Sender, PoolEvent]]:
        """Return what is there now."""
        if self._let_go.alive:
            self._empty_pipe()
        self._rung = False
        events: list[tuple[Sender, PoolEvent]] = []
        with suppress(IndexError):  # it is empty
            while True:
                events.append(self._events.popleft())
        return events

    def _empty_pipe(self) -> None:
        with suppress(BlockingIOError):
            os.read(self.reads, DRAIN_BYTES)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
