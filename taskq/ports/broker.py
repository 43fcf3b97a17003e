"""The broker, and a worker's end of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from taskq.ports.messages import (
    DeadLetter,
    Delivery,
    LostMessage,
    Malformed,
    Message,
    Outgoing,
    Parked,
    QueueSpec,
    Revocation,
    Settlement,
)
from taskq.ports.results import ChordFull, Completion, ResultStore


class Intake(Protocol):
    """One worker's end of the broker: what it is given, and what it says of it.

    ``receive`` and ``settle`` never wait for messages.  Any call may raise ``BrokerLostError``;
    then ``reconnect`` is called until it succeeds.
    """

    @property
    def keeps_deliveries(self) -> bool:
        """True where a delivery outlives the connection (leases); False where it goes back."""

    @property
    def parks(self) -> bool:
        """Whether ``settle`` and ``commit`` take PARK."""

    @property
    def watched(self) -> Sequence[int]:
        """File descriptors that become readable when ``receive`` may have something."""

    @property
    def poll_s(self) -> float | None:
        """How often to call ``receive`` though nothing became readable; None: never."""

    def set_prefetch(self, count: int) -> None:
        """How many deliveries may be unsettled and unclaimed at once; 0 means any number."""

    def receive(self) -> Sequence[Delivery | Malformed]:
        """Take what is there, as far as the prefetch allows.

        Where it returns nothing, ``watched`` has been armed.
        """

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Carry out the verdicts, in order.  CLAIM has taken effect when this returns."""

    def commit(self, completions: Sequence[Completion], store: ResultStore) -> Sequence[ChordFull]:
        """Publish follow-ups, store results, count parts of chords, settle; atomic if it can be.

        Returns those that would complete a chord and do not say what ends it.  They are not
        settled; where the step is atomic, nothing of them was done.  They are committed again,
        with that chord's ending behind those that they had.
        """

    def renew(self) -> float | None:
        """Renew leases; returns in how many seconds it is due again, None: never."""

    def lost_claims(self) -> Sequence[LostMessage]:
        """Return what this intake has found of lost workers since the last call.

        Each is under a lease of its own, and waits for a settlement.
        """

    def lost_tags(self) -> Sequence[int]:
        """Return tags of its own that another worker has taken over since the last call."""

    def add_queue(self, queue: QueueSpec) -> None:
        """Take from one more queue."""

    def cancel_queue(self, name: str) -> None:
        """Stop taking from a queue."""

    def reconnect(self) -> None:
        """Try once to connect again and to consume as before; raises ``BrokerLostError``."""

    def close(self) -> None:
        """Hand back what is unsettled and unclaimed, and let go of connections."""


@runtime_checkable
class TakesAlong(Protocol):
    """An intake that can take in the step that commits."""

    def commit_and_take(
        self, completions: Sequence[Completion], store: ResultStore
    ) -> Sequence[ChordFull]:
        """As ``commit``, and take as ``receive`` does, which then returns what was taken.

        Where a follow-up that a completion ``begins`` is among the first that are taken (no more
        than begin in all), it is claimed in the same step.  It must be handed to a slot before
        anything else is waited for: from here on a kill ends it, as after any CLAIM.
        """


class Inbox(Protocol):
    """One listener's end of an exchange: commands for a worker, replies, events for a monitor.

    What it is given is never acknowledged: a message that its listener did not read is gone.
    """

    @property
    def watched(self) -> Sequence[int]:
        """File descriptors that become readable when ``receive`` may have something."""

    @property
    def poll_s(self) -> float | None:
        """How often to call ``receive`` though nothing became readable; None: never."""

    def receive(self) -> Sequence[Message]:
        """Return what has come since the last call; never waits.  May raise ``BrokerLostError``.

        What is no message is dropped, and logged with its reason.
        """

    def wait(self, timeout_s: float) -> None:
        """Return when ``receive`` may have something, or the time is over."""

    def reconnect(self) -> None:
        """Try once to listen again; raises ``BrokerLostError``."""

    def close(self) -> None:
        """Listen no longer, and leave nothing behind on the broker."""


@runtime_checkable
class KnowsOthers(Protocol):
    """A broker that can say which workers that are not taskq's are there."""

    def other_workers(self, control_exchange: str) -> Sequence[str]:
        """Return names of those that hear commands on this exchange, or did until lately."""


@runtime_checkable
class KeepsParked(Protocol):
    """A broker whose parked messages can be looked at, and come back before their time."""

    def parked(self, queues: Sequence[str], limit: int) -> Sequence[Parked]:
        """Return what waits for its time, the earliest first."""

    def unpark(self, task_ids: Sequence[str]) -> int:
        """Let what is parked of some tasks be due now; returns how many messages those are.

        For tasks that were revoked: whoever takes them tells their end, and their chord.
        """


@runtime_checkable
class KeepsRevocations(Protocol):
    """A broker that remembers what was revoked, for workers that are not there yet."""

    def revoke(self, revocations: Sequence[Revocation]) -> None:
        """Remember, each until its time is over."""

    def revocations(self) -> Sequence[Revocation]:
        """Return what is remembered."""


@runtime_checkable
class KeepsDeadLetters(Protocol):
    """A broker whose dead letters can be looked at, sent again and thrown away."""

    def dead_letters(self, limit: int, offset: int = 0) -> Sequence[DeadLetter]:
        """Return some of them, the newest first."""

    def dead_letter_count(self) -> int:
        """How many there are."""

    def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Return one; None if it is not there (any more)."""

    def replay_dead_letters(self, letter_ids: Sequence[str] | None) -> int:
        """Put some (None: all) into their queues again, each as one step; returns how many.

        The attempts of a replayed message begin anew.
        """

    def purge_dead_letters(self, letter_ids: Sequence[str] | None) -> int:
        """Throw some (None: all) away; returns how many."""


@runtime_checkable
class TypesEvents(Protocol):
    """A broker on which the exchange of events is of another type than ``topic``."""

    @property
    def event_exchange_type(self) -> str:
        """What monitors on this broker listen to."""


class Broker(Protocol):
    """Where messages go.  Safe to use from many threads, and after a fork."""

    @property
    def name(self) -> str:
        """The URL with its password starred."""

    @property
    def address(self) -> str | None:
        """Server and database, if a store at the same place can share a transaction."""

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Hand over; when it returns the broker has them.  Raises ``OperationalError``."""

    def consume(
        self, queues: Sequence[QueueSpec], node: str, *, unattended: bool = False
    ) -> Intake:
        """Begin to take from queues, on behalf of the named node.

        An ``unattended`` intake is not called for as long as a body runs (a solo pool blocks its
        loop): leases and connection must hold by themselves meanwhile.
        """

    def listen(self, queue: QueueSpec) -> Inbox:
        """Begin to listen to what an exchange (fanout, topic or direct) has for a queue.

        The queue is the listener's own: it is made by this call, and goes with the inbox, or by
        its own expiry should the listener be killed.
        """

    def declare(self, queues: Sequence[QueueSpec]) -> None:
        """Make sure that queues exist."""

    def length(self, queue: str) -> int:
        """How many messages wait in a queue."""

    def purge(self, queue: str) -> int:
        """Throw away what waits in a queue; returns how many."""

    def ping(self) -> None:
        """Connect, or raise ``OperationalError`` that says where and why not."""

    def close(self) -> None:
        """Let go of connections."""
