"""What is lost: slots with what they had, the connection, leases.

Owned here: what becomes of each delivery that was there.  Not owned: whether a lost body runs
again (``outcome.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from taskq.core.delivery import Doom, Entry, Event, Stage
from taskq.core.effects import Effect, Level, Say, Settle
from taskq.core.handing import Handing
from taskq.core.house import STOPPED, House
from taskq.core.inputs import Disconnected, LeaseLost, Stop
from taskq.core.killing import SIGKILL, Killing
from taskq.core.outcome import AfterLoss, after_loss
from taskq.core.slots import Slot
from taskq.ports import EndingKind, JobsReturned, Settlement, SlotLost

# A body that a cold stop has ended, and that must not begin again.
CUT_OFF: Final = Doom(
    EndingKind.LOST, "the worker was stopped cold after the body had begun", dead_letter=True
)


class Losing:
    """Sees to what is lost."""

    def __init__(self, house: House, handing: Handing, killing: Killing) -> None:
        self._house, self._handing, self._killing = house, handing, killing

    # -- slots -----------------------------------------------------------------------------

    def slot_lost(self, lost: SlotLost, effects: list[Effect]) -> None:
        """A slot is gone, with all that it had been given."""
        self._house.slots.pop(lost.slot, None)
        self._handing.take_back(lost.unstarted, effects)
        requeued: list[Settlement] = []
        for token in lost.started:
            entry = self._house.entries.get(token)
            if entry is not None:
                self._body_lost(entry, lost.reason, requeued, effects)
        if requeued:
            effects.append(Settle(tuple(requeued)))
        if not lost.expected and not lost.started:
            facts = {"slot": lost.slot, "reason": lost.reason}
            effects.append(Say(Level.ERROR, "process lost", facts))

    def _body_lost(
        self, entry: Entry, reason: str, requeued: list[Settlement], effects: list[Effect]
    ) -> None:
        house, traits = self._house, entry.traits
        entry.slot = None
        house.totals[entry.task_name] += 1
        assert traits is not None, "only registered tasks are given to slots"
        if entry.stage is Stage.ORPHANED:
            entry.move(Event.CONCLUDED)
            house.forget(entry.job.token)
        elif entry.doom is not None:
            house.conclude(entry, entry.doom, effects)
        elif house.stopping is Stop.COLD and entry.claimed:
            house.conclude(entry, CUT_OFF, effects)
        elif house.stopping is Stop.COLD:
            # We have ended it ourselves, so this is no sign that it kills its processes.
            requeued.append(house.hand_back(entry, STOPPED))
        elif after_loss(traits, claimed=entry.claimed) is AfterLoss.REDELIVER:
            requeued.append(house.hand_back(entry, reason, attempted=True))
            house.teller.redelivered(entry, reason, effects)
        else:
            house.conclude(entry, Doom(EndingKind.LOST, reason), effects)

    def jobs_returned(self, returned: JobsReturned, effects: list[Effect]) -> None:
        """A slot has given back what it had not begun."""
        slot = self._house.slots.get(returned.slot)
        if slot is not None:
            now_s = self._house.now.elapsed_s
            slot.answered(now_s)
            for token in returned.tokens:
                slot.remove(token, now_s)
            if returned.tokens and slot.tokens:
                self._learn_that_it_lasts(slot)
        self._handing.take_back(returned.tokens, effects)

    def _learn_that_it_lasts(self, slot: Slot) -> None:
        """Hand its task out one at a time from now on: what came back may be as long."""
        entry, pace = self._house.entries.get(slot.oldest), self._house.pace
        out_s = slot.out_s(self._house.now.elapsed_s)
        if entry is not None and out_s > pace.expect_s(entry.task_name):
            pace.learn(entry.task_name, out_s)

    # -- the connection --------------------------------------------------------------------

    def disconnected(self, happened: Disconnected, effects: list[Effect]) -> None:
        """The connection to the broker is gone."""
        house = self._house
        effects.append(Say(Level.DEBUG, "disconnected", {"kept": happened.keeps_deliveries}))
        for token in happened.not_run:
            self._drop(token)
        if happened.keeps_deliveries:
            return
        self._lose([token for token, entry in house.entries.items() if not _is_ours(entry)])
        house.held.clear()
        self._leave_orphans(effects)

    def lease_lost(self, happened: LeaseLost, effects: list[Effect]) -> None:
        """What had not begun is somebody else's; what runs is orphaned."""
        here = [token for token in happened.tokens if token in self._house.entries]
        for token in here:
            self._house.held.remove(token)
        self._lose(here)
        if here:
            effects.append(Say(Level.ERROR, "lease lost", {"count": len(here)}))
            self._leave_orphans(effects)

    def _lose(self, tokens: Iterable[int]) -> None:
        for token in tokens:
            self._house.lose(token, self._house.entries[token])
        self._house.tidy()

    def _leave_orphans(self, effects: list[Effect]) -> None:
        """Others have them: those that have not begun are not to begin here as well."""
        house = self._house
        for slot in house.slots.values():
            orphans = [token for token in slot.tokens if token in house.orphans]
            if slot.tokens and orphans and orphans != [slot.oldest]:
                self._handing.recall(slot, effects)
            if orphans and house.options.cancels_on_connection_loss:
                self._cancel(slot.oldest, effects)

    def _cancel(self, token: int, effects: list[Effect]) -> None:
        if token in self._house.orphans:
            self._killing.end(self._house.entries[token], SIGKILL, effects)

    def _drop(self, token: int) -> None:
        """Forget a job that reached no slot; the broker has it still, and gives it out again."""
        entry = self._house.entries.pop(token, None)
        if entry is None:
            return  # it was given up meanwhile
        slot = None if entry.slot is None else self._house.slots.get(entry.slot)
        if slot is not None:
            slot.remove(token, self._house.now.elapsed_s)


def _is_ours(entry: Entry) -> bool:
    """Whether the broker has long forgotten it: nobody else gets it, its ending counts.

    What was found of a lost worker is not ours: who finds it next says its end.
    """
    return entry.claimed
