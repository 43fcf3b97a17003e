"""What is kept until its time.  Part of the model of a broker; it moves nothing by itself.

Moments here are those of the server's elapsed time, so that no clock of a node is asked.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from taskq_testing.sim.topology import Held


@dataclass(order=True, slots=True)
class Parked:
    """One message, and when it goes back to its queue."""

    leaves_at_s: float
    number: int
    due_s: float = field(compare=False)  # as it was told, wall time
    held: Held = field(compare=False)
    by: object = field(compare=False)  # the node that put it there, as long as it knows


class ParkingLot:
    """All of them, the earliest first."""

    def __init__(self) -> None:
        self._parked: list[Parked] = []
        self._number = 0

    def park(self, held: Held, due_s: float, leaves_at_s: float, by: object) -> None:
        """Keep one."""
        self._number += 1
        insort(self._parked, Parked(leaves_at_s, self._number, due_s, held, by))

    def leave(self, now_s: float) -> list[Held]:
        """Let go of those whose time has come."""
        count = 0
        while count < len(self._parked) and self._parked[count].leaves_at_s <= now_s:
            count += 1
        gone, self._parked = self._parked[:count], self._parked[count:]
        return [parked.held for parked in gone]

    def hasten(self, some: Collection[Parked], now_s: float) -> int:
        """Let some go as soon as possible; returns how many had still to wait."""
        waiting = [each for each in some if each.leaves_at_s > now_s]
        for each in waiting:
            each.leaves_at_s = now_s
        self._parked.sort()
        return len(waiting)

    def next_at_s(self, queues: Collection[str]) -> float | None:
        """When the next one goes to one of some queues."""
        moments = (each.leaves_at_s for each in self._parked if each.held.queue in queues)
        return next(moments, None)

    def listed(self, queues: Collection[str] | None = None) -> Sequence[Parked]:
        """What waits for some queues, or for all."""
        return [each for each in self._parked if queues is None or each.held.queue in queues]

    def remove(self, gone: Collection[Held]) -> None:
        """Take some out."""
        numbers = {id(held) for held in gone}
        self._parked = [each for each in self._parked if id(each.held) not in numbers]
