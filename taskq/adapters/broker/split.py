"""A broker whose workers read from another URL than clients write to.

For drivers that know one server; made by ``taskq.wiring`` when ``broker_read_url`` is set.
Whatever is written at the one place is read at the other, by what the operator has put between
them.  So all that workers take, listen to and keep is where workers read; what is sent goes to
where clients write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from taskq.ports import (
    Broker,
    DeadLetter,
    Inbox,
    Intake,
    KeepsDeadLetters,
    KeepsParked,
    KeepsRevocations,
    KnowsOthers,
    Outgoing,
    Parked,
    QueueSpec,
    Revocation,
    TypesEvents,
)


class KeepingBroker(
    Broker, KeepsParked, KeepsRevocations, KeepsDeadLetters, KnowsOthers, TypesEvents, Protocol
):
    """A broker that keeps all that can be kept."""

    @property
    def routes(self) -> Any:
        """Where messages go, for a store at the same place."""


class SplitBroker:
    """Implements ``ports.Broker`` with two."""

    def __init__(self, writing: KeepingBroker, reading: KeepingBroker) -> None:
        self._writing, self.reading = writing, reading

    # -- where clients write ---------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The URL that is written to, with its password starred."""
        return self._writing.name

    @property
    def address(self) -> str | None:
        """Server and database that is written to."""
        return self._writing.address

    @property
    def event_exchange_type(self) -> str:
        """What monitors on this broker listen to."""
        return self._writing.event_exchange_type

    @property
    def routes(self) -> Any:
        """Where messages go, for a store at the place that is written to."""
        return self._writing.routes

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Hand over."""
        self._writing.publish(messages)

    def declare(self, queues: Sequence[QueueSpec]) -> None:
        """Make sure that queues exist."""
        self._writing.declare(queues)

    def length(self, queue: str) -> int:
        """How many messages wait in a queue."""
        return self._writing.length(queue)

    def purge(self, queue: str) -> int:
        """Throw away what waits in a queue; returns how many."""
        return self._writing.purge(queue)

    def ping(self) -> None:
        """Connect, or raise ``OperationalError``."""
        self._writing.ping()

    # -- where workers read ----------------------------------------------------------------------

    def consume(
        self, queues: Sequence[QueueSpec], node: str, *, unattended: bool = False
    ) -> Intake:
        """Begin to take from queues."""
        return self.reading.consume(queues, node, unattended=unattended)

    def listen(self, queue: QueueSpec) -> Inbox:
        """Begin to listen to what an exchange has for a queue."""
        return self.reading.listen(queue)

    def parked(self, queues: Sequence[str], limit: int) -> Sequence[Parked]:
        """Return what waits for its time, the earliest first."""
        return self.reading.parked(queues, limit)

    def unpark(self, task_ids: Sequence[str]) -> int:
        """Let what is parked of some tasks be due now."""
        return self.reading.unpark(task_ids)

    def revoke(self, revocations: Sequence[Revocation]) -> None:
        """Remember, each until its time is over."""
        self.reading.revoke(revocations)

    def revocations(self) -> Sequence[Revocation]:
        """Return what is remembered."""
        return self.reading.revocations()

    def other_workers(self, control_exchange: str) -> Sequence[str]:
        """Return names of workers that are not taskq's."""
        return self.reading.other_workers(control_exchange)

    def dead_letters(self, limit: int, offset: int = 0) -> Sequence[DeadLetter]:
        """Return some of them, the newest first."""
        return self.reading.dead_letters(limit, offset)

    def dead_letter_count(self) -> int:
        """How many there are."""
        return self.reading.dead_letter_count()

    def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Return one."""
        return self.reading.dead_letter(letter_id)

    def replay_dead_letters(self, letter_ids: Sequence[str] | None) -> int:
        """Put some (None: all) into their queues again."""
        return self.reading.replay_dead_letters(letter_ids)

    def purge_dead_letters(self, letter_ids: Sequence[str] | None) -> int:
        """Throw some (None: all) away."""
        return self.reading.purge_dead_letters(letter_ids)

    def close(self) -> None:
        """Let go of both."""
        self._writing.close()
        self.reading.close()
