"""Who else is there: the members of a cluster, from what is heard of them.

A worker tells in regular beats that it is there, and how often it does.  Who was not heard for
some of its beats is lost; who says good-bye has left.  Called by ``app.cluster``, which listens.

Owned here: members, and how many answer a newcomer.  Not owned: who is elected (``election.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final
from zlib import crc32

from taskq.ports import Reading

# Who was silent for so many of its beats is lost: one may be late, two may be lost on the way.
BEATS: Final = 3.0
# A beat is never taken to be faster than this, nor slower: what comes over the wire may say much.
FASTEST_S: Final = 2.0
SLOWEST_S: Final = 3_600.0
# What a worker remembers of others at most.
MOST_MEMBERS: Final = 10_000
# So many of a cluster answer the greeting of a newcomer.  All know the same, and with each of n
# answering each, n workers that start together would send n * n messages.
ANSWERERS: Final = 8


class Change(Enum):
    """What becomes of a member; the value is the line of the log."""

    JOINED = "joined the party"
    LEFT = "left"
    LOST = "missed heartbeat"


@dataclass(frozen=True, slots=True)
class News:
    """What has become of one."""

    hostname: str
    change: Change


class Cluster:
    """The members that one worker knows, itself not counted."""

    def __init__(self, hostname: str) -> None:
        self._hostname = hostname
        self._until_s: dict[str, float] = {}  # member -> when it is lost if it stays silent

    @property
    def size(self) -> int:
        """How many workers there are, this one counted."""
        return len(self._until_s) + 1

    @property
    def names(self) -> frozenset[str]:
        """The names of all, this one's too."""
        return frozenset((*self._until_s, self._hostname))

    @property
    def wake_at_s(self) -> float | None:
        """When the next one may be lost, on the clock that never goes back."""
        return min(self._until_s.values(), default=None)

    def heard(self, hostname: str, freq_s: float | None, now: Reading) -> News | None:
        """Somebody is there."""
        if hostname == self._hostname:
            return None
        known = hostname in self._until_s
        if not known and len(self._until_s) >= MOST_MEMBERS:
            return None
        beat_s = min(max(freq_s or FASTEST_S, FASTEST_S), SLOWEST_S)
        self._until_s[hostname] = now.elapsed_s + BEATS * beat_s
        return None if known else News(hostname, Change.JOINED)

    def left(self, hostname: str) -> News | None:
        """Somebody says good-bye."""
        if self._until_s.pop(hostname, None) is None:
            return None
        return News(hostname, Change.LEFT)

    def lost(self, now: Reading) -> list[News]:
        """Return who has been silent for too long, and count them no more."""
        silent = [name for name, until_s in self._until_s.items() if until_s <= now.elapsed_s]
        for name in silent:
            del self._until_s[name]
        return [News(name, Change.LOST) for name in silent]

    def answers(self, newcomer: str) -> bool:
        """Whether this worker is among those that answer a greeting.

        Whom the lot falls on depends on all names alone, so those who know the same members
        agree without a word; who knows few answers rather once too often.
        """
        if self.size <= ANSWERERS:
            return True
        mine = _lot(newcomer, self._hostname)
        return _places_before(mine, (_lot(newcomer, name) for name in self._until_s)) < ANSWERERS


def _lot(newcomer: str, name: str) -> tuple[int, str]:
    return crc32(f"{newcomer}\0{name}".encode()), name


def _places_before(mine: tuple[int, str], lots: Iterable[tuple[int, str]]) -> int:
    return sum(lot < mine for lot in lots)
