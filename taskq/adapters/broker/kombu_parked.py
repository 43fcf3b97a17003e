"""What this process has parked on RabbitMQ, as far as it remembers.

A queue of RabbitMQ cannot be looked into without taking its messages out, so what waits in the
delay queues is known to who put it there.  It is remembered here for ``inspect scheduled``, up to
a limit, until its time.  Used by the intakes of one broker, and by whoever asks it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Final

from taskq.ports import Parked

# Of more the oldest are forgotten, which loses nothing but their line in a list.
MOST_MESSAGES: Final = 10_000
MOST_BYTES: Final = 32 * 1024 * 1024


class ParkedBook:
    """A list with a limit.  Safe to use from many threads."""

    def __init__(self, most: int = MOST_MESSAGES, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[int, Parked] = OrderedDict()
        self._number = self._bytes = 0

    def add(self, parked: Parked) -> None:
        """Remember one."""
        with self._lock:
            self._number += 1
            self._entries[self._number] = parked
            self._bytes += len(parked.message.body)
            while self._is_full():
                self._drop([next(iter(self._entries))])

    def listed(self, queues: Collection[str], limit: int, now_s: float) -> Sequence[Parked]:
        """Return what waits for some queues, the earliest first."""
        with self._lock:
            self._drop([at for at, one in self._entries.items() if one.due_s <= now_s])
            found = [one for one in self._entries.values() if one.queue in queues]
        return sorted(found, key=lambda one: one.due_s)[:limit]

    def forget(self, task_ids: Collection[str]) -> None:
        """List these no more."""
        with self._lock:
            gone = [
                at for at, one in self._entries.items() if one.message.headers.get("id") in task_ids
            ]
            self._drop(gone)

    def _is_full(self) -> bool:
        return len(self._entries) > self._most or self._bytes > self._most_bytes

    def _drop(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._bytes -= len(self._entries.pop(number).message.body)
