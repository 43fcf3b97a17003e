"""What a broker keeps where it can be looked at: the parked, the revoked, the dead."""

from __future__ import annotations

from collections.abc import Sequence

from taskq.ports import DeadLetter, Parked, Revocation
from taskq_testing.sim.awaited import Waiting
from taskq_testing.sim.broker.end import BrokerEnd
from taskq_testing.sim.broker.model import BrokerModel
from taskq_testing.sim.hands import Hands
from taskq_testing.sim.link import Call
from taskq_testing.sim.topology import Held


class KeepingEnd(BrokerEnd):
    """The ``Broker`` port of one node, with all that is optional in it."""

    # -- dead letters ----------------------------------------------------------------------------

    def dead_letters(self, limit: int, offset: int = 0) -> Sequence[DeadLetter]:
        """Return some of them, the newest first."""
        self._look()
        return [letter.told() for letter in self._model.dead.newest(limit, offset)]

    def dead_letter_count(self) -> int:
        """How many there are."""
        self._look()
        return len(self._model.dead)

    def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Return one."""
        self._look()
        found = self._model.dead.find(letter_id)
        return None if found is None else found.told()

    def replay_dead_letters(self, letter_ids: Sequence[str] | None) -> int:
        """Put some into their queues again."""
        self._look()
        letters = self._model.dead.remove(letter_ids)
        for letter in letters:
            held = letter.held
            held.attempts = 0
            self._hands.say("broker.replay", id=held.task_id, task=held.task, retries=held.retries)
            self._model.give_back(held, at_end=True)
            held.redelivered = False
        return len(letters)

    def purge_dead_letters(self, letter_ids: Sequence[str] | None) -> int:
        """Throw some away."""
        self._look()
        return len(self._model.dead.remove(letter_ids))

    def _look(self) -> None:
        self._hands.pause()
        self._reach(Call.LOOK)

    # -- who is there ----------------------------------------------------------------------------

    def other_workers(self, control_exchange: str) -> Sequence[str]:  # noqa: ARG002 - there are none
        """Return nobody: all workers of a world are taskq's."""
        self._look()
        return ()

    # -- what waits for its time -----------------------------------------------------------------

    def parked(self, queues: Sequence[str], limit: int) -> Sequence[Parked]:
        """Return what waits for its time, the earliest first."""
        self._look()
        found = self._model.parking.listed(frozenset(queues))
        if not self._model.profile.keeps_lists:  # known to who put it there alone
            found = [each for each in found if each.by is self._hands]
        return [Parked(each.held.message, each.held.queue, each.due_s) for each in found[:limit]]

    def unpark(self, task_ids: Sequence[str]) -> int:
        """Let what is parked of some tasks be due now."""
        self._look()
        wanted = frozenset(task_ids)
        found = [each for each in self._model.parking.listed() if each.held.task_id in wanted]
        if not self._model.profile.keeps_lists:  # nothing can be taken out, but of the list
            for each in found:
                each.by = None if each.by is self._hands else each.by
            return 0
        return self._model.hasten(found)

    def purge(self, queue: str) -> int:
        """Throw away what waits in a queue, and what is parked for it where that can be done."""
        gone = super().purge(queue)
        if not self._model.profile.keeps_lists:
            return gone
        parked = self._model.parking.listed({queue})
        for each in parked:
            self._say_dropped(each.held, "purged")
        self._model.parking.remove([each.held for each in parked])
        return gone + len(parked)

    def _say_dropped(self, held: Held, reason: str) -> None:
        self._hands.say("broker.drop", id=held.task_id, reason=reason, retries=held.retries)

    # -- what was revoked ------------------------------------------------------------------------

    def revoke(self, revocations: Sequence[Revocation]) -> None:
        """Remember, each until its time is over."""
        self._look()
        for revocation in revocations:
            key = revocation.task_id or repr(sorted(revocation.headers.items()))
            self._model.revocations[key] = revocation

    def revocations(self) -> Sequence[Revocation]:
        """Return what is remembered."""
        self._look()
        now_s, kept = self._model.wall_s, self._model.revocations
        for key in [key for key, each in kept.items() if each.until_s <= now_s]:
            del kept[key]
        return list(kept.values())


def broker_end(model: BrokerModel, hands: Hands, wait: Waiting | None = None) -> BrokerEnd:
    """Return the end of one node."""
    return KeepingEnd(model, hands, wait)
