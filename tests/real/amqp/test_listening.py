"""Listeners on RabbitMQ: what they leave, how they last, and that Celery's declarations fit."""

from __future__ import annotations

import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kombu.entity import Exchange, Queue
from kombu.pidbox import Mailbox

from taskq import errors
from taskq.adapters.broker.kombu_inbox import AmqpInbox
from taskq.ports import ExchangeSpec, Inbox, Message, Outgoing, QueueSpec
from taskq_testing.servers import RabbitMQServer
from tests.real.amqp.conftest import Words, wait_until

# As Celery's workers, clients and monitors declare theirs.
PIDBOX = ExchangeSpec("celery.pidbox", "fanout", durable=False)
REPLIES = ExchangeSpec("reply.celery.pidbox", "direct", durable=False)
EVENTS = ExchangeSpec("celeryev", "topic")


def box(node: str = "w1@h") -> QueueSpec:
    return QueueSpec(
        f"{node}.celery.pidbox",
        PIDBOX,
        "",
        durable=False,
        exclusive=True,
        auto_delete=True,
        expires_s=10.0,
        message_ttl_s=300.0,
    )


def replies(oid: str) -> QueueSpec:
    return QueueSpec(
        f"{oid}.reply.celery.pidbox",
        REPLIES,
        oid,
        durable=False,
        auto_delete=True,
        expires_s=10.0,
    )


def to(exchange: ExchangeSpec, key: str, text: str) -> Outgoing:
    message = Message({}, text.encode(), "application/json", "utf-8")
    return Outgoing(message, exchange.name, key, exchange.type)


def heard(inbox: Inbox) -> list[str]:
    inbox.wait(10.0)
    return [message.body.decode() for message in inbox.receive()]


def queues_of(server: RabbitMQServer, words: Words) -> list[str]:
    vhost = words.url.rsplit("/", 1)[1]
    return server.control("-p", vhost, "list_queues", "name").split()[1:]


def test_a_thousand_questions_leave_nothing(words: Words, private_rabbitmq: RabbitMQServer) -> None:
    """Each has a reply queue of its own, which goes with the answer."""
    broker = words.broker()
    worker = broker.listen(box())
    for number in range(1000):
        mine = broker.listen(replies(str(number)))
        broker.publish([to(PIDBOX, "", "ping")])
        assert heard(worker) == ["ping"]
        broker.publish([to(REPLIES, str(number), "pong")])
        assert heard(mine) == ["pong"]
        mine.close()

    assert queues_of(private_rabbitmq, words) == ["w1@h.celery.pidbox"]
    worker.close()
    assert queues_of(private_rabbitmq, words) == []


LISTEN = """
import sys, time
from tests.real.amqp.conftest import Words
from tests.real.amqp.test_listening import replies
inbox = Words(sys.argv[1]).broker().listen(replies("killed"))
print("listening", flush=True)
time.sleep(60)
"""


def test_a_listener_that_is_killed_leaves_nothing(
    words: Words, private_rabbitmq: RabbitMQServer
) -> None:
    """RabbitMQ notices, and removes the queue at once."""
    command = [sys.executable, "-c", LISTEN, words.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path.cwd()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        assert queues_of(private_rabbitmq, words) == ["killed.reply.celery.pidbox"]
        process.kill()

    wait_until(lambda: queues_of(private_rabbitmq, words) == [], "an empty server")


@pytest.mark.parametrize("celery_is_first", [True, False])
def test_celerys_declarations_fit(words: Words, celery_is_first: bool) -> None:
    """Whoever comes first: kombu's mailbox, as Celery sets it up, and ours name the same."""
    broker, inboxes = words.broker(), []

    def ours() -> None:
        inboxes.append(broker.listen(box("ours@h")))
        inboxes.append(broker.listen(replies("ours")))
        inboxes.append(
            broker.listen(QueueSpec("ours.events", EVENTS, "#", durable=False, auto_delete=True))
        )

    with broker.connection() as connection:

        def theirs() -> None:
            mailbox = Mailbox("celery", type="fanout", queue_expires=10.0, queue_ttl=300.0)
            node = mailbox(connection).Node("theirs@h", channel=connection.default_channel)
            node.listen(callback=print)
            mailbox(connection).reply_queue(connection.default_channel).declare()
            Queue("theirs.events", Exchange("celeryev", "topic"), "#")(
                connection.default_channel
            ).declare()

        for declare in (theirs, ours) if celery_is_first else (ours, theirs):
            declare()
        broker.publish([to(EVENTS, "worker.online", "hello")])

        assert heard(inboxes[2]) == ["hello"]
    for inbox in inboxes:
        inbox.close()


def test_the_socket_says_when_there_is_something(words: Words) -> None:
    """Nobody has to ask but for heartbeats."""
    inbox = words.broker().listen(box())
    inbox.receive()
    assert select.select(inbox.watched, [], [], 0.1)[0] == []
    words.broker().publish([to(PIDBOX, "", "a")])

    assert select.select(inbox.watched, [], [], 5)[0]
    assert heard(inbox) == ["a"]
    assert inbox.poll_s is not None
    assert 0 < inbox.poll_s <= 40.0  # a third of what both sides agreed on
    inbox.close()
    other = words.broker(heartbeat=0).listen(box())
    assert other.poll_s is None
    other.close()


@pytest.mark.parametrize("how", ["receive", "wait"])
def test_heartbeats_keep_a_quiet_listener(words: Words, how: str) -> None:
    """Whether it is asked as often as it says, or somebody waits."""
    inbox = words.broker(heartbeat=1).listen(box())
    start = time.monotonic()
    while time.monotonic() < start + 4:
        if how == "wait":
            inbox.wait(4.0)
        else:
            inbox.receive()
            time.sleep(inbox.poll_s or 1)
    words.broker().publish([to(PIDBOX, "", "a")])

    assert heard(inbox) == ["a"]
    inbox.close()


def test_two_workers_of_one_name_are_told(words: Words) -> None:
    """The second is refused, until the first has gone."""
    first = words.broker().listen(box())
    with pytest.raises(errors.BrokerLostError, match="has another worker this name"):
        words.broker().listen(box())
    first.close()

    words.broker().listen(box()).close()


def test_a_lost_connection_is_said_and_found_again(words: Words) -> None:
    """As an intake's: one error, then ``reconnect``."""
    inbox = words.broker().listen(box())
    assert isinstance(inbox, AmqpInbox)
    inbox._link.sock.close()
    for _ in range(2):
        with pytest.raises(errors.BrokerLostError):
            inbox.receive()
        with pytest.raises(errors.BrokerLostError):
            inbox.wait(1.0)
    assert list(inbox.watched) == []
    wait_until(lambda: reconnects(inbox), "the connection")
    words.broker().publish([to(PIDBOX, "", "a")])

    assert heard(inbox) == ["a"]
    inbox.close()


def reconnects(inbox: Inbox) -> bool:
    try:
        inbox.reconnect()
    except errors.BrokerLostError:  # the old one holds the queue, for a moment
        return False
    return True


def test_a_deleted_queue_is_a_lost_connection(words: Words) -> None:
    """The listener is told, and listens again."""
    inbox = words.broker().listen(replies("me"))
    with words.broker().connection() as connection:
        connection.default_channel.queue_delete("me.reply.celery.pidbox")
    with pytest.raises(errors.BrokerLostError, match="was deleted"):
        inbox.wait(5.0)
    inbox.reconnect()
    words.broker().publish([to(REPLIES, "me", "a")])

    assert heard(inbox) == ["a"]
    inbox.close()
