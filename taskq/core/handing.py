"""Who gets what: from those that are ready to slots, and back from a slot that hangs.

Owned here: batches, claims, recalls, and what comes back unbegun.  Not owned: how large a batch is
(``pace.py``), when a slot hangs (``slots.py``), which of a limited task may start (``rates.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

from taskq.core.delivery import Entry, Event, Stage
from taskq.core.effects import Effect, Recall, Run, Settle
from taskq.core.house import EXPIRED, REVOKED, STOPPED, House
from taskq.core.limits import Limits
from taskq.core.rates import NEVER
from taskq.core.slots import Slot
from taskq.ports import Job, Settlement, Verdict


class Handing:
    """Hands out."""

    def __init__(self, house: House, limits: Limits) -> None:
        self._house, self._limits = house, limits
        self.recall_at_s = NEVER  # when a slot is to be asked for what waits in it

    # -- out -------------------------------------------------------------------------------

    def hand_out(self, effects: list[Effect], given: list[Effect]) -> None:
        """Give what is ready to slots that take it; ``given`` gets claims and jobs."""
        house = self._house
        claims: list[Settlement] = []
        runs: list[Run] = []
        if house.rates.any:
            while house.rates.waiting:
                out = house.rates.let_out(house.now.elapsed_s, house.waits)
                house.ready.extend(out)
                self._hand_out_ready(claims, runs, effects)
                if not out:
                    break
        if house.ready:
            self._hand_out_ready(claims, runs, effects)
        if claims:
            given.append(Settle(tuple(claims)))
        given += runs

    def _hand_out_ready(
        self, claims: list[Settlement], runs: list[Run], effects: list[Effect]
    ) -> None:
        house = self._house
        budget_s, now_s = house.pace.budget_s, house.now.elapsed_s
        open_slots = [slot for slot in house.slots.values() if slot.takes(budget_s, now_s)]
        open_slots.sort(key=lambda slot: slot.load_s)
        for place, slot in enumerate(open_slots):
            share = -(-len(house.ready) // (len(open_slots) - place))
            jobs = self._batch(slot, share, claims, effects)
            if jobs:
                runs.append(Run(slot.number, tuple(jobs)))

    def _batch(
        self, slot: Slot, share: int, claims: list[Settlement], effects: list[Effect]
    ) -> list[Job]:
        jobs: list[Job] = []
        house = self._house
        entries, ready, now_s = house.entries, house.ready, house.now.elapsed_s
        budget_s, expect_s = house.pace.budget_s, house.pace.expect_s
        limited = house.rates.any
        while ready and len(jobs) < share:
            entry = entries[ready[0]]
            expected_s = expect_s(entry.task_name)
            # The first job of an idle slot goes out however long it takes.
            if slot.tokens and slot.load_s + expected_s > budget_s:
                break
            ready.popleft()
            if entry.expires_s is not None and house.expired(entry):
                house.conclude(entry, EXPIRED, effects)
                continue
            entry.move(Event.DISPATCHED)
            job = entry.job
            token = job.token
            entry.slot = slot.number
            slot.add(token, expected_s, now_s)
            if limited:
                house.rates.started(entry.task_name, now_s)
            if job.time_limit_s is not None:
                self._limits.begins(job.time_limit_s)
            assert entry.traits is not None, "a task without traits is concluded, never run"
            if not entry.traits.acks_late and not entry.claimed:
                entry.claimed = True
                claims.append(Settlement(token, Verdict.CLAIM))
            jobs.append(job)
        return jobs

    # -- back ------------------------------------------------------------------------------

    def recall_overdue(self, effects: list[Effect], *, leaving: bool) -> None:
        """Ask slots that hang for what waits in them, where it has somewhere else to go."""
        self.recall_at_s = NEVER
        slots = self._house.slots.values()
        if not leaving and all(slot.tokens for slot in slots):
            return
        now_s = self._house.now.elapsed_s
        for slot in slots:
            at_s = slot.recall_at_s
            if at_s is None:
                continue
            if at_s > now_s:
                self.recall_at_s = min(self.recall_at_s, at_s)
            else:
                self.recall(slot, effects)

    def recall(self, slot: Slot, effects: list[Effect]) -> None:
        """Ask one slot, if there is something to ask for and it was not asked."""
        if len(slot.tokens) > 1 and not slot.recalling:
            slot.recalling = True
            effects.append(Recall(slot.number))

    def take_back(self, tokens: Sequence[int], effects: list[Effect]) -> None:
        """Put what no slot has begun in front of what waits, or give it to the broker at a stop."""
        entries = self._house.entries
        handed_back: list[Settlement] = []
        for token in reversed(tokens):
            entry = entries.get(token)
            if entry is None:
                continue  # it was given up meanwhile
            entry.slot = None
            entry.move(Event.RETURNED)
            if entry.stage is Stage.SETTLED:
                self._house.forget(token)
            elif self._house.revoked(entry):
                self._house.conclude(entry, REVOKED, effects)
            elif self._house.keeps(entry):
                self._put_in_front(token, entry)
            else:
                handed_back.append(self._house.hand_back(entry, STOPPED))
        if handed_back:
            effects.append(Settle(tuple(reversed(handed_back))))

    def _put_in_front(self, token: int, entry: Entry) -> None:
        entry.doom = None  # a time limit that was over before it began
        if not self._house.rates.put_back(entry.task_name, token):
            self._house.ready.appendleft(token)
