"""Revocations in a stream of RabbitMQ, and on one that has no streams."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import pytest

from taskq.adapters.broker.kombu_revoked import QUEUE
from taskq.ports import KeepsRevocations, Message, Outgoing, Revocation
from taskq_testing.server_fixtures import started
from taskq_testing.servers import RabbitMQServer
from tests.real.amqp.conftest import Words
from tests.real.amqp.test_parking import park


def test_strange_records_in_the_stream_are_passed_over(words: Words) -> None:
    """Who else writes there revokes nothing, and keeps nobody from reading."""
    broker, until_s = words.rabbit(), time.time() + 100
    assert isinstance(broker, KeepsRevocations)
    broker.revoke([Revocation(until_s, "a")])
    for body in (b"\xff", b"[1]", b'{"until": "soon"}', b'{"until": 1e12, "headers": 3}', b""):
        broker.publish([Outgoing(Message({}, body, "", ""), "", QUEUE)])
    broker.revoke([Revocation(until_s, "b")])

    known = {one.task_id for one in broker.revocations()}
    assert {"a", "b"} <= known <= {"a", "b", ""}


def test_a_restart_of_the_broker_forgets_nothing(
    rabbitmq_server_of_its_own: RabbitMQServer,
) -> None:
    """They are on disk."""
    server = rabbitmq_server_of_its_own
    words = Words(server.url)
    words.rabbit().revoke([Revocation(time.time() + 100, "a")])
    words.close()
    server.stop()
    server.start()

    assert [one.task_id for one in words.rabbit().revocations()] == ["a"]
    words.close()


class OldRabbitMQ(RabbitMQServer):
    """One without streams, as all were before 3.9."""

    def _environment(self) -> dict[str, str]:
        features = ["quorum_queue", "implicit_default_bindings", "virtual_host_metadata"]
        return super()._environment() | {"RABBITMQ_FEATURE_FLAGS": ",".join(features)}


@pytest.fixture
def old() -> Iterator[Words]:
    for server in started(OldRabbitMQ):
        assert isinstance(server, OldRabbitMQ)
        words = Words(server.url)
        yield words
        words.close()


def test_without_streams_it_is_said_once(old: Words, caplog: pytest.LogCaptureFixture) -> None:
    """And everything else goes on."""
    broker = old.rabbit()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            broker.revoke([Revocation(time.time() + 100, "a")])
            assert list(broker.revocations()) == []

    assert [record for record in caplog.messages if "no streams" in record] == caplog.messages
    assert len(caplog.messages) == 1


def test_without_streams_messages_are_parked_all_the_same(old: Words) -> None:
    """In classic queues, since quorum queues cannot keep them as safely there."""
    broker = old.rabbit()
    broker.publish([old.message("a")])
    intake = broker.consume([old.queue()], "w1@h")
    park(intake, 0.1, *old.take(intake, 1))

    assert [one.message.body for one in old.take(intake, 1)] == [b"a"]
    intake.close()
