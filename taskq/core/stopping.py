"""How a worker ends.

    warm        gives back what waits, lets end what runs
    soft        warm for a while, then cold
    cold        gives back what waits, ends what runs, hears from the pool what that was, leaves
    immediate   gives back what nobody has claimed, and leaves

Each is stronger than those above it.  Owned here: the steps to the end, and the exit code.  Not
owned: what becomes of a body that is cut off (``losing.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from taskq.core.delivery import Entry, Stage
from taskq.core.effects import Effect, Exit, Level, Say, Settle, StopPool
from taskq.core.house import LETS_RUN, STOPPED, WAITING, House
from taskq.core.inputs import Stop, StopAsked
from taskq.core.rates import NEVER

LINES: Final[Mapping[Stop, str]] = MappingProxyType(
    {
        Stop.WARM: "warm shutdown",
        Stop.SOFT: "soft shutdown",
        Stop.COLD: "cold shutdown",
        Stop.IMMEDIATE: "immediate shutdown",
    }
)
assert set(LINES) == set(Stop), "a way to stop has no line"

# A slot whose body nothing can end is not heard of again.  After this the worker leaves without.
COLD_S: Final = 10.0

OPEN: Final = frozenset({Stage.HELD, Stage.READY, Stage.RUNNING})


class Stopping:
    """Goes through the steps to the end."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._code = 0
        self._stays = False  # idle, and stays for its time all the same
        self.exited = False
        self.next_s = NEVER  # when the next stronger way is gone

    def asked(self, happened: StopAsked, effects: list[Effect]) -> None:
        """Somebody wants the worker to end."""
        now = self._house.stopping
        if self.exited or (now is not None and now.value >= happened.how.value):
            return
        self._code = happened.exit_code
        self._go(self._meant(happened.how), effects)

    def _meant(self, how: Stop) -> Stop:
        """A soft stop has a time, and something to wait for; else it is a cold one."""
        options = self._house.options
        waits = self._running() or options.soft_shutdown_on_idle
        return Stop.COLD if how is Stop.SOFT and not (options.soft_shutdown_s and waits) else how

    def _running(self) -> int:
        return sum(entry.stage is Stage.RUNNING for entry in self._house.entries.values())

    def _go(self, how: Stop, effects: list[Effect]) -> None:
        house, options = self._house, self._house.options
        house.stopping = how
        facts = {"running": self._running(), "soft_s": options.soft_shutdown_s}
        effects.append(Say(Level.WARNING, LINES[how], facts))
        self.next_s = NEVER
        if how is Stop.IMMEDIATE:
            self._leave_now(effects)
            return
        self._hand_back(WAITING, effects)
        if how is Stop.SOFT:
            self._stays = not self._running()
            self.next_s = house.now.elapsed_s + options.soft_shutdown_s
        elif how is Stop.COLD:
            # What was in the slots comes back with them: the pool knows which bodies had begun.
            effects.append(StopPool(at_once=True))
            self._stays = False
            self.next_s = house.now.elapsed_s + COLD_S

    def look(self, effects: list[Effect]) -> None:
        """Leave when nothing is open; go on to the next way when the time is over."""
        if self.exited:
            return
        if self.next_s <= self._house.now.elapsed_s:
            if self._house.stopping is Stop.SOFT:
                self._go(Stop.COLD, effects)
            else:
                self._leave_now(effects)
                return
        if not self._house.entries and not self._stays:
            if self._house.stopping in LETS_RUN:
                effects.append(StopPool(at_once=False))
            self._exit(effects)

    # -- the end ---------------------------------------------------------------------------

    def _leave_now(self, effects: list[Effect]) -> None:
        """Give back what can begin elsewhere; the rest is found there when this worker is gone."""
        # First, and once more after a cold stop: a body and its copy must not run at once.
        effects.append(StopPool(at_once=True))
        self._hand_back(OPEN, effects)
        self._exit(effects)

    def _hand_back(self, stages: frozenset[Stage], effects: list[Effect]) -> None:
        house = self._house
        given_back = [
            house.hand_back(entry, STOPPED)
            for entry in list(house.entries.values())
            if entry.stage in stages and not self._stays_here(entry)
        ]
        house.tidy()
        house.held.clear()
        # What nobody else can run is run, and soon.
        house.ready.extend(house.rates.end())
        if given_back:
            effects.append(Settle(tuple(given_back)))

    def _stays_here(self, entry: Entry) -> bool:
        """Claimed: what may have begun is nobody else's, and what waits still runs, if it may."""
        if not entry.claimed:
            return False
        return entry.stage is Stage.RUNNING or self._house.stopping in LETS_RUN

    def _exit(self, effects: list[Effect]) -> None:
        self.exited = True
        self.next_s = NEVER
        effects.append(Exit(self._code))
