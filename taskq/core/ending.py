"""What ends: the broker is told, the log, and the monitors.

Owned here: an ``Ending`` and what follows from it at once.  Not owned: what it means for the
broker (``outcome.py``), what is said of it (``telling.py``).
"""

from __future__ import annotations

from taskq.core.delivery import Entry, Event, Stage
from taskq.core.effects import Effect, Finish
from taskq.core.house import House
from taskq.core.outcome import verdict
from taskq.ports import Ending, EndingKind, Settlement, Verdict


class Endings:
    """Takes endings."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.processed = 0  # how many have ended here

    def ended(self, ending: Ending, finished: list[Finish], said: list[Effect]) -> None:
        """One has ended."""
        house, token = self._house, ending.token
        entry = house.entries.pop(token, None)
        if entry is None:
            return  # it was given up meanwhile, at a cold stop
        if entry.slot is not None:
            self._leave_slot(entry, ending)
        orphaned = entry.stage is Stage.ORPHANED
        entry.move(Event.ENDED)
        if orphaned:
            # Another worker has it now; what this run did must not count twice.
            house.orphans.discard(token)
            house.teller.refused(entry, ending, said)
            return
        self.processed += 1
        house.teller.ended(entry, ending, said)
        finished.append(Finish(entry.job, ending, settlement(entry, ending)))

    def _leave_slot(self, entry: Entry, ending: Ending) -> None:
        house = self._house
        assert entry.slot is not None, "asked for by the caller"
        slot = house.slots.get(entry.slot)
        if slot is not None:
            slot.remove(ending.token, house.now.elapsed_s)
        name = entry.task_name
        house.totals[name] += 1
        # What is limited goes out one at a time, however short it is: nothing is learned of it.
        if name not in house.rates.lines:
            house.pace.learn(name, ending.runtime_s)


def settlement(entry: Entry, ending: Ending) -> Settlement:
    """Return what the broker is told."""
    doom, token = entry.doom, ending.token
    if doom is not None and doom.dead_letter and ending.kind is not EndingKind.RETRIED:
        return Settlement(token, Verdict.REJECT, doom.reason)
    what = verdict(ending.kind, entry.traits, claimed=entry.claimed)
    if what is Verdict.REJECT:
        return Settlement(token, what, ending.summary)
    if what is Verdict.REQUEUE and ending.kind is EndingKind.TIMED_OUT:
        # A body that asks to be given out again may do so for ever; one that is too slow not.
        return Settlement(token, what, attempted=True)
    return Settlement(token, what)
