"""One seed, and out of it a named stream for each use.

A stream depends on the seed and on its name, and on nothing else: not on the hash seed of the
process, not on which other streams exist.  So a new use of chance does not change old runs.

``Choices`` is the one stream that decides what runs next.  What it draws is kept: a run is a
list of small integers, it replays from its seed or from that list, and a list that ran out
answers 0, which means "first come, first served" - so to shorten the list is to simplify the run.
"""

from __future__ import annotations

import hashlib

# The only place of the harness that makes generators; everything else is handed one of these.
from random import Random  # noqa: TID251
from typing import Final

# Priorities are drawn from this many values.  Ties are left to order of arrival, which is
# what a short list of choices means as well.
PRIORITIES: Final = 64
_PRIORITY_BITS: Final = PRIORITIES.bit_length() - 1

_VERSION_4: Final = 0x4000
_VARIANT: Final = 0x8000


def stream(seed: int, name: str) -> Random:
    """Return the generator of one use of one seed."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=16).digest()
    return Random(int.from_bytes(digest, "big"))  # noqa: S311 - reproducible is what is wanted


class SeededRandomness:
    """The ``Randomness`` port of one simulated node."""

    def __init__(self, generator: Random) -> None:
        self._generator = generator

    def uuid(self) -> str:
        """Return a new id in the form of a UUID of version 4."""
        bits = self._generator.getrandbits(128)
        text = f"{bits:032x}"
        third = (bits >> 64) & 0x0FFF | _VERSION_4
        fourth = (bits >> 48) & 0x3FFF | _VARIANT
        return f"{text[:8]}-{text[8:12]}-{third:04x}-{fourth:04x}-{text[20:]}"

    def uniform(self, low: float, high: float) -> float:
        """Draw a number between two bounds."""
        return self._generator.uniform(low, high)

    def urandom(self, size: int) -> bytes:
        """Draw bytes, for what asks the operating system."""
        return self._generator.randbytes(size)


class Choices:
    """Where the scheduler gets its priorities from, and the record of what it got."""

    def __init__(self, seed: int, replay: list[int] | None = None) -> None:
        self.made: list[int] = []
        self._bits = stream(seed, "schedule").getrandbits
        self._replay = None if replay is None else iter(replay)

    def draw(self) -> int:
        """Return the next choice: a priority, 0 the most urgent."""
        replay = self._replay
        choice = self._bits(_PRIORITY_BITS) if replay is None else next(replay, 0)
        self.made.append(choice)
        return choice
