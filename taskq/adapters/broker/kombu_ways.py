"""Where the errands of workers go, and as what: one for all intakes of a broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from taskq.adapters.broker.kombu_again import sendable
from taskq.adapters.broker.kombu_courier import Prepare
from taskq.adapters.broker.kombu_dead import DeadLetterQueue
from taskq.adapters.broker.kombu_delay import Delays, delayed_route, seconds_until
from taskq.adapters.broker.kombu_entities import queue_argument
from taskq.adapters.broker.kombu_letters import write
from taskq.adapters.broker.kombu_parked import ParkedBook
from taskq.adapters.broker.kombu_verdicts import DEAD_LETTER_EXCHANGE, Errand, Given, Kind
from taskq.ports import Clock, Delivery, Message, Outgoing, Parked, QueueSpec, Randomness

DEAD_LETTER_KEY: Final = "x-dead-letter-routing-key"


class Ways:
    """Makes messages of errands, and makes ready where they go."""

    def __init__(
        self,
        *,
        clock: Clock,
        randomness: Randomness,
        dead: DeadLetterQueue,
        delays: Delays,
        parked: ParkedBook,
        # Whether to go on trying to bury: a transport that keeps no dead letters never will.
        insists: bool,
    ) -> None:
        self._clock, self._randomness = clock, randomness
        self._dead, self._delays, self._parked = dead, delays, parked
        self.insists = insists
        self._make: Mapping[Kind, Callable[[Errand], Outgoing]] = {
            Kind.AGAIN: back_to_its_queue,
            Kind.COUNT: counted,
            Kind.FORWARD: to_its_own_dead_letters,
            Kind.BURY: self._letter,
            Kind.PARK: self._delayed,
        }

    def make(self, errand: Errand) -> Outgoing:
        """Make what is published."""
        return self._make[errand.kind](errand)

    def preparation(self, kind: Kind, given: Sequence[Given]) -> Prepare | None:
        """Return what makes sure that messages of a kind can be published."""
        if kind is Kind.BURY:
            return self._dead.ready
        if kind is Kind.PARK:
            return partial(self._delays.ready, queues=sorted({one.queue.name for one in given}))
        return None

    def note(self, errand: Errand) -> None:
        """The broker has it."""
        if errand.kind is Kind.PARK:
            given = errand.given
            self._parked.add(Parked(given.message, given.queue.name, errand.due_s))

    def _letter(self, errand: Errand) -> Outgoing:
        return write(errand, self._randomness.uuid(), self._clock.read().wall_s)

    def _delayed(self, errand: Errand) -> Outgoing:
        taken = _delivery(errand)
        seconds = seconds_until(errand.due_s, self._clock.read().wall_s)
        exchange, key = delayed_route(seconds, errand.given.queue.name)
        return Outgoing(sendable(taken, taken.attempts), exchange, key, "topic")


def back_to_its_queue(errand: Errand) -> Outgoing:
    """Make what is published again, with the number of times that it was begun."""
    taken = _delivery(errand)
    attempts = (taken.attempts or 0) + errand.settlement.attempted
    return _to_queue(sendable(taken, attempts), errand.given.queue)


def counted(errand: Errand) -> Outgoing:
    """Make what takes the place of a message that came again, and nobody knows why."""
    taken = _delivery(errand)
    return _to_queue(sendable(taken, taken.attempts), errand.given.queue)


def to_its_own_dead_letters(errand: Errand) -> Outgoing:
    """Make what RabbitMQ would have made of a rejected message."""
    queue, taken = errand.given.queue, errand.given.taken
    key = queue_argument(queue, DEAD_LETTER_KEY)
    if key is None:
        key = taken.routing_key if isinstance(taken, Delivery) else queue.name
    exchange = queue_argument(queue, DEAD_LETTER_EXCHANGE)
    message = sendable(taken, None) if isinstance(taken, Delivery) else errand.given.message
    return Outgoing(message, str(exchange), str(key))


def _to_queue(message: Message, queue: QueueSpec) -> Outgoing:
    declared = () if queue.no_declare else (queue,)
    return Outgoing(message, "", queue.name, declare=declared)


def _delivery(errand: Errand) -> Delivery:
    taken = errand.given.taken
    assert isinstance(taken, Delivery), "what is no message can only be buried"
    return taken
