"""Rate limits: how often tasks of one name may start.

What is limited stands in a line of its own task, so it holds up nobody else.  The head of each
line is let out to the others that are ready when its time has come, one at a time: the next one
only when that one has started.  So starts are never closer than the rate allows, however long
slots are busy, but for what ``CATCH_UP_S`` says.

Owned here: lines and their times.  Not owned: who starts, and when it does (``handing.py``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from taskq.ports import Reading

NEVER: Final = float("inf")
# A start that comes late by no more than this does not move those after it: a worker wakes some
# milliseconds late each time, which would add up.
CATCH_UP_S: Final = 0.1
# So much of a line is kept here: work for this long, but no more than this many.
AHEAD_S: Final = 10.0
MOST_IN_LINE: Final = 1000
# What the broker keeps of a line comes back after half of this: a worker that is new may take it.
AWAY_MOST_S: Final = 300.0

_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}


class BadRateError(ValueError):
    """A rate limit cannot be read."""

    def __init__(self, rate: object) -> None:
        super().__init__(rate)
        self.rate = rate

    def __str__(self) -> str:
        return (
            f"{self.rate!r} is no rate limit; say how many in a second, minute or hour, as in "
            "'10/s', '100/m' or '5/h', or a number for each second; 0 or None means no limit"
        )


def parse_rate(rate: str | float | None) -> float:
    """Return how many may start in a second; 0: any number.  Raises ``BadRateError``."""
    if rate is None or rate == "":
        return 0.0
    try:
        if isinstance(rate, str):
            count, _, unit = rate.partition("/")
            found = float(count) / _SECONDS[unit.strip() or "s"]
        else:
            found = float(rate)
    except (KeyError, TypeError, ValueError) as error:
        raise BadRateError(rate) from error
    if not 0.0 <= found < NEVER:  # NaN is no rate either
        raise BadRateError(rate)
    return found


class Line:
    """What waits of one task, and when the next of it may start."""

    __slots__ = ("_away_s", "_last_s", "let_out", "per_s", "said", "tokens")

    def __init__(self, said: str | float | None, per_s: float) -> None:
        self.said, self.per_s = said, per_s
        self.tokens: deque[int] = deque()
        self.let_out: int | None = None  # it has left the line, and has not started
        self._last_s = -NEVER  # when the last one started, by the plan
        self._away_s = -NEVER  # until when the broker keeps the last that it was given

    @property
    def next_s(self) -> float:
        """When the next one may start."""
        return self._last_s + 1 / self.per_s

    @property
    def is_full(self) -> bool:
        """Whether more of it is better kept by the broker."""
        return len(self.tokens) >= min(MOST_IN_LINE, max(1, self.per_s * AHEAD_S))

    def started(self, now_s: float) -> None:
        """One has started."""
        self.let_out = None
        planned_s = self.next_s
        self._last_s = planned_s if 0 <= now_s - planned_s <= CATCH_UP_S else now_s

    def send_away(self, now: Reading) -> float:
        """Return until when the broker should keep one more, as wall time."""
        here_s = now.elapsed_s + len(self.tokens) / self.per_s
        latest_s = now.elapsed_s + AWAY_MOST_S
        self._away_s = min(max(self._away_s, here_s) + 1 / self.per_s, latest_s)
        # Back after half of that: who gets it then may have a shorter line, and a worker whose
        # line is empty while its work is away would waste its share.
        return now.wall_s + (self._away_s - now.elapsed_s) / 2


class Rates:
    """The lines of one worker."""

    def __init__(self, *, kept: bool = True) -> None:
        self._kept = kept  # False: no limit is kept
        self.lines: dict[str, Line] = {}  # of tasks that are limited
        self._told: dict[str, str | float | None] = {}  # limits that were set at run time
        self._free: set[str] = set()  # tasks that are known to have no limit
        self._sharers = 1
        # Whether any task is limited, or was told to be: an attribute, as each message asks.
        self.any = False

    # -- limits ----------------------------------------------------------------------------

    def said(self, task: str, default: str | float | None) -> str | float | None:
        """Return the limit of a task in the words in which it was given."""
        return self._told.get(task, default)

    def line(self, task: str, default: str | float | None) -> Line | None:
        """Return the line of a task; None if it is not limited.

        Raises ``BadRateError``, once; from then on the task is not limited.
        """
        line = self.lines.get(task)
        if line is None and task not in self._free:
            self._free.add(task)
            line = self._open(task, self.said(task, default))
        return line

    def limit(self, task: str, rate: str | float | None) -> list[int]:
        """Set a limit; returns what need not stand in line any more.  Raises ``BadRateError``."""
        per_s = parse_rate(rate)
        self.any = True
        self._told[task] = rate
        self._free.discard(task)
        line = self.lines.get(task)
        if line is None:
            self._open(task, rate)
            return []
        if per_s:
            line.said, line.per_s = rate, per_s / self._sharers
            return []
        return list(self.lines.pop(task).tokens)

    def _open(self, task: str, said: str | float | None) -> Line | None:
        per_s = parse_rate(said)
        if not per_s or not self._kept:
            return None
        self.any = True
        line = self.lines[task] = Line(said, per_s / self._sharers)
        return line

    def share(self, workers: int) -> None:
        """Divide all limits among so many."""
        self._sharers = max(1, workers)
        for line in self.lines.values():
            line.per_s = parse_rate(line.said) / self._sharers

    # -- lines -----------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return sum(len(line.tokens) for line in self.lines.values())

    @property
    def next_s(self) -> float:
        """When the next one may be let out."""
        if not self.lines:
            return NEVER
        standing = (line for line in self.lines.values() if line.tokens and line.let_out is None)
        return min((line.next_s for line in standing), default=NEVER)

    def let_out(self, now_s: float, waits: Callable[[int], bool]) -> list[int]:
        """Return the heads of lines whose time has come, and that may start now."""
        found: list[int] = []
        for line in self.lines.values():
            if line.let_out is not None and not waits(line.let_out):
                line.let_out = None  # it was revoked, or went back to the broker
            if line.tokens and line.let_out is None and line.next_s <= now_s:
                line.let_out = line.tokens.popleft()
                found.append(line.let_out)
        return found

    def started(self, task: str, now_s: float) -> None:
        """One has started."""
        line = self.lines.get(task)
        if line is not None:
            line.started(now_s)

    def put_back(self, task: str, token: int) -> bool:
        """Put one that did not start in front of its line; False if there is none."""
        line = self.lines.get(task)
        if line is not None:
            line.tokens.appendleft(token)
        return line is not None

    def end(self) -> list[int]:
        """Keep no limit any more; returns who still stood in line."""
        tokens = [token for line in self.lines.values() for token in line.tokens]
        self.lines.clear()
        self._kept = False
        return tokens

    def keep(self, waits: Callable[[int], bool]) -> None:
        """Keep only what waits."""
        for line in self.lines.values():
            line.tokens = deque(token for token in line.tokens if waits(token))
