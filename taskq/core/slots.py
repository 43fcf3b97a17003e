"""One slot of the pool as the core sees it: what it was given, and whether it hangs.

The rooms of a worker tell a slot of each job and of the time.  Owned here: the expected load of a
slot, and the moment at which its batch is worth recalling.  Not owned: which slot gets what, and
whether there is another one for what comes back.

A batch is a bet that its tasks are short.  Where one of them is not (a cache miss), those behind
it wait though other slots may be idle, so the bet is called off: the slot is asked to give back
what it has not begun, and gets nothing more until its oldest job has ended.
"""

from __future__ import annotations

from typing import Final

from taskq.ports import Reading

# A job that is out for so much longer than it was expected to take holds up those behind it.
# Long against a hiccup of the machine and against the 50 ms after which a pool looks for endings
# that wait in a child, short for whoever waits for a result.
PATIENCE_S: Final = 0.25


class Slot:
    """One place where a body runs, and what it was given."""

    __slots__ = (
        "_answered_s",
        "killed_by",
        "load_s",
        "number",
        "pid",
        "recalling",
        "since_s",
        "tokens",
    )

    def __init__(self, number: int, pid: int) -> None:
        self.number, self.pid = number, pid
        self.tokens: dict[int, float] = {}  # token -> seconds it was expected to take; in order
        self.load_s = 0.0
        self.recalling = False  # it was asked to give back, and has not answered
        self.killed_by: int | None = None  # the signal that is to end its oldest job
        self.since_s = 0.0  # when its oldest job became its oldest
        self._answered_s = float("-inf")  # when it last answered

    def add(self, token: int, expected_s: float, now_s: float) -> None:
        """It was given a job."""
        if not self.tokens:
            self.since_s = now_s
        self.tokens[token] = expected_s
        self.load_s += expected_s

    def remove(self, token: int, now_s: float) -> None:
        """It has a job no longer."""
        if token not in self.tokens:
            return
        if token == self.oldest:
            self.since_s = now_s
            self.killed_by = None
        expected_s = self.tokens.pop(token)
        self.load_s = self.load_s - expected_s if self.tokens else 0.0

    def answered(self, now_s: float) -> None:
        """It has given back what it had not begun."""
        self.recalling = False
        self._answered_s = now_s

    @property
    def oldest(self) -> int:
        """The token of the job that it runs, or is about to run."""
        return next(iter(self.tokens))

    def out_s(self, now_s: float) -> float:
        """For how long its oldest job has been that."""
        return now_s - self.since_s

    def started(self, now: Reading) -> Reading:
        """Since when its oldest job has been that."""
        return Reading(now.wall_s - self.out_s(now.elapsed_s), self.since_s)

    def takes(self, budget_s: float, now_s: float) -> bool:
        """Whether it may be given more."""
        return (
            self.load_s < budget_s
            and not self.recalling
            and self.killed_by is None
            and (not self.tokens or now_s < self._overdue_at_s)
        )

    @property
    def recall_at_s(self) -> float | None:
        """From when on what waits in it is worth recalling; None: nothing waits, or it was asked.

        What is left after an answer has ended already or is about to be told, so the next
        question has time.
        """
        if len(self.tokens) <= 1 or self.recalling:
            return None
        return max(self._overdue_at_s, self._answered_s + PATIENCE_S)

    @property
    def _overdue_at_s(self) -> float:
        return self.since_s + self.tokens[self.oldest] + PATIENCE_S
