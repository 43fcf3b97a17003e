"""Deliveries that wait for their time.

A time in a message is a wall time; what a driver can wait for is a span.  So an entry stands
here under the moment, on the clock that never goes back, at which its wall time should have
come, and is looked at again then: the wall clock may have been set meanwhile.
"""

from __future__ import annotations

from heapq import heappop, heappush

from taskq.core.rates import NEVER
from taskq.ports import Reading


class Held:
    """Tokens by the moment at which they are due."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._due_s: dict[int, float] = {}  # token -> wall time

    def __len__(self) -> int:
        return len(self._due_s)

    @property
    def next_s(self) -> float:
        """When to look again."""
        return self._heap[0][0] if self._heap else NEVER

    def add(self, token: int, due_s: float, now: Reading) -> None:
        """Keep until a wall time."""
        self._due_s[token] = due_s
        heappush(self._heap, (now.elapsed_s + (due_s - now.wall_s), token))

    def remove(self, token: int) -> None:
        """Forget; nothing happens if it is not here."""
        self._due_s.pop(token, None)

    def clear(self) -> None:
        """Forget all."""
        self._heap.clear()
        self._due_s.clear()

    def due(self, now: Reading) -> list[int]:
        """Return what is due, and keep it no longer."""
        found: list[int] = []
        while self._heap and self._heap[0][0] <= now.elapsed_s:
            token = heappop(self._heap)[1]
            due_s = self._due_s.get(token)
            if due_s is None:
                continue
            if due_s > now.wall_s:  # the wall clock was set back meanwhile
                self.add(token, due_s, now)
                continue
            del self._due_s[token]
            found.append(token)
        return found
