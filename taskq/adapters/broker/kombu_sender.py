"""How a worker's errands are sent: on a connection of their own, which waits for answers.

RabbitMQ without memory or disk reads a message only when it has some again, also from a
connection that was closed meanwhile.  Who sends again what was not answered sends it twice, then;
so here a message that was sent is in flight until the broker has answered, or the connection is
lost.  Used by ``kombu_errands``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from taskq.adapters.broker.kombu_advice import explain
from taskq.adapters.broker.kombu_courier import AGAIN, Courier, Prepare
from taskq.adapters.broker.kombu_links import Deadline, Link
from taskq.adapters.broker.kombu_publish import Confirms, put
from taskq.adapters.broker.kombu_settings import LinkSettings
from taskq.errors import OperationalError
from taskq.ports import Clock, Outgoing

# How long the loop of a worker may stand still for an answer.
ANSWER_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of some messages; what is in neither is in flight."""

    taken: Collection[int] = ()  # as ``id`` tells them apart: two may look alike
    refused: Collection[int] = ()
    why: str = ""


class Sender(Protocol):
    """What errands are sent by."""

    def send(self, outgoing: Sequence[Outgoing], prepare: Prepare | None) -> Answer:
        """Send; nothing is in flight when this is called."""

    def hear(self) -> Answer:
        """Return answers that have come to what is in flight."""

    def close(self) -> None:
        """Let go of the connection."""


class AmqpSender:
    """On RabbitMQ."""

    def __init__(self, settings: LinkSettings, clock: Clock) -> None:
        self._link, self._clock = Link(settings, clock), clock
        self._sent: Sequence[Outgoing] = ()
        self._told: set[int] = set()  # what of it was answered
        self._confirms: Confirms | None = None

    def send(self, outgoing: Sequence[Outgoing], prepare: Prepare | None) -> Answer:
        """Send, and wait for the answers for a while."""
        self._sent, self._told, self._confirms = outgoing, set(), None
        link, deadline = self._link, Deadline(self._clock, ANSWER_S)
        try:
            if link.raw is None or link.stale():
                link.abandon()
                link.connect(deadline)
            link.limit(deadline)
            if prepare is not None:
                prepare(link)
            self._confirms = Confirms(link)
            with self._confirms as confirms:
                for one in outgoing:
                    link.declare(one.declare)
                    confirms.expect(one)
                    put(link, one, AGAIN, mandatory=True)
                confirms.wait(deadline, None)
        except OperationalError as error:  # refused, or not answered in time
            return self._lost(error) if self._confirms is None else self._answer(str(error))
        except link.failures as error:
            return self._lost(error)
        return self._answer("no queue took them")

    def hear(self) -> Answer:
        """Look at what has come."""
        if self._confirms is None:
            return Answer()
        try:
            with self._confirms:
                self._link.pump()
        except self._link.failures as error:
            return self._lost(error)
        return self._answer("the broker refused them")

    def _answer(self, why: str) -> Answer:
        confirms = self._confirms
        assert confirms is not None, "something was sent"
        left, flying = _ids(confirms.left_of(self._sent)), _ids(confirms.unanswered)
        if not flying:
            self._confirms = None
        return self._tell(_ids(self._sent) - left, left - flying, why)

    def _lost(self, error: BaseException) -> Answer:
        """Nobody knows whether the broker has what is in flight, so it counts as refused."""
        confirms, self._confirms = self._confirms, None
        left = _ids(self._sent if confirms is None else confirms.left_of(self._sent))
        self._link.abandon()
        return self._tell(_ids(self._sent) - left, left, explain(error)[0])

    def _tell(self, taken: set[int], refused: set[int], why: str) -> Answer:
        answer = Answer(taken - self._told, refused - self._told, why)
        self._told |= taken | refused
        if answer.refused:
            self._link.forget_declared()  # the queue may have been deleted since
        return answer

    def close(self) -> None:
        """Let go of the connection."""
        self._link.close()


class PlainSender:
    """On emulated transports, which have a message when they have been told."""

    def __init__(self, courier: Courier) -> None:
        self._courier = courier

    def send(self, outgoing: Sequence[Outgoing], prepare: Prepare | None) -> Answer:
        """Send."""
        pending, why = list(outgoing), ""
        try:
            self._courier.publish_again(pending, prepare)
        except OperationalError as error:
            why = str(error)
        refused = _ids(pending)
        return Answer(_ids(outgoing) - refused, refused, why)

    def hear(self) -> Answer:
        """Nothing is ever in flight."""
        return Answer()

    def close(self) -> None:
        """The connections are the courier's."""


def _ids(outgoing: Sequence[Outgoing]) -> set[int]:
    return {id(one) for one in outgoing}
