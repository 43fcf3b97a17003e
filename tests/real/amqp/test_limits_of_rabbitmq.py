"""What RabbitMQ itself sets an end to: long bodies, large messages, what is out at once."""

from __future__ import annotations

import time

import pytest

from taskq import errors
from taskq.adapters.broker.kombu_amqp import AmqpIntake
from taskq.adapters.clock import SystemClock
from taskq.adapters.results.cache import MemoryStore
from taskq.ports import Completion, Intake, ResultRecord, Settlement, Verdict
from taskq_testing.servers import RabbitMQServer
from tests.real.amqp.conftest import Words, wait_until
from tests.real.amqp.test_parking import park


@pytest.fixture
def impatient(rabbitmq_server_of_its_own: RabbitMQServer) -> RabbitMQServer:
    """A RabbitMQ that takes back what is not acknowledged within two seconds."""
    server = rabbitmq_server_of_its_own
    server.control(
        "eval",
        "application:set_env(rabbit, consumer_timeout, 2000),"
        "application:set_env(rabbit, channel_tick_interval, 500).",
    )
    return server


def works_until_lost(intake: Intake) -> None:
    while True:
        intake.receive()
        intake.renew()
        time.sleep(0.05)


def test_a_late_body_that_lasts_too_long_is_given_to_others(impatient: RabbitMQServer) -> None:
    """The worker is told what to do about it, goes on, and its late result does not count."""
    words = Words(impatient.url)
    store = MemoryStore("cache+memory://limits", clock=SystemClock())
    words.broker().publish([words.message("long")])
    intake = words.broker().consume([words.queue()], "w1@h")
    [late] = words.take(intake, 1)
    with pytest.raises(errors.BrokerLostError, match="raise consumer_timeout above the longest"):
        works_until_lost(intake)
    intake.reconnect()
    [again] = words.take(intake, 1)
    intake.commit(
        [
            Completion(
                result=ResultRecord("long", "SUCCESS", b"{}"),
                settlement=Settlement(late.tag, Verdict.ACK),
            )
        ],
        store,
    )

    assert again.redelivered
    assert list(store.load(["long"])) == [None]
    intake.settle([Settlement(again.tag, Verdict.ACK)])
    intake.close()
    assert words.broker().length("q") == 0
    words.close()


def test_early_bodies_and_long_delays_meet_no_limit(impatient: RabbitMQServer) -> None:
    """What is claimed or parked is not out, however long it lasts."""
    words = Words(impatient.url)
    words.broker().publish([words.message("body"), words.message("later")])
    intake = words.broker().consume([words.queue()], "w1@h")
    body, later = words.take(intake, 2)
    intake.settle([Settlement(body.tag, Verdict.CLAIM)])
    park(intake, 7.0, later)
    start = time.monotonic()
    while time.monotonic() < start + 6.0:
        assert list(intake.receive()) == []
        intake.renew()
        time.sleep(0.05)
    intake.settle([Settlement(body.tag, Verdict.ACK)])

    assert [one.message.body for one in words.take(intake, 1)] == [b"later"]
    intake.close()
    words.close()


def out_at(server: RabbitMQServer, words: Words) -> int:
    """How many messages RabbitMQ has given out in this vhost and not got back."""
    vhost = words.url.rsplit("/", 1)[1]
    channels = server.control("list_channels", "vhost", "messages_unacknowledged").splitlines()
    return sum(int(line.split()[1]) for line in channels if line.split()[0] == vhost)


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_the_prefetch_holds_after_every_reconnect(
    words: Words, private_rabbitmq: RabbitMQServer, kind: str
) -> None:
    """The broker never gives out more than was asked for."""
    queue = words.queue("q", arguments={"x-queue-type": kind})
    broker = words.broker()
    broker.declare([queue])
    sent = words.message("x")
    broker.publish([type(sent)(sent.message, "", "q")] * 200)
    intake = broker.consume([queue], "w1@h")
    intake.set_prefetch(40)
    for _ in range(3):
        words.take(intake, 40)
        assert isinstance(intake, AmqpIntake)
        assert out_at(private_rabbitmq, words) == 40
        intake._link.sock.close()
        wait_until(lambda: out_at(private_rabbitmq, words) == 0, "all of them back")
        intake.reconnect()
    words.take(intake, 40)

    assert out_at(private_rabbitmq, words) == 40
    intake.close()
