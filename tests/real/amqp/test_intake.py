"""A worker's end of a real RabbitMQ: what survives, what comes again, what is noticed."""

from __future__ import annotations

import select
import time
from typing import Any

import pytest

from taskq import errors
from taskq.adapters.broker.kombu_amqp import AmqpIntake
from taskq.ports import Delivery, Intake, QueueSpec, Settlement, Verdict
from taskq_testing.servers import RabbitMQServer
from tests.real.amqp.conftest import Words, wait_until

QUORUM = {"x-queue-type": "quorum"}


def worker(
    words: Words,
    *queues: QueueSpec,
    prefetch: int = 0,
    node: str = "w1@h",
    **options: Any,
) -> Intake:
    intake = words.broker(**options).consume(queues or [words.queue()], node)
    intake.set_prefetch(prefetch)
    return intake


def settle(intake: Intake, verdict: Verdict, *deliveries: Delivery) -> None:
    intake.settle([Settlement(one.tag, verdict) for one in deliveries])


def drop(intake: Intake) -> None:
    """Lose the connection as a power failure would: nothing is said any more."""
    assert isinstance(intake, AmqpIntake)
    intake._link.sock.close()


def test_the_socket_says_when_there_is_something(words: Words) -> None:
    """An idle worker waits on a file descriptor, and is woken by a message."""
    intake = worker(words)
    while intake.receive():
        pass
    assert intake.poll_s is None
    assert select.select(intake.watched, [], [], 0.1)[0] == []
    words.broker().publish([words.message("a")])

    assert select.select(intake.watched, [], [], 5)[0]
    assert [one.message.body for one in words.take(intake, 1)] == [b"a"]
    intake.close()


def test_nothing_is_fetched_before_the_prefetch_is_known(words: Words) -> None:
    """A worker that begins does not swallow the whole queue."""
    words.broker().publish([words.message(str(at)) for at in range(50)])
    intake = worker(words, prefetch=3)
    words.take(intake, 3)

    wait_until(lambda: words.broker().length("q") == 47, "the rest in the queue")
    intake.close()


def test_a_claim_is_certain_when_settle_returns(words: Words) -> None:
    """Whoever is killed right after it has not left the message in the queue."""
    words.broker().publish([words.message(str(at)) for at in range(100)])
    intake = worker(words, prefetch=100)
    settle(intake, Verdict.CLAIM, *words.take(intake, 100))
    drop(intake)
    other = worker(words, node="w2@h")
    time.sleep(0.3)

    assert list(other.receive()) == []
    other.close()


def test_what_was_out_comes_again_after_a_cut(words: Words) -> None:
    """Marked as redelivered, under new tags; verdicts on the old ones mean nothing."""
    words.broker().publish([words.message("a"), words.message("b")])
    intake = worker(words, prefetch=10)
    before = words.take(intake, 2)
    drop(intake)
    with pytest.raises(errors.BrokerLostError):
        wait_until(lambda: bool(intake.receive()), "the news")
    assert list(intake.watched) == []
    with pytest.raises(errors.BrokerLostError):
        settle(intake, Verdict.REQUEUE, *before)
    intake.reconnect()
    again = words.take(intake, 2)
    settle(intake, Verdict.ACK, *before)

    assert [one.message.body for one in again] == [b"a", b"b"]
    assert all(one.redelivered for one in again)
    assert not {one.tag for one in again} & {one.tag for one in before}
    settle(intake, Verdict.ACK, *again)
    intake.close()
    assert words.broker().length("q") == 0


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_worker_outlives_its_broker(rabbitmq_server_of_its_own: RabbitMQServer, how: str) -> None:
    """The loss is noticed on the socket; reconnecting fails until it is back, then goes on."""
    server = rabbitmq_server_of_its_own
    words = Words(server.url)
    words.broker().publish([words.message("a")])
    intake = worker(words, prefetch=10)
    words.take(intake, 1)
    getattr(server, how)()

    assert select.select(intake.watched, [], [], 5)[0]
    with pytest.raises(errors.BrokerLostError, match="lost the broker at amqp://guest:"):
        wait_until(lambda: bool(intake.receive()), "the news")
    with pytest.raises(errors.BrokerLostError):
        intake.reconnect()
    server.start()
    intake.reconnect()
    assert [one.message.body for one in words.take(intake, 1)] == [b"a"]
    intake.close()
    words.close()


def test_a_silent_broker_is_noticed_by_its_heartbeats(
    rabbitmq_server_of_its_own: RabbitMQServer,
) -> None:
    """A connection that stays open and says nothing is a lost one, after two heartbeats."""
    server = rabbitmq_server_of_its_own
    words = Words(server.url)
    intake = worker(words, heartbeat=1)
    intake.receive()
    again_s = intake.renew()
    assert again_s is not None
    server.pause()

    def lives_on() -> None:
        start = time.monotonic()
        while time.monotonic() < start + 10:
            intake.renew()
            time.sleep(again_s)

    try:
        with pytest.raises(errors.BrokerLostError, match="heartbeats"):
            lives_on()
    finally:
        server.resume()
    words.close()


def test_a_silent_broker_is_noticed_where_nobody_could_send_heartbeats(
    rabbitmq_server_of_its_own: RabbitMQServer,
) -> None:
    """A worker whose bodies hold up its loop asks now and then, and trusts no silence."""
    server = rabbitmq_server_of_its_own
    words = Words(server.url)
    intake = words.broker(heartbeat=1).consume([words.queue()], "w1", unattended=True)
    intake.receive()
    before = intake.renew()
    server.pause()

    try:
        with pytest.raises(errors.BrokerLostError, match="no answer"):
            intake.renew()
    finally:
        server.resume()
    assert before == 1.0
    intake.reconnect()
    words.broker().publish([words.message("a")])
    assert [one.message.body for one in words.take(intake, 1)] == [b"a"]
    intake.close()
    words.close()


def test_heartbeats_keep_a_quiet_connection(words: Words) -> None:
    """A worker without work stays connected for longer than two heartbeats."""
    intake = worker(words, heartbeat=1)
    start = time.monotonic()
    while time.monotonic() < start + 3.5:
        intake.receive()
        time.sleep(intake.renew() or 1)
    words.broker().publish([words.message("a")])

    assert [one.message.body for one in words.take(intake, 1)] == [b"a"]
    intake.close()


def test_a_deleted_queue_is_made_again(words: Words) -> None:
    """The broker cancels the consumer; the worker declares the queue and goes on."""
    intake = worker(words)
    intake.receive()
    with words.broker().connection() as connection:
        connection.default_channel.queue_delete("q")
    assert select.select(intake.watched, [], [], 5)[0]
    intake.receive()
    words.broker().publish([words.message("a")])

    assert [one.message.body for one in words.take(intake, 1)] == [b"a"]
    intake.close()


def test_a_quorum_queue_counts_attempts(words: Words) -> None:
    """Quorum queues say how often it was given out before; of a classic one nothing is known."""
    quorum, classic = words.queue("quorum", arguments=QUORUM), words.queue("classic")
    words.broker().declare([quorum, classic])
    intake = worker(words, quorum, classic, prefetch=4)
    words.broker().publish([words.message("a", "classic")])
    [delivery] = words.take(intake, 1)
    assert delivery.attempts is None
    settle(intake, Verdict.ACK, delivery)
    message = words.message("b", "quorum")
    words.broker().publish([type(message)(message.message, "quorum", "quorum")])
    seen = []
    for _ in range(3):
        [delivery] = words.take(intake, 1)
        seen.append(delivery.attempts)
        drop(intake)
        intake.reconnect()
    intake.close()

    assert seen == [0, 1, 2]


def test_prefetch_of_quorum_queues_changes_while_they_run(words: Words) -> None:
    """They have no limit for a whole channel, so each consumer has its share."""
    queues = [words.queue(name, arguments=QUORUM) for name in ("a", "b")]
    words.broker().declare(queues)
    intake = worker(words, *queues, prefetch=2)
    for queue in queues:
        message = words.message("x", queue.name)
        sent = type(message)(message.message, queue.name, queue.name)
        words.broker().publish([sent] * 4)
    assert len(words.take(intake, 2)) == 2
    time.sleep(0.2)
    assert list(intake.receive()) == []
    intake.set_prefetch(8)

    assert len(words.take(intake, 6)) == 6
    intake.close()


def test_a_quorum_queue_that_nobody_named_so_is_found_out(words: Words) -> None:
    """The worker learns it from the broker's refusal, and comes back in the other way."""
    words.broker().declare([words.queue(arguments=QUORUM)])
    unnamed = words.queue(no_declare=True)
    intake = worker(words, unnamed, prefetch=2)
    with pytest.raises(errors.BrokerLostError, match="NOT_IMPLEMENTED"):
        wait_until(lambda: bool(intake.receive()), "the refusal")
    intake.reconnect()
    message = words.message("x")
    words.broker().publish([type(message)(message.message, "", "q")] * 3)

    assert len(words.take(intake, 2)) == 2
    intake.close()


def test_rejected_goes_to_the_dead_letter_queue(words: Words) -> None:
    """Where the queue has one."""
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    queue, dead = words.queue("q", arguments=arguments), words.queue("dead")
    words.broker().declare([queue, dead])
    intake = worker(words, queue)
    message = words.message("a")
    words.broker().publish([type(message)(message.message, "q", "q")])
    settle(intake, Verdict.REJECT, *words.take(intake, 1))

    wait_until(lambda: words.broker().length("dead") == 1, "the dead letter")
    intake.close()


def test_bytes_of_other_programs_arrive_as_they_are(words: Words) -> None:
    """No headers, no content type, no UTF-8: the worker decides what it is."""
    queue = words.queue()
    intake = worker(words, queue)
    with words.broker().connection() as connection:
        channel = connection.default_channel
        channel.basic_publish(channel.prepare_message(b"\xff\x00"), "", "q")
        channel.basic_publish(
            channel.prepare_message("ä", content_encoding="utf-8", content_type="text/plain"),
            "",
            "q",
        )
    first, second = words.take(intake, 2)
    intake.close()

    assert first.message.body == b"\xff\x00"
    assert (first.message.content_type, dict(first.message.headers)) == ("", {})
    assert second.message.body == "ä".encode()


def test_a_slow_reader_gets_frames_in_pieces(words: Words) -> None:
    """Bodies of many frames, more than one read brings, arrive whole and in order."""
    sizes = [0, 1, 100_000, 131_072, 400_000, 5, 1_000_000]
    broker = words.broker()
    broker.publish([words.message("x" * size) for size in sizes])
    got = words.take(intake := worker(words, prefetch=100), len(sizes))
    intake.close()

    assert [len(one.message.body) for one in got] == sizes
