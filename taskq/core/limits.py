"""Hard time limits: a body that runs for longer is ended.

A limit counts from the moment at which a job is the oldest of its slot, whether or not its
process has said that it began: a frozen one must not escape.  Soft limits are the pool's.

Owned here: when to look, and who is over.  Not owned: what the limit of a job is
(``admission.py``), how it is ended (``killing.py``).
"""

from __future__ import annotations

from taskq.core.delivery import Doom, Entry
from taskq.core.house import House
from taskq.core.outcome import OUTCOMES
from taskq.core.rates import NEVER
from taskq.core.slots import Slot
from taskq.ports import EndingKind, Verdict


class Limits:
    """Knows who is over its limit."""

    def __init__(self, house: House) -> None:
        self._house = house
        # No limit ends before this.  It may be too early: then it is found out at that moment.
        self.next_s = NEVER

    def begins(self, limit_s: float) -> None:
        """A job with a limit is given to a slot."""
        self.next_s = min(self.next_s, self._house.now.elapsed_s + limit_s)

    def over(self) -> list[Entry]:
        """Return those that are over now, each once, with their dooms."""
        if self.next_s > self._house.now.elapsed_s:
            return []
        self.next_s = NEVER
        return [entry for slot in self._house.slots.values() for entry in self._over_in(slot)]

    def _over_in(self, slot: Slot) -> list[Entry]:
        over: list[Entry] = []
        now_s = self._house.now.elapsed_s
        for token in slot.tokens:
            entry = self._house.entries.get(token)
            limit_s = None if entry is None else entry.job.time_limit_s
            if entry is None or limit_s is None or _is_condemned(entry):
                continue
            # Those behind it have not begun: theirs counts from later than now.
            at_s = (slot.since_s if token == slot.oldest else now_s) + limit_s
            if at_s <= now_s:
                entry.doom = doom_of(entry, limit_s)
                over.append(entry)
            else:
                self.next_s = min(self.next_s, at_s)
        return over


def doom_of(entry: Entry, limit_s: float) -> Doom:
    """Say how a task ends that is over its limit."""
    again = not entry.claimed and (
        OUTCOMES[EndingKind.TIMED_OUT].late(entry.traits) is Verdict.REQUEUE
    )
    return Doom(EndingKind.TIMED_OUT, f"over {limit_s:g} s", {"again": again})


def _is_condemned(entry: Entry) -> bool:
    return entry.doom is not None and entry.doom.kind is EndingKind.TIMED_OUT
