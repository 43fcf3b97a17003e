"""How often a message was begun, counted over workers that die; and what goes back unbegun."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.adapters.broker.kombu_amqp import AmqpIntake
from taskq.ports import Delivery, Intake, Message, Outgoing, QueueSpec, Settlement, Verdict
from taskq_testing.servers import RabbitMQServer
from tests.real.amqp.conftest import Words, wait_until

QUORUM = {"x-queue-type": "quorum"}


def send(words: Words, queue: QueueSpec, *texts: str, task: str = "t") -> None:
    broker = words.broker()
    broker.declare([queue])
    broker.publish(
        [
            Outgoing(
                Message({"id": text, "task": task}, text.encode(), "application/json", "utf-8"),
                "",
                queue.name,
            )
            for text in texts
        ]
    )


def worker(words: Words, queue: QueueSpec, **options: Any) -> Intake:
    intake = words.broker(**options).consume([queue], "w@h")
    intake.set_prefetch(options.pop("prefetch", 10))
    return intake


def die(intake: Intake) -> None:
    """Lose the connection as a process that was killed does."""
    assert isinstance(intake, AmqpIntake)
    intake._link.sock.close()
    intake.close()  # of its other connections; there is nothing left that could be said


def say(intake: Intake, verdict: Verdict, delivery: Delivery, *, attempted: bool = False) -> None:
    intake.settle([Settlement(delivery.tag, verdict, attempted=attempted)])


def bodies(deliveries: list[Delivery]) -> list[str]:
    return [one.message.body.decode() for one in deliveries]


@pytest.mark.parametrize("arguments", [{}, QUORUM], ids=["classic", "quorum"])
def test_each_lost_worker_is_counted(words: Words, arguments: dict[str, Any]) -> None:
    """On every kind of queue the number goes up, until a limit can end it."""
    queue = words.queue("q", arguments=arguments)
    send(words, queue, "poison")
    seen = []
    for _ in range(5):
        intake = worker(words, queue)
        [delivery] = words.take(intake, 1)
        seen.append((delivery.attempts or 0, delivery.redelivered))
        die(intake)

    assert seen == [(0, False), (1, True), (2, True), (3, True), (4, True)]


@pytest.mark.parametrize("arguments", [{}, QUORUM], ids=["classic", "quorum"])
def test_a_lost_process_of_the_pool_is_counted(words: Words, arguments: dict[str, Any]) -> None:
    """The worker gives the message back, and says that its body had begun."""
    queue = words.queue("q", arguments=arguments)
    send(words, queue, "a")
    intake = worker(words, queue)
    seen = []
    for _ in range(4):
        [delivery] = words.take(intake, 1)
        seen.append(delivery.attempts or 0)
        say(intake, Verdict.REQUEUE, delivery, attempted=True)
    [last] = words.take(intake, 1)

    assert seen == [0, 1, 2, 3]
    assert last.message == Message(
        {"id": "a", "task": "t"}, b"a", "application/json", "utf-8", {"priority": 0}
    )
    assert (last.exchange, last.routing_key) == ("", "q")
    intake.close()


@pytest.mark.parametrize("arguments", [{}, QUORUM], ids=["classic", "quorum"])
def test_stopping_workers_do_not_count(words: Words, arguments: dict[str, Any]) -> None:
    """What many of them gave back unbegun was given back, not tried."""
    queue = words.queue("q", arguments=arguments)
    send(words, queue, "a")
    for _ in range(6):
        intake = worker(words, queue)
        [delivery] = words.take(intake, 1)
        say(intake, Verdict.REQUEUE, delivery)
        intake.close()
    intake = worker(words, queue)
    [delivery] = words.take(intake, 1)

    # The first time it kept its place, which RabbitMQ does not tell from a loss; and what is on
    # its way to a worker that leaves counts for quorum queues.
    assert delivery.attempts in {1, 2}
    intake.close()


def test_those_behind_a_poison_are_begun_before_it_comes_again(words: Words) -> None:
    """So that they do not share its fate, each time, up to the limit."""
    queue = words.queue()
    send(words, queue, "poison", "b", "c", "d")
    first = worker(words, queue)
    words.take(first, 4)
    die(first)
    second = worker(words, queue)

    assert bodies(words.take(second, 4)) == ["d", "c", "b", "poison"]
    second.close()


def test_early_tasks_keep_their_place_and_are_not_counted(words: Words) -> None:
    """What was not acknowledged had not begun, however often its worker died."""
    queue = words.queue()
    send(words, queue, "a", "b", "c", task="early")
    for _ in range(3):
        intake = worker(words, queue, is_late=lambda name: name != "early")
        got = words.take(intake, 3)
        assert bodies(got) == ["a", "b", "c"]
        assert {one.attempts for one in got} == {None}
        die(intake)


def test_a_limit_of_the_queue_is_the_brokers(words: Words) -> None:
    """Whoever sets one wants RabbitMQ to count, and to end it."""
    queue = words.queue(
        "q",
        arguments={
            **QUORUM,
            "x-delivery-limit": 2,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": "mine",
        },
    )
    words.broker().declare([words.queue("mine")])
    send(words, queue, "a")
    intake = worker(words, queue)
    for _ in range(3):
        [delivery] = words.take(intake, 1)
        say(intake, Verdict.REQUEUE, delivery, attempted=True)

    wait_until(lambda: words.broker().length("mine") == 1, "the dead letter")
    intake.close()


def test_counting_waits_for_no_broker(rabbitmq_server_of_its_own: RabbitMQServer) -> None:
    """Where nothing can be published, what came again is given out when it can be, once."""
    server = rabbitmq_server_of_its_own
    words, queue = Words(server.url), Words.queue()
    send(words, queue, "a", "b")
    intake = worker(words, queue)
    words.take(intake, 2)
    die(intake)
    server.control("set_vm_memory_high_watermark", "absolute", "1")
    other = worker(words, queue)
    for _ in range(3):
        other.receive()
    server.control("set_vm_memory_high_watermark", "0.8")
    got = words.take(other, 2)

    assert sorted(bodies(got)) == ["a", "b"]
    assert {one.attempts for one in got} == {1}
    for one in got:
        say(other, Verdict.ACK, one)
    other.close()
    assert words.broker().length("q") == 0
    words.close()
