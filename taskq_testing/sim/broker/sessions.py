"""What the server knows of those who take from it.  Part of the model of a broker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from taskq.ports import LostMessage
from taskq_testing.sim.topology import Held


@dataclass(slots=True)
class Out:
    """A message that a worker has."""

    held: Held
    claimed: bool = False
    # The worker that had claimed it and was lost; who has it now tells the end of its task.
    lost_of: str = ""
    since_s: float = 0.0  # elapsed time of the world


class Session:
    """One consumer."""

    def __init__(self, node: str, lease_until_s: float, *, unattended: bool = False) -> None:
        self.node = node
        self._unattended = unattended  # somebody else renews it, as long as its link is open
        self.out: dict[int, Out] = {}
        self.unclaimed = 0
        self.last_tag = 0
        self.lease_until_s = lease_until_s
        self.open = True
        self.taken_over: list[int] = []  # tags that went to others while it was silent
        self.found: list[LostMessage] = []  # of lost workers, since it last asked

    def is_over(self, now_s: float) -> bool:
        """Nobody has renewed its lease."""
        return self.lease_until_s <= now_s and not (self._unattended and self.open)

    def give(self, out: Out) -> int:
        """Hand a message over; returns its tag."""
        self.last_tag += 1
        self.out[self.last_tag] = out
        self.unclaimed += not out.claimed
        return self.last_tag

    def drop(self, tag: int) -> Out:
        """Done with it, here."""
        out = self.out.pop(tag)
        self.unclaimed -= not out.claimed
        return out


class Taker(Protocol):
    """Who is told that there may be something in a queue."""

    @property
    def queues(self) -> Mapping[str, Any]:
        """Which queues."""

    def wake(self) -> None:
        """There may be something."""
