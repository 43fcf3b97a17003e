"""What a worker has to publish because of its verdicts, until the broker has it.

Each intake has one of these.  An errand that does not succeed at once (the broker has no memory
or no disk left, or refuses) does not hold up the worker: its delivery stays open, and it is tried
again.  Should the worker be lost meanwhile, the broker gives the delivery to another one.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Final, TypeAlias

from taskq.adapters.broker.kombu_again import can_travel
from taskq.adapters.broker.kombu_sender import Answer, Sender
from taskq.adapters.broker.kombu_verdicts import Errand, Given, Kind
from taskq.adapters.broker.kombu_ways import Ways
from taskq.ports import Clock, Outgoing, Settlement, Verdict

logger: Final = logging.getLogger(__name__)

# How long to wait before the next try; each time twice as long.
FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 60.0

Settled: TypeAlias = tuple[int, Verdict]


class Errands:
    """Those of one intake, which is used by one thread."""

    def __init__(self, ways: Ways, sender: Sender, clock: Clock) -> None:
        self._ways, self._sender, self._clock = ways, sender, clock
        self._new: list[Errand] = []
        self._waiting: list[Errand] = []
        # What was sent and not answered; nothing is sent behind it.
        self._flying: dict[int, tuple[Errand, Outgoing]] = {}
        self._pause_s = FIRST_PAUSE_S
        self._retry_at_s = 0.0

    def add(self, errand: Errand) -> None:
        """One more, to be run at once."""
        self._new.append(errand)

    @property
    def are_new(self) -> bool:
        """Whether some were never tried."""
        return bool(self._new)

    @property
    def are_due(self) -> bool:
        """Whether some are to be tried again."""
        stuck = self._waiting or self._flying
        return bool(stuck) and self._clock.read().elapsed_s >= self._retry_at_s

    def forget(self, tags: Collection[int]) -> None:
        """The broker has these deliveries back."""
        self._waiting = [errand for errand in self._waiting if errand.tag not in tags]
        self._new = [errand for errand in self._new if errand.tag not in tags]
        # Their answers mean nothing any more, but have to be waited for.

    # -- trying ----------------------------------------------------------------------------------

    def run(self, open_tags: Collection[int]) -> Sequence[Settled]:
        """Try them; returns which deliveries are settled by it, and how.

        While the broker refuses, new ones wait with the others.
        """
        if (self._waiting or self._flying) and not self.are_due:
            self._waiting += self._new
            self._new = []
            return ()
        settled = self._hear(open_tags)
        settled += self._too_late()
        errands, self._new, self._waiting = self._waiting + self._new, [], []
        for kind in Kind:
            some = [errand for errand in errands if errand.kind is kind]
            if self._flying:
                self._waiting += some
            elif some:
                settled += self._send(kind, some, open_tags)
        self._think_again()
        return settled

    def recount(self, given: Sequence[Given]) -> tuple[Collection[int], Sequence[Settled]]:
        """Publish deliveries again with their new count, where the broker takes it.

        Returns the tags of those that are not to be given out, and what is settled already.
        """
        if self._waiting or self._flying:
            return (), ()
        errands = [
            Errand(Kind.COUNT, one, Settlement(one.taken.tag, Verdict.REQUEUE)) for one in given
        ]
        settled = self._send(Kind.COUNT, errands, ())
        as_they_are = {errand.tag for errand in self._waiting}
        self._waiting = []
        self._think_again()
        return {errand.tag for errand in errands} - as_they_are, settled

    def close(self, open_tags: Collection[int]) -> Sequence[Settled]:
        """The worker ends: try all once more, and say what is lost.

        What is open still goes back by itself.
        """
        self._retry_at_s = 0.0
        settled = self.run(open_tags)
        for errand in self._waiting:
            if errand.tag not in open_tags:
                logger.error(
                    "Task %s is lost: the broker did not take it back before the worker ended",
                    errand.given.task_id,
                )
        self._sender.close()
        return settled

    def _too_late(self) -> list[Settled]:
        """What could not be parked goes back into its queue when its time has come."""
        now_s = self._clock.read().wall_s
        late = [errand for errand in self._waiting if errand.is_due(now_s)]
        self._waiting = [errand for errand in self._waiting if errand not in late]
        return [(errand.tag, Verdict.REQUEUE) for errand in late]

    def _send(
        self, kind: Kind, errands: Sequence[Errand], open_tags: Collection[int]
    ) -> list[Settled]:
        settled: list[Settled] = []
        for errand in errands:
            outgoing = self._ways.make(errand)
            if can_travel(outgoing.message):
                self._flying[id(outgoing)] = errand, outgoing
            else:
                settled += self._refused(errand, open_tags)
        if self._flying:
            sent = [outgoing for _, outgoing in self._flying.values()]
            prepare = self._ways.preparation(kind, [errand.given for errand in errands])
            settled += self._answered(self._sender.send(sent, prepare), open_tags)
        return settled

    def _hear(self, open_tags: Collection[int]) -> list[Settled]:
        return self._answered(self._sender.hear(), open_tags) if self._flying else []

    def _answered(self, answer: Answer, open_tags: Collection[int]) -> list[Settled]:
        settled: list[Settled] = []
        for number in answer.taken:
            errand, _ = self._flying.pop(number)
            self._ways.note(errand)
            settled.append((errand.tag, Verdict.ACK))
        if answer.refused:
            logger.warning("%d message(s) of this worker wait: %s", len(answer.refused), answer.why)
        for number in answer.refused:
            errand, _ = self._flying.pop(number)
            settled += self._refused(errand, open_tags)
        return settled

    def _refused(self, errand: Errand, open_tags: Collection[int]) -> list[Settled]:
        """Do what else can be done about it, or let it wait."""
        verdict = self._otherwise(errand, open_tags)
        if verdict is not None:
            return [(errand.tag, verdict)]
        self._waiting.append(errand)
        return []

    def _otherwise(self, errand: Errand, open_tags: Collection[int]) -> Verdict | None:
        if errand.kind is Kind.BURY and not self._ways.insists:
            logger.error(
                "Task %s is dropped, since this broker keeps no dead letters: %s",
                errand.given.task_id,
                errand.settlement.reason,
            )
            return Verdict.ACK
        if errand.kind in IN_ITS_PLACE and errand.tag in open_tags:
            return Verdict.REQUEUE  # the count stays behind
        return None

    def _think_again(self) -> None:
        if not (self._waiting or self._flying):
            self._pause_s = FIRST_PAUSE_S
            return
        # To look for answers costs nothing; to send again may.
        pause_s = FIRST_PAUSE_S if self._flying else self._pause_s
        self._retry_at_s = self._clock.read().elapsed_s + pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)


# What RabbitMQ can put back by itself as well.
IN_ITS_PLACE: Final = frozenset({Kind.AGAIN, Kind.COUNT})
