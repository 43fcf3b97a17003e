"""What an intake was given without a lease: by a channel, or by a queue without acks.

Nobody else has such a message, so what becomes of it is done here: one that is not due waits in
this worker, and is gone with it, as all that a channel gave.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple


class Given(NamedTuple):
    """One message without a lease."""

    queue: str
    raw: bytes


class Loose:
    """All of them that are not settled."""

    def __init__(self) -> None:
        self._out: dict[int, Given] = {}
        self._waiting: list[tuple[float, int, Given]] = []
        self._numbers = count()

    @property
    def out(self) -> Mapping[int, Given]:
        """What was given and is not settled, by its tag."""
        return self._out

    @property
    def next_s(self) -> float | None:
        """When the next is due, on the clock that never goes back."""
        return self._waiting[0][0] if self._waiting else None

    def give(self, tag: int, given: Given) -> None:
        """Note what goes out under a tag."""
        self._out[tag] = given

    def settle(self, tags: Iterable[int]) -> None:
        """Forget what these were."""
        for tag in tags:
            self._out.pop(tag, None)

    def keep(self, tag: int, until_s: float) -> None:
        """Take one back until its time."""
        given = self._out.pop(tag)
        heappush(self._waiting, (until_s, next(self._numbers), given))

    def due(self, now_s: float) -> list[Given]:
        """Return those whose time has come."""
        ready: list[Given] = []
        while self._waiting and self._waiting[0][0] <= now_s:
            ready.append(heappop(self._waiting)[2])
        return ready
