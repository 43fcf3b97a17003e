"""What the two kombu ends of a worker have in common: AMQP's, and that of emulated transports.

A worker's thread is the only one that uses an intake.  Owned here: the numbering of deliveries
(over reconnects too), and what ``commit`` means where no step can be made atomic with another:
publish the follow-ups, store the results, then settle.  A crash in between repeats, never loses.

``kombu_verdicts`` says which verdicts need a message to be published; that is done first, and
confirmed, before the delivery is acknowledged.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Final, Generic, TypeVar

from taskq.adapters.broker.errors import BrokerGoneError
from taskq.adapters.broker.kombu_advice import explain
from taskq.adapters.broker.kombu_errands import Errands
from taskq.adapters.broker.kombu_links import Deadline, Link
from taskq.adapters.broker.kombu_verdicts import Given, Verdicts
from taskq.ports import (
    ChordFull,
    Clock,
    Completion,
    Delivery,
    LostMessage,
    Malformed,
    Outgoing,
    QueueSpec,
    ResultStore,
    Settlement,
    Verdict,
    end_chords,
    grow_chords,
    weigh_chords,
)

Publish = Callable[[Sequence[Outgoing]], None]
# What the transport needs to settle a delivery.
Handle = TypeVar("Handle")

# Tags that are remembered as lost: far more than a worker holds, and more than are ever asked for.
MOST_LOST: Final = 10_000
# Connecting, declaring and consuming, all of it.
CONNECT_TIMEOUT_S: Final = 30.0
# What ``receive`` returns at once where the transport has to be asked for each message.
BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class IntakeParts:
    """What an intake stands on, beside its own connection."""

    clock: Clock
    publish: Publish  # to where clients write
    verdicts: Verdicts
    errands: Errands
    checkrate: float  # heartbeats sent within the time in which one is due
    # How often to ask a broker for a sign of life where none comes by itself; None: never.
    ask_every_s: float | None = None


def _tag(done: Completion) -> int | None:
    return None if done.settlement is None else done.settlement.tag


class KombuIntake(ABC, Generic[Handle]):
    """Implements ``ports.Intake``, up to what transports do differently."""

    def __init__(
        self, link: Link, queues: Sequence[QueueSpec], *, node: str, parts: IntakeParts
    ) -> None:
        self._link, self._clock, self._publish = link, parts.clock, parts.publish
        self._verdicts, self._errands = parts.verdicts, parts.errands
        self._node, self._checkrate = node, parts.checkrate
        self._queues = {queue.name: queue for queue in queues}
        self._prefetch = 0
        self._numbers = count(1)
        self._inbox: list[Delivery | Malformed] = []
        # What the transport has given out on this connection, oldest first.
        self._open: dict[int, Handle] = {}
        # All that waits for its last verdict: what is open, and what the broker has forgotten
        # since it was claimed.  As many as the worker has in its hands.
        self._given: dict[int, Given] = {}
        # What was out when a connection ended: the broker gives it to others, so what it did here
        # must not count.
        self._lost: set[int] = set()
        # Tags whose follow-ups are out, while the rest of their commit is tried again.
        self._published: set[int] = set()

    @property
    def keeps_deliveries(self) -> bool:
        """False: what was given out goes back when the connection ends."""
        return False

    @property
    @abstractmethod
    def parks(self) -> bool:
        """Whether ``settle`` and ``commit`` take PARK."""

    @property
    @abstractmethod
    def watched(self) -> Sequence[int]:
        """File descriptors that become readable when ``receive`` may have something."""

    @property
    @abstractmethod
    def poll_s(self) -> float | None:
        """How often to call ``receive`` though nothing became readable; None: never."""

    @abstractmethod
    def _collect(self) -> None:
        """Put what is there into the inbox, without waiting."""

    @abstractmethod
    def _settle(self, settlements: Sequence[Settlement]) -> None:
        """Carry out verdicts on deliveries of this connection."""

    @abstractmethod
    def _begin(self) -> None:
        """Consume from all queues on a link that has just been connected."""

    @abstractmethod
    def _limit_prefetch(self) -> None:
        """Tell the transport about ``_prefetch``."""

    @abstractmethod
    def _consume(self, queue: QueueSpec) -> None:
        """Declare a queue and take from it."""

    @abstractmethod
    def _cancel(self, name: str) -> None:
        """Take nothing more from a queue."""

    def set_prefetch(self, count: int) -> None:
        """How many deliveries may be unsettled and unclaimed at once; 0 means any number."""
        if count != self._prefetch:
            self._prefetch = count
            with self._guarded():
                self._limit_prefetch()

    def receive(self) -> Sequence[Delivery | Malformed]:
        """Take what is there."""
        with self._guarded():
            self._collect()
            if self._errands.are_due:
                self._run_errands()
        inbox, self._inbox = self._inbox, []
        return inbox

    # -- verdicts --------------------------------------------------------------------------------

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Carry out the verdicts; those on deliveries of an earlier connection mean nothing."""
        plain: list[Settlement] = []
        given, is_open = self._given, self._open
        for settlement in settlements:
            tag, verdict = settlement.tag, settlement.verdict
            if tag not in given:
                continue
            if verdict is Verdict.CLAIM:
                if tag in is_open:
                    plain.append(settlement)
                continue
            taken = given.pop(tag)
            errand = (
                None
                if verdict is Verdict.ACK
                else self._verdicts.errand(settlement, taken, is_open=tag in is_open)
            )
            if errand is not None:
                self._errands.add(errand)
            elif tag in is_open:
                plain.append(settlement)
        if self._errands.are_new:
            with self._guarded():
                self._run_errands()
        if plain:
            with self._guarded():
                self._settle(plain)

    def _run_errands(self) -> None:
        """Publish what has to be published, and have the broker forget what stood for it."""
        self._settle_some(self._errands.run(self._open))

    def _settle_some(self, settled: Sequence[tuple[int, Verdict]]) -> None:
        verdicts = [Settlement(tag, verdict) for tag, verdict in settled if tag in self._open]
        if verdicts:
            self._settle(verdicts)

    def commit(self, completions: Sequence[Completion], store: ResultStore) -> Sequence[ChordFull]:
        """Publish follow-ups, store results, count, settle: each for the whole batch, in order.

        Left out is what the broker has taken back meanwhile.  Called again after a failure in
        between, it goes on with what was not done.
        """
        ours = [(at, done) for at, done in enumerate(completions) if _tag(done) not in self._lost]
        grow_chords((done for _, done in ours), store)
        self._publish_once([done for _, done in ours])
        results = [done.result for _, done in ours if done.result and not done.goes_on]
        if results:
            store.store(results)
        full: list[ChordFull] = []
        settled: list[Completion] = []
        for at, done in ours:
            due = weigh_chords(at, done, store)
            if isinstance(due, ChordFull):
                full.append(due)
                continue
            end_chords(due, store, self._publish)
            settled.append(done)
        self.settle([done.settlement for done in settled if done.settlement is not None])
        missing = {each.number for each in full}
        tags = {_tag(done) for at, done in enumerate(completions) if at not in missing}
        self._lost.difference_update(tag for tag in tags if tag is not None)
        self._published.difference_update(tag for tag in tags if tag is not None)
        return full

    def _publish_once(self, completions: Sequence[Completion]) -> None:
        # What is committed again with the ending of its chord has its own follow-ups out.
        due = [
            done for done in completions if not done.goes_on and _tag(done) not in self._published
        ]
        if follow_ups := [item for done in due for item in done.follow_ups]:
            self._publish(follow_ups)
        self._published |= {done.settlement.tag for done in due if done.settlement is not None}

    def renew(self) -> float | None:
        """Nothing to renew, unless the transport has heartbeats."""
        return None

    def lost_claims(self) -> Sequence[LostMessage]:
        """Nothing: here a claim is an acknowledgement, and the broker has forgotten it."""
        return ()

    def lost_tags(self) -> Sequence[int]:
        """Nothing: what is out stays out as long as the connection."""
        return ()

    # -- queues ----------------------------------------------------------------------------------

    def add_queue(self, queue: QueueSpec) -> None:
        """Take from one more queue."""
        if queue.name not in self._queues:
            self._queues[queue.name] = queue
            with self._guarded():
                self._consume(queue)

    def cancel_queue(self, name: str) -> None:
        """Stop taking from a queue; what it has given out stays open."""
        if self._queues.pop(name, None) is not None:
            with self._guarded():
                self._cancel(name)

    # -- the connection --------------------------------------------------------------------------

    def reconnect(self) -> None:
        """Try once to connect again and to consume as before."""
        self._drop()
        with self._translated():
            self._link.connect(Deadline(self._clock, CONNECT_TIMEOUT_S))
            self._begin()

    def _drop(self) -> None:
        """Forget the connection, and what it had given out."""
        self._link.abandon()
        self._forget_open()
        self._inbox.clear()

    def _forget_open(self) -> None:
        """Note that the broker has back what was open."""
        self._errands.forget(self._open)
        for tag in self._open:
            self._given.pop(tag, None)
        self._lost = set(sorted(self._lost | self._open.keys())[-MOST_LOST:])
        self._open.clear()

    def close(self) -> None:
        """Hand back what is unsettled and unclaimed, and let go of the connection."""
        settled = self._errands.close(self._open)
        # Where the connection is gone, everything is back already.
        with contextlib.suppress(BrokerGoneError), self._guarded():
            self._settle_some(settled)
        self._open.clear()
        self._given.clear()
        self._inbox.clear()
        self._link.close()

    def _accept(self, handle: Handle | None, queue: QueueSpec, taken: Delivery | Malformed) -> None:
        """Take a delivery in; with a handle it has to be settled, else the broker forgot it."""
        if handle is not None:
            self._open[taken.tag] = handle
        self._given[taken.tag] = Given(taken, queue, self._node)
        self._inbox.append(taken)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Use a connection that is there; without one, the error is the same as if it broke."""
        if self._link.channel is None:
            raise BrokerGoneError(self._link.where, "there is no connection")
        with self._translated():
            yield

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what the transport raises into the one error that a worker answers."""
        try:
            yield
        except self._link.failures as error:
            self._on_failure(error)
            why, advice = explain(error)
            self._link.abandon()
            raise BrokerGoneError(self._link.where, why, advice) from error

    def _on_failure(self, error: BaseException) -> None:
        """Learn from an error before the connection is dropped."""
