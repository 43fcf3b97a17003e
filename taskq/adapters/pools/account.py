"""What one slot was given, and what of it has ended.

Kept by the side that gives jobs.  A slot runs its jobs in the order in which it got them, so a
count of the jobs that it has begun is all that is needed to know which they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskq.ports import Job


class Account:
    """Tokens, and the number of each among all that the slot was given."""

    __slots__ = ("given", "tokens")

    def __init__(self) -> None:
        self.tokens: dict[int, int] = {}  # without those whose ending has come; in order
        self.given = 0

    def give(self, jobs: Sequence[Job]) -> None:
        """Take jobs in."""
        tokens, number = self.tokens, self.given
        for job in jobs:
            tokens[job.token] = number
            number += 1
        self.given = number

    def settle(self, token: int) -> bool:
        """An ending has come; False where the slot owes none for this token."""
        return self.tokens.pop(token, None) is not None

    def split(self, begun: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return what was begun and has not ended, and what was not begun."""
        started = tuple(token for token, number in self.tokens.items() if number < begun)
        unstarted = tuple(token for token, number in self.tokens.items() if number >= begun)
        return started, unstarted

    def take_back(self, begun: int, until: int) -> tuple[int, ...]:
        """Owe nothing any more for what was not begun of the first so many; returns its tokens."""
        tokens = tuple(token for token, number in self.tokens.items() if begun <= number < until)
        for token in tokens:
            del self.tokens[token]
        return tokens
