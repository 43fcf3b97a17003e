"""Decides which entry of a schedule is sent next, and how long to sleep.  Does none of it.

``BeatCore.handle(input, now)`` returns the effects that follow.  ``app.beat.Scheduler`` asks it
and carries them out; in production ``runtime.beat`` lets it sleep, in a simulated world
``taskq_testing.sim.beat``.

What may be relied on:

* An entry that could not be sent is tried again, after pauses that grow; the others go on.
* Whatever was missed (beat was down, the clock was set forward) is one run for each entry.
* When the wall clock is set, every entry is looked at anew.

Owned here: the heap, the pauses, the clock that is set.  Not owned: when an entry is due (it is
asked: the function ``ask``), what an entry is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Final, TypeAlias

from taskq.core.effects import Level, Say
from taskq.ports import Reading

__all__ = [
    "Ask",
    "BeatCore",
    "BeatEffect",
    "BeatInput",
    "Look",
    "Planned",
    "Send",
    "Sent",
    "Sleep",
    "Unsent",
    "begins_anew",
]

# Between two looks at one entry, so that one which is due in no time does not hold up the others.
SHORTEST_S: Final = 0.001
# Wall and elapsed time that move apart by more than this between two looks: somebody set the clock.
# Slewing, as by NTP, is at most half a millisecond a second.
CLOCK_SET_S: Final = 1.0
# Pauses of an entry that cannot be sent.  Where the broker is away it may be back any second;
# anything else is a mistake that somebody has to mend.
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
LONGEST_PAUSE_OF_MISTAKES_S: Final = 300.0
# A clock that is set back by less shows some times again: they have been, as in the night in which
# daylight saving ends.  Set back by more it was wrong before, and it counts from now.
SHOWN_AGAIN: Final = timedelta(hours=3)

# Says of an entry whether it is due, and in how many seconds to ask again (None: it is done).
Ask: TypeAlias = Callable[[str], tuple[bool, float | None]]


# -- inputs ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Planned:
    """These are the entries from now on."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """Say what is to be done now."""

    longest_s: float  # that it may sleep


@dataclass(frozen=True, slots=True)
class Sent:
    """An entry went out."""

    name: str


@dataclass(frozen=True, slots=True)
class Unsent:
    """An entry did not go out."""

    name: str
    task: str
    error: str
    passing: bool  # the broker was away; else it is a mistake in the entry


BeatInput: TypeAlias = Planned | Look | Sent | Unsent


# -- effects -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """Send these entries, in this order; then say of each how it went."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sleep:
    """There is nothing to do for so long."""

    seconds: float


BeatEffect: TypeAlias = Send | Sleep | Say


# -- the machine -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Trouble:
    """An entry that could not be sent."""

    attempts: int
    until_s: float  # elapsed time
    passing: bool


class BeatCore:
    """What one beat knows of its entries."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._names: frozenset[str] = frozenset()
        # (wall time to look, sequence, name); an entry is in it once or never.
        self._heap: list[tuple[float, int, str]] = []
        self._sequence = 0
        self._trouble: dict[str, _Trouble] = {}
        self._seen: Reading | None = None

    @property
    def upcoming(self) -> list[tuple[float, str]]:
        """When each entry is looked at next, as wall time; the first first."""
        return [(at_s, name) for at_s, _, name in sorted(self._heap)]

    def handle(self, what: BeatInput, now: Reading) -> list[BeatEffect]:
        """Say what follows."""
        match what:
            case Planned():
                return self._plan(what.names, now)
            case Look():
                return self._look(what.longest_s, now)
            case Sent():
                return self._sent(what.name, now)
            case Unsent():
                return self._unsent(what, now)

    def _plan(self, names: tuple[str, ...], now: Reading) -> list[BeatEffect]:
        self._names = frozenset(names)
        self._trouble = {name: one for name, one in self._trouble.items() if name in self._names}
        self._look_anew_at(names, now)
        return []

    def _look_anew_at(self, names: Iterable[str], now: Reading) -> None:
        self._heap.clear()
        for name in names:
            self._push(name, now.wall_s)

    def _look(self, longest_s: float, now: Reading) -> list[BeatEffect]:
        said = self._notice_clock(now)
        due: list[str] = []
        while self._heap and self._heap[0][0] <= now.wall_s:
            name = heappop(self._heap)[2]
            if self._is_due(name, longest_s, now):
                due.append(name)
        if due:
            return [*said, Send(tuple(due))]
        if not self._heap:
            return [*said, Sleep(longest_s)]
        return [*said, Sleep(min(longest_s, self._heap[0][0] - now.wall_s))]

    def _is_due(self, name: str, longest_s: float, now: Reading) -> bool:
        """Whether to send it now; else it is put back for later."""
        trouble = self._trouble.get(name)
        if trouble is not None and trouble.until_s > now.elapsed_s:
            self._push(name, now.wall_s + (trouble.until_s - now.elapsed_s))
            return False
        is_due, next_s = self._ask(name)
        if is_due:
            return True
        wait_s = longest_s if next_s is None else next_s
        self._push(name, now.wall_s + max(wait_s, SHORTEST_S))
        return False

    def _sent(self, name: str, now: Reading) -> list[BeatEffect]:
        if name not in self._names:
            return []  # it was taken out meanwhile
        self._trouble.pop(name, None)
        self._push(name, now.wall_s)
        if any(one.passing for one in self._trouble.values()):
            self._broker_is_back(now)
        return []

    def _broker_is_back(self, now: Reading) -> None:
        self._trouble = {name: one for name, one in self._trouble.items() if not one.passing}
        self._look_anew_at([name for *_, name in self._heap], now)

    def _unsent(self, what: Unsent, now: Reading) -> list[BeatEffect]:
        if what.name not in self._names:
            return []
        before = self._trouble.get(what.name)
        attempts = 1 if before is None else before.attempts + 1
        longest_s = LONGEST_PAUSE_S if what.passing else LONGEST_PAUSE_OF_MISTAKES_S
        # The exponent is kept small: a power of thousands of attempts would be no float any more.
        pause_s = min(FIRST_PAUSE_S * 2 ** min(attempts - 1, 16), longest_s)
        self._trouble[what.name] = _Trouble(attempts, now.elapsed_s + pause_s, what.passing)
        self._push(what.name, now.wall_s + pause_s)
        facts = {"name": what.name, "task": what.task, "error": what.error, "pause_s": pause_s}
        return [Say(Level.ERROR, "entry not sent", facts)]

    def _notice_clock(self, now: Reading) -> list[BeatEffect]:
        seen, self._seen = self._seen, now
        if seen is None:
            return []
        by_s = (now.wall_s - seen.wall_s) - (now.elapsed_s - seen.elapsed_s)
        if abs(by_s) <= CLOCK_SET_S:
            return []
        self._look_anew_at([name for *_, name in self._heap], now)
        return [Say(Level.WARNING, "clock set", {"by_s": round(by_s, 3)})]

    def _push(self, name: str, at_s: float) -> None:
        self._sequence += 1
        heappush(self._heap, (at_s, self._sequence, name))


def begins_anew(last_run_at: datetime, now: datetime, *, by_clock: bool) -> bool:
    """Whether a last run that lies in the future is forgotten: the clock was set back.

    Distances count from now.  Times on the clock wait until it shows what it has not shown yet.
    """
    ahead = last_run_at - now
    return ahead > (SHOWN_AGAIN if by_clock else timedelta(seconds=CLOCK_SET_S))
