"""What emulated transports do by themselves, and what the driver undoes."""

from __future__ import annotations

import gzip
import itertools
import zlib

import pytest
from kombu.transport.memory import Channel as MemoryChannel

from taskq.adapters.broker.kombu import KombuBroker
from taskq.adapters.clock import SystemClock
from taskq.adapters.randomness import SystemRandomness
from taskq.ports import (
    Delivery,
    ExchangeSpec,
    Malformed,
    Message,
    Outgoing,
    Place,
    QueueSpec,
    Settlement,
    Verdict,
)

NUMBERS = itertools.count()


@pytest.fixture
def queue() -> QueueSpec:
    name = f"unit-{next(NUMBERS)}"
    return QueueSpec(name, ExchangeSpec(name), name)


def outgoing(queue: QueueSpec, body: bytes, **headers: str) -> Outgoing:
    message = Message(headers, body, "application/json", "utf-8")
    return Outgoing(message, queue.name, queue.name, declare=(queue,))


def test_a_compressed_body_stays_compressed(broker: KombuBroker, queue: QueueSpec) -> None:
    """Also when it is no valid compression, and after it went back into the queue."""
    bodies = [zlib.compress(b"x" * 100), gzip.compress(b"y"), b"broken"]
    broker.publish([outgoing(queue, body, compression="application/x-gzip") for body in bodies])
    for _ in range(2):
        intake = broker.consume([queue], "w")
        got = [one for one in intake.receive() if isinstance(one, Delivery)]
        intake.close()

        assert [one.message.body for one in got] == bodies
        assert {one.message.headers["compression"] for one in got} == {"application/x-gzip"}


def test_what_is_no_message_is_reported_and_does_not_stop_the_rest(
    broker: KombuBroker, queue: QueueSpec
) -> None:
    """It holds a place until it is settled."""
    broker.declare([queue])
    for raw in ({"nonsense": 1}, "text", {"body": "!", "properties": {}}):
        MemoryChannel.queues[queue.name].put(raw)
    broker.publish([outgoing(queue, b"good")])
    intake = broker.consume([queue], "w")
    got = list(intake.receive())
    intake.settle([Settlement(one.tag, Verdict.REJECT) for one in got])
    intake.close()

    bad = [one for one in got if isinstance(one, Malformed)]
    assert [one.raw for one in bad][:2] == [b'{"nonsense": 1}', b"text"]
    assert all(one.queue == queue.name and one.reason for one in bad)
    assert [one.message.body for one in got if isinstance(one, Delivery)] == [b"good"]
    assert len({one.tag for one in got}) == 4
    assert broker.length(queue.name) == 0


def test_an_idle_worker_looks_less_often(broker: KombuBroker, queue: QueueSpec) -> None:
    """And at once more often when something came."""
    intake = broker.consume([queue], "w")
    rhythm = []
    for _ in range(5):
        intake.receive()
        rhythm.append(intake.poll_s)
    broker.publish([outgoing(queue, b"x")])
    intake.receive()
    rhythm.append(intake.poll_s)
    intake.close()

    assert rhythm == [0.02, 0.04, 0.05, 0.05, 0.05, 0.01]


def test_the_users_polling_interval_is_kept(queue: QueueSpec) -> None:
    """On SQS each look costs money."""
    broker = KombuBroker(
        "memory://",
        clock=SystemClock(),
        randomness=SystemRandomness(),
        place=Place("h", 1),
        transport_options={"polling_interval": 3},
    )
    intake = broker.consume([queue], "w")

    assert intake.poll_s == 3.0
    intake.close()
    broker.close()


def test_a_url_without_a_password_shows_none(broker: KombuBroker) -> None:
    """No stars where there is nothing to star."""
    assert broker.name == "memory://localhost//"


def test_a_password_is_starred() -> None:
    """In the name, as in every error."""
    broker = KombuBroker(
        ["amqp://joe:secret@host/vhost", "amqp://jim:hidden@other//"],
        clock=SystemClock(),
        randomness=SystemRandomness(),
        place=Place("h", 1),
    )

    assert broker.name == "amqp://joe:**@host:5672/vhost"
    assert broker.address is None
