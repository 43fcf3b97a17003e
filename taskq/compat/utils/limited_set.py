"""``LimitedSet``: a set that forgets its oldest, by number and by age."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush
from typing import Any

__all__ = ["LimitedSet"]


class LimitedSet:
    """At most ``maxlen`` items, none older than ``expires`` seconds; at least ``minlen`` stay."""

    # A heap with so many percent of entries that count no more is made anew.
    max_heap_percent_overload = 15

    def __init__(
        self,
        maxlen: int | None = 0,
        expires: float | None = 0,
        data: Any = None,
        minlen: int | None = 0,
    ) -> None:
        self.maxlen, self.minlen, self.expires = maxlen or 0, minlen or 0, expires or 0
        if self.expires < 0:
            raise ValueError("expires cannot be negative!")
        if not 0 <= self.minlen <= self.maxlen and (self.minlen or self.maxlen < 0):
            raise ValueError("minlen must be a positive number, less or equal to maxlen.")
        self._since: dict[Any, float] = {}
        self._heap: list[tuple[float, int, Any]] = []
        self._count = 0
        if data:
            self.update(data)

    def add(self, item: Any, now: float | None = None) -> None:
        """Put one in, as of now."""
        since = time.time() if now is None else now  # noqa: TID251 - outside programs' own clock
        self._put(item, float(since))
        while self.maxlen and len(self._since) > self.maxlen:
            self.pop()

    def _put(self, item: Any, since: float) -> None:
        self._since[item] = since
        self._count += 1
        heappush(self._heap, (since, self._count, item))
        if len(self._heap) * 100 > len(self._since) * (100 + self.max_heap_percent_overload):
            self._renew()

    def _renew(self) -> None:
        self._heap = [
            (since, number, item) for number, (item, since) in enumerate(self._since.items())
        ]
        self._count = len(self._heap)
        heapify(self._heap)

    def update(self, other: Any) -> None:
        """Put several in: another such set, a mapping of items to times, or items."""
        if not other:
            return
        if isinstance(other, LimitedSet):
            other = other.as_dict()
        if isinstance(other, Mapping):
            for item, since in other.items():
                if not isinstance(since, float):
                    raise ValueError(  # noqa: TRY004 - what Celery raises
                        f"the time of {item!r} must be a float, not {since!r}"
                    )
                self._put(item, since)
            self.purge()
            return
        for item in _items(other):
            self.add(item)

    def discard(self, item: Any) -> None:
        """Take one out, if it is there."""
        self._since.pop(item, None)

    pop_value = discard

    def clear(self) -> None:
        """Take out all."""
        self._since.clear()
        self._heap.clear()

    def pop(self, default: Any = None) -> Any:
        """Take out the oldest."""
        while self._heap:
            since, _, item = heappop(self._heap)
            if self._since.get(item) == since:
                del self._since[item]
                return item
        return default

    def purge(self, now: float | None = None) -> None:
        """Let go of those that are too old, or too many."""
        at = time.time() if now is None else now  # noqa: TID251 - as above
        while self.maxlen and len(self._since) > self.maxlen:
            self.pop()
        if not self.expires:
            return
        while len(self._since) > self.minlen >= 0:
            oldest = self._oldest()
            if oldest is None or oldest >= at - self.expires:
                return
            self.pop()

    def _oldest(self) -> float | None:
        while self._heap:
            since, _, item = self._heap[0]
            if self._since.get(item) == since:
                return since
            heappop(self._heap)
        return None

    def as_dict(self) -> dict[Any, float]:
        """Return items with their times."""
        return dict(self._since)

    def __iter__(self) -> Iterator[Any]:
        return iter(sorted(self._since, key=lambda item: self._since[item]))

    def __contains__(self, item: object) -> bool:
        return item in self._since

    def __len__(self) -> int:
        return len(self._since)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LimitedSet) and self._since == other._since

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.maxlen, self.expires, self.as_dict(), self.minlen)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}({len(self)}): maxlen={self.maxlen}, expires={self.expires},"
            f" minlen={self.minlen}>"
        )


def _items(other: Any) -> Iterable[Any]:
    return (other,) if isinstance(other, str | bytes) else other
