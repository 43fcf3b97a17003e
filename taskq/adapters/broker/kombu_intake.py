"""What the two kombu ends of a worker have in common: AMQP's, and that of emulated transports.

A worker's thread is the only one that uses an intake.  Owned here: the numbering of deliveries
(over reconnects too), and what ``commit`` means where no step can be made atomic with another:
publish the follow-ups, store the results, then settle.  A crash in between repeats, never loses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, Final, Generic, TypeVar

from taskq.adapters.broker.errors import BrokerGoneError
from taskq.adapters.broker.kombu_links import Deadline, Link, explain
from taskq.ports import (
    Clock,
    Completion,
    Delivery,
    LostMessage,
    Malformed,
    Message,
    Outgoing,
    QueueSpec,
    ResultStore,
    Settlement,
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

# Properties of a message that have a field of their own, or are the transport's own business.
OWN_FIELDS: Final = frozenset(
    {
        "content_type",
        "content_encoding",
        "application_headers",
        "delivery_info",
        "delivery_tag",
        "body_encoding",
    }
)


def _tag(done: Completion) -> int | None:
    return None if done.settlement is None else done.settlement.tag


class KombuIntake(ABC, Generic[Handle]):
    """Implements ``ports.Intake``, up to what transports do differently."""

    def __init__(
        self,
        link: Link,
        queues: Sequence[QueueSpec],
        *,
        node: str,
        clock: Clock,
        publish: Publish,
        checkrate: float,
    ) -> None:
        self._link, self._clock, self._publish = link, clock, publish
        self._node, self._checkrate = node, checkrate
        self._queues = {queue.name: queue for queue in queues}
        self._prefetch = 0
        self._numbers = count(1)
        self._inbox: list[Delivery | Malformed] = []
        # What the transport has given out on this connection, oldest first.
        self._open: dict[int, Handle] = {}
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
        inbox, self._inbox = self._inbox, []
        return inbox

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Carry out the verdicts; those on deliveries of an earlier connection mean nothing."""
        known = [settlement for settlement in settlements if settlement.tag in self._open]
        if known:
            with self._guarded():
                self._settle(known)

    def commit(self, completions: Sequence[Completion], store: ResultStore) -> None:
        """Publish follow-ups, store results, settle: each for the whole batch, in this order.

        Left out is what the broker has taken back meanwhile.  Called again after a failure in
        between, it goes on with what was not done.
        """
        ours = [done for done in completions if _tag(done) not in self._lost]
        self._publish_once(ours)
        if results := [done.result for done in ours if done.result is not None]:
            store.store(results)
        self.settle([done.settlement for done in ours if done.settlement is not None])
        tags = {_tag(done) for done in completions}
        self._lost.difference_update(tag for tag in tags if tag is not None)
        self._published.difference_update(tag for tag in tags if tag is not None)

    def _publish_once(self, completions: Sequence[Completion]) -> None:
        due = [done for done in completions if _tag(done) not in self._published]
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
        self._lost = set(sorted(self._lost | self._open.keys())[-MOST_LOST:])
        self._open.clear()

    def close(self) -> None:
        """Hand back what is unsettled and unclaimed, and let go of the connection."""
        self._open.clear()
        self._inbox.clear()
        self._link.close()

    def _accept(self, handle: Handle | None, delivery: Callable[[int], Delivery]) -> None:
        """Number a delivery; with a handle it has to be settled."""
        tag = next(self._numbers)
        if handle is not None:
            self._open[tag] = handle
        self._inbox.append(delivery(tag))

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


def message_from(
    body: bytes, headers: dict[str, Any], properties: dict[str, Any], ctype: Any, encoding: Any
) -> Message:
    """Make the record that travels on."""
    return Message(
        headers=headers,
        body=body,
        content_type=ctype or "",
        content_encoding=encoding or "",
        properties={
            name: value
            for name, value in properties.items()
            if name not in OWN_FIELDS and value is not None
        },
    )
