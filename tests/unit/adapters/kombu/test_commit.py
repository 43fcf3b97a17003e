"""What of a commit takes effect when the connection, or the store, is lost on the way."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from taskq.adapters.broker.kombu import KombuBroker
from taskq.adapters.clock import SystemClock
from taskq.adapters.results.cache import MemoryStore
from taskq.errors import OperationalError
from taskq.ports import (
    Completion,
    Delivery,
    ExchangeSpec,
    Intake,
    Message,
    Outgoing,
    QueueSpec,
    ResultRecord,
    Settlement,
    Verdict,
)

NUMBERS = itertools.count()


@pytest.fixture
def work() -> QueueSpec:
    name = f"commit-{next(NUMBERS)}"
    return QueueSpec(name, ExchangeSpec(name), name)


@pytest.fixture
def after() -> QueueSpec:
    name = f"after-{next(NUMBERS)}"
    return QueueSpec(name, ExchangeSpec(name), name)


class BrokenOnce(MemoryStore):
    """A store that is away for the first write."""

    def __init__(self) -> None:
        super().__init__("cache+memory://commit", clock=SystemClock())
        self.broken = True

    def store(self, records: Sequence[ResultRecord]) -> None:
        if self.broken:
            self.broken = False
            raise OperationalError("the store is away")
        super().store(records)


def to(queue: QueueSpec) -> Outgoing:
    message = Message({}, b"[]", "application/json", "utf-8")
    return Outgoing(message, queue.name, queue.name, declare=(queue,))


def taken(intake: Intake) -> Delivery:
    [delivery] = intake.receive()
    assert isinstance(delivery, Delivery)
    return delivery


def completion(delivery: Delivery, after: QueueSpec) -> Completion:
    result = ResultRecord(f"commit-{next(NUMBERS)}", "SUCCESS", b"{}")
    return Completion((to(after),), result, Settlement(delivery.tag, Verdict.ACK))


def test_what_the_broker_took_back_has_no_effect(
    broker: KombuBroker, work: QueueSpec, after: QueueSpec
) -> None:
    """A late-ack delivery of a lost connection is somebody else's: nothing is sent or stored."""
    store = MemoryStore("cache+memory://commit", clock=SystemClock())
    broker.declare([after])
    broker.publish([to(work)])
    intake = broker.consume([work], "w")
    done = completion(taken(intake), after)
    intake.reconnect()

    intake.commit([done], store)
    intake.close()

    assert done.result is not None
    assert broker.length(after.name) == 0
    assert list(store.load([done.result.task_id])) == [None]


def test_what_was_claimed_counts_after_a_reconnect(
    broker: KombuBroker, work: QueueSpec, after: QueueSpec
) -> None:
    """An early-ack body is nobody else's, so what it did counts."""
    store = MemoryStore("cache+memory://commit", clock=SystemClock())
    broker.publish([to(work)])
    intake = broker.consume([work], "w")
    delivery = taken(intake)
    done = completion(delivery, after)
    intake.settle([Settlement(delivery.tag, Verdict.CLAIM)])
    intake.reconnect()

    intake.commit([done], store)
    intake.close()

    assert done.result is not None
    assert broker.length(after.name) == 1
    assert store.load([done.result.task_id])[0] == done.result


def test_a_commit_that_is_tried_again_publishes_once(
    broker: KombuBroker, work: QueueSpec, after: QueueSpec
) -> None:
    """Where the store is away after the follow-ups are out, the next try goes on from there."""
    store = BrokenOnce()
    broker.publish([to(work)])
    intake = broker.consume([work], "w")
    done = completion(taken(intake), after)
    with pytest.raises(OperationalError):
        intake.commit([done], store)

    intake.commit([done], store)
    intake.close()

    assert done.result is not None
    assert broker.length(after.name) == 1
    assert store.load([done.result.task_id])[0] == done.result
    assert broker.length(work.name) == 0
