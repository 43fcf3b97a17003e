"""What follows when tasks are revoked: those that wait end at once, those that run may be ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from taskq.core.delivery import Doom, Entry, Stage
from taskq.core.effects import Effect, Unpark
from taskq.core.handing import Handing
from taskq.core.house import REVOKED, WAITING, House
from taskq.core.inputs import Revoked
from taskq.core.killing import Killing
from taskq.core.revoked import Revocations
from taskq.ports import EndingKind, Revocation

IN_A_SLOT: Final = frozenset({Stage.RUNNING, Stage.ORPHANED})


class Revoking:
    """Revokes."""

    def __init__(self, house: House, handing: Handing, killing: Killing) -> None:
        self._house, self._handing, self._killing = house, handing, killing

    def revoked(self, happened: Revoked, effects: list[Effect]) -> None:
        """Remember, and look who is meant of those that are here."""
        meant = Revocations(self._house.options.most_revocations)
        for revocation in happened.revocations:
            self._house.revocations.add(revocation)
            meant.add(revocation)
        if self._house.parks:
            self.unpark(happened.revocations, effects)
        for entry in list(self._house.entries.values()):
            if meant.matches(entry.job.headers, self._house.now):
                self._revoke(entry, happened, effects)
        self._house.tidy()

    def unpark(self, revocations: Sequence[Revocation], effects: list[Effect]) -> None:
        """Ask the broker for those that it keeps until their time."""
        ids = tuple(one.task_id for one in revocations if one.task_id)
        if ids:
            effects.append(Unpark(ids))

    def _revoke(self, entry: Entry, happened: Revoked, effects: list[Effect]) -> None:
        if entry.stage in WAITING:
            self._house.held.remove(entry.job.token)
            self._house.conclude(entry, REVOKED, effects)
        elif entry.stage in IN_A_SLOT:
            self._revoke_in_slot(entry, happened, effects)

    def _revoke_in_slot(self, entry: Entry, happened: Revoked, effects: list[Effect]) -> None:
        slot = None if entry.slot is None else self._house.slots.get(entry.slot)
        if slot is not None and slot.tokens and slot.oldest != entry.job.token:
            # It has not begun, or not been told: what comes back of it does not run.
            self._handing.recall(slot, effects)
        if happened.terminate:
            detail = {"terminated": True, "signum": happened.signal}
            entry.doom = Doom(EndingKind.REVOKED, "terminated", detail)
            self._killing.end(entry, happened.signal, effects)
