"""Messages that wait in RabbitMQ until their time: whatever they and their queues look like."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from kombu.transport.native_delayed_delivery import (
    calculate_routing_key,
    declare_native_delayed_delivery_exchanges_and_queues,
)

from taskq import errors
from taskq.ports import (
    Delivery,
    ExchangeSpec,
    Intake,
    KeepsParked,
    Message,
    Outgoing,
    QueueSpec,
    Settlement,
    Verdict,
)
from taskq_testing.servers import RabbitMQServer
from tests.real.amqp.conftest import Words, wait_until

QUORUM = {"x-queue-type": "quorum"}


def park(intake: Intake, for_s: float, *deliveries: Delivery) -> float:
    due_s = time.time() + for_s
    intake.settle([Settlement(one.tag, Verdict.PARK, due_s=due_s) for one in deliveries])
    return due_s


def ack(intake: Intake, *deliveries: Delivery) -> None:
    intake.settle([Settlement(one.tag, Verdict.ACK) for one in deliveries])


def worker(words: Words, *queues: QueueSpec, **options: Any) -> Intake:
    return words.broker(**options).consume(queues or [words.queue()], "w1@h")


def sent_to(queue: QueueSpec, body: str = "x", **properties: Any) -> Outgoing:
    message = Message({"id": body}, body.encode(), "application/json", "utf-8", properties)
    return Outgoing(message, "", queue.name)


NAMES = ["q", "x.q", "a.b.c", "#", "*", "*.q", "x.#", "..", "ü.é", "taskq", "q.taskq", "n" * 250]


def test_each_queue_gets_its_own_and_nothing_else(words: Words) -> None:
    """Also where names end alike, look like patterns, or are too long for a key."""
    queues = [QueueSpec(name, ExchangeSpec(""), name) for name in NAMES]
    words.broker().declare(queues)
    words.broker().publish([sent_to(queue, queue.name) for queue in queues])
    intake = worker(words, *queues)
    park(intake, 0.1, *words.take(intake, len(queues)))
    again = words.take(intake, len(queues))
    ack(intake, *again)
    time.sleep(0.5)

    assert {one.queue: one.message.body.decode() for one in again} == {name: name for name in NAMES}
    assert list(intake.receive()) == []
    intake.close()


@pytest.mark.parametrize("kind", ["quorum", "classic"])
def test_a_message_can_be_parked_again_and_again(words: Words, kind: str) -> None:
    """RabbitMQ drops what it takes for a circle; a task that is retried often is none."""
    queue = words.queue("q", arguments={"x-queue-type": kind})
    words.broker().declare([queue])
    words.broker().publish([sent_to(queue, "a")])
    intake = worker(words, queue, delay_queue_type=kind)
    due_s = 0.0
    for _ in range(12):
        [delivery] = words.take(intake, 1)
        due_s = park(intake, 0.2, delivery)
    [last] = words.take(intake, 1)

    assert time.time() >= due_s
    assert dict(last.message.headers) == {"id": "a"}
    assert (last.attempts or 0, last.redelivered) == (0, False)
    intake.close()


def test_queues_that_others_declared_are_served(words: Words) -> None:
    """A quorum queue made by hand, which the configuration knows only by its name."""
    words.broker().declare([words.queue("by.hand", arguments=QUORUM)])
    unnamed = words.queue("by.hand", no_declare=True)
    words.broker().publish([sent_to(unnamed, "a")])
    intake = worker(words, unnamed)
    park(intake, 0.1, *words.take(intake, 1))

    assert [one.message.body for one in words.take(intake, 1)] == [b"a"]
    intake.close()


def test_a_topology_of_the_other_kind_is_used_as_it_is(words: Words) -> None:
    """Whoever declared the delay queues first has decided; nobody is refused."""
    with words.broker().connection() as connection:
        declare_native_delayed_delivery_exchanges_and_queues(connection, "classic")
    words.broker().publish([words.message("a")])
    intake = worker(words)
    park(intake, 0.1, *words.take(intake, 1))

    assert [one.message.body for one in words.take(intake, 1)] == [b"a"]
    intake.close()


@pytest.mark.parametrize("kind", ["direct", "topic", "fanout"])
def test_where_a_message_came_from_is_not_forgotten(words: Words, kind: str) -> None:
    """Retries and dead letters go by exchange and key: they are what they were before."""
    exchange = ExchangeSpec("x", kind)
    mine = QueueSpec("mine", exchange, "a.b")
    other = QueueSpec("other", exchange, "a.b")
    words.broker().declare([mine, other])
    words.broker().publish([replace(words.message("a"), exchange="x", routing_key="a.b")])
    intake = worker(words, mine)
    [first] = words.take(intake, 1)
    park(intake, 0.1, first)
    [again] = words.take(intake, 1)

    assert (again.exchange, again.routing_key) == ("x", "a.b")
    assert again.message == first.message
    assert words.broker().length("other") == 1  # and no copy of what waited
    intake.close()


def test_what_the_broker_would_read_again_is_set_aside(words: Words) -> None:
    """Copies are not sent twice, a time to live does not end the wait, a foreign user is no lie."""
    queue, copies = words.queue("q"), words.queue("copies")
    words.broker().declare([queue, copies])
    properties = {"expiration": "3000", "user_id": "guest", "message_id": "m", "priority": 0}
    outgoing = sent_to(queue, "a", **properties)
    headers = {"id": "a", "CC": ["copies"], "x-death": [{"count": 3, "queue": "elsewhere"}]}
    words.broker().publish([replace(outgoing, message=replace(outgoing.message, headers=headers))])
    intake = worker(words, queue)
    reader = worker(words, copies)
    ack(reader, *words.take(reader, 1))
    [first] = words.take(intake, 1)
    due_s = park(intake, 5.0, first)
    [again] = words.take(intake, 1)

    assert time.time() >= due_s
    assert dict(again.message.headers) == headers
    assert again.message.properties["expiration"] == "3000"
    assert again.message.properties["message_id"] == "m"
    assert list(reader.receive()) == []
    intake.close()
    reader.close()


def test_what_waits_for_a_queue_that_is_made_anew_arrives(words: Words) -> None:
    """A worker that begins takes what was parked for a queue of that name."""
    words.broker().publish([words.message("a")])
    intake = worker(words)
    park(intake, 2.0, *words.take(intake, 1))
    intake.close()
    with words.broker().connection() as connection:
        connection.default_channel.queue_delete("q")
    again = worker(words)

    assert [one.message.body for one in words.take(again, 1)] == [b"a"]
    again.close()


def test_what_celery_has_delayed_arrives(words: Words) -> None:
    """Its clients delay by themselves where a queue is a quorum queue; the worker makes ready."""
    exchange = ExchangeSpec("media", "topic")
    queue = QueueSpec("videos", exchange, "media.video", arguments=QUORUM)
    intake = worker(words, queue)
    intake.receive()
    key = calculate_routing_key(1, "media.video")
    message = Message({"id": "a"}, b"a", "application/json", "utf-8", {"delivery_mode": 2})
    words.broker().publish([Outgoing(message, "celery_delayed_27", key, "topic")])
    [delivery] = words.take(intake, 1)

    assert (delivery.exchange, delivery.routing_key) == ("media", "media.video")
    intake.close()


def test_a_cut_at_the_worst_moment_doubles_and_does_not_lose(words: Words) -> None:
    """The message is where it waits before the worker lets go of it."""
    words.broker().publish([words.message("a")])
    intake = worker(words)
    [delivery] = words.take(intake, 1)
    intake._link.sock.close()  # type: ignore[attr-defined]  # the connection that acknowledges
    with pytest.raises(errors.BrokerLostError):
        park(intake, 1.0, delivery)
    intake.reconnect()

    assert [one.message.body for one in words.take(intake, 2)] == [b"a", b"a"]
    intake.close()


def test_a_worker_lists_what_it_has_parked(words: Words) -> None:
    """RabbitMQ cannot be asked, but who parked it remembers, until it is due."""
    broker = words.rabbit()
    assert isinstance(broker, KeepsParked)
    intake = broker.consume([words.queue()], "w1@h")
    words.broker().publish([words.message(body) for body in ("b", "a", "soon")])
    b, a, soon = words.take(intake, 3)
    park(intake, 200, b)
    due_s = park(intake, 100, a)
    park(intake, 0.1, soon)
    words.take(intake, 1)

    assert [one.message.body for one in broker.parked(["q"], 10)] == [b"a", b"b"]
    assert broker.parked(["q"], 1)[0].due_s == due_s
    assert broker.unpark(["a"]) == 0  # it is listed no more, and meets its revocation when due
    assert [one.message.body for one in broker.parked(["q"], 10)] == [b"b"]
    assert list(broker.parked(["other"], 10)) == []
    intake.close()


def test_a_worker_that_may_not_use_the_delays_holds_what_is_early(
    words: Words, private_rabbitmq: RabbitMQServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, and the worker works; its user may have nothing but its queue."""
    vhost = words.url.rsplit("/", 1)[1]
    intake = worker(words)
    words.broker().publish([words.message("early")])
    park(intake, 0.1, *words.take(intake, 1))
    intake.close()  # the delays are there now
    user = f"limited-{vhost}"
    private_rabbitmq.control("add_user", user, "secret")
    private_rabbitmq.control("set_permissions", "-p", vhost, user, "^q$", "^q$", "^q$")
    limited = words.broker(words.url.replace("guest:guest", f"{user}:secret"))
    intake = limited.consume([words.queue()], "w2@h")

    assert intake.parks is False
    assert caplog.text.count("may not use the queues") == 1
    assert [one.message.body for one in words.take(intake, 1)] == [b"early"]
    intake.close()


def test_a_broker_without_memory_does_not_hold_up_the_worker(
    rabbitmq_server_of_its_own: RabbitMQServer,
) -> None:
    """What cannot be parked for now stays with the worker, which goes on; it is tried again."""
    server = rabbitmq_server_of_its_own
    words = Words(server.url)
    words.broker().publish([words.message(body) for body in ("long", "short", "now")])
    broker, intake = words.broker(), worker(words)
    long, short, now = words.take(intake, 3)
    server.control("set_vm_memory_high_watermark", "absolute", "1")
    park(intake, 3600, long)
    park(intake, 3, short)
    ack(intake, now)
    server.control("set_vm_memory_high_watermark", "0.8")

    got = words.take(intake, 1)
    assert [one.message.body for one in got] == [b"short"]
    ack(intake, *got)

    def is_parked() -> bool:
        intake.receive()
        return broker.length("celery_delayed_11") == 1  # 3600 s begin with 2048

    wait_until(is_parked, "the message that is due in an hour")
    intake.close()
    assert broker.length("q") == 0
    words.close()
