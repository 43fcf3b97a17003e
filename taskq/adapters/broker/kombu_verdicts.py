"""Which verdicts of a worker need a message to be published, and what that message is.

RabbitMQ has an answer of its own to most of them: acknowledge, put back where it was, reject to
where the queue says.  The rest is an *errand*: something is published first, and when the broker
has it the delivery is acknowledged.  A crash in between leaves both: it doubles, never loses.

How often a message was begun is counted in its header ``taskq-attempts``.  A header can be
changed only by publishing the message again, which costs it its place; so what was never counted
goes back into its place, and what was counted once is published again with the right number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from taskq.adapters.broker.kombu_entities import queue_argument
from taskq.ports import Delivery, Malformed, Message, QueueSpec, Settlement, Verdict

DEAD_LETTER_EXCHANGE: Final = "x-dead-letter-exchange"
DELIVERY_LIMIT: Final = "x-delivery-limit"


class Given(NamedTuple):
    """What a worker has in its hands, and from where."""

    taken: Delivery | Malformed
    queue: QueueSpec
    node: str

    @property
    def message(self) -> Message:
        """As it came; of what is no message, the bytes."""
        if isinstance(self.taken, Delivery):
            return self.taken.message
        return Message({}, self.taken.raw, "", "")

    @property
    def task_id(self) -> Any:
        """What the log calls it."""
        return self.message.headers.get("id")


class Kind(Enum):
    """Where an errand goes."""

    AGAIN = auto()  # to the queue that it came from
    COUNT = auto()  # there too, because it came again
    PARK = auto()  # to where it waits for its time
    BURY = auto()  # to the dead letters of taskq
    FORWARD = auto()  # to the dead letters that its queue names


@dataclass(frozen=True, slots=True)
class Errand:
    """Something to publish because of a verdict."""

    kind: Kind
    given: Given
    settlement: Settlement

    @property
    def tag(self) -> int:
        """Which delivery it is about."""
        return self.settlement.tag

    @property
    def due_s(self) -> float:
        """Until when it is parked."""
        due_s = self.settlement.due_s
        assert due_s is not None, "what is parked has a time"
        return due_s

    def is_due(self, now_s: float) -> bool:
        """Whether there is nothing left to wait for."""
        return self.kind is Kind.PARK and self.due_s <= now_s


class Verdicts:
    """Tells errands from what the transport can do by itself."""

    def errand(self, settlement: Settlement, given: Given, *, is_open: bool) -> Errand | None:
        """Return what has to be published; None: nothing.

        ``is_open``: the broker waits for a verdict.  Else it has forgotten the message, because
        it was claimed: what goes back has to be published in any case.
        """
        choose = _CHOICES.get(settlement.verdict)
        kind = None if choose is None else choose(settlement, given, is_open)
        return None if kind is None else Errand(kind, given, settlement)


def _requeued(settlement: Settlement, given: Given, is_open: bool) -> Kind | None:
    if isinstance(given.taken, Malformed):
        return None
    if not is_open:
        return Kind.AGAIN
    counted = bool(given.taken.attempts) or settlement.attempted
    # Whoever sets a limit on the queue wants the broker to count.
    return Kind.AGAIN if counted and queue_argument(given.queue, DELIVERY_LIMIT) is None else None


def _rejected(_: Settlement, given: Given, is_open: bool) -> Kind | None:
    if queue_argument(given.queue, DEAD_LETTER_EXCHANGE) is None:
        return Kind.BURY
    return None if is_open else Kind.FORWARD


_CHOICES: Final[Mapping[Verdict, Callable[[Settlement, Given, bool], Kind | None]]] = (
    MappingProxyType(
        {
            Verdict.REQUEUE: _requeued,
            Verdict.REJECT: _rejected,
            Verdict.PARK: lambda _settlement, _given, _is_open: Kind.PARK,
        }
    )
)
