"""Who listens on Redis: what it hears, and what stays of it."""

from __future__ import annotations

import json
import logging
import random
from typing import Any

import pytest

from taskq.adapters.broker.redis_inbox import RedisInbox
from taskq.errors import BrokerLostError
from taskq.ports import ExchangeSpec, Message, Outgoing, QueueSpec
from tests.unit.adapters.redis.conftest import Bench

REPLIES = ExchangeSpec("reply.celery.pidbox", "direct", durable=False)
COMMANDS = ExchangeSpec("celery.pidbox", "fanout", durable=False)


def reply_queue(oid: str) -> QueueSpec:
    """Return the queue of a client that has asked something, as Celery's clients have it."""
    name = f"{oid}.reply.celery.pidbox"
    return QueueSpec(name, REPLIES, oid, durable=False, auto_delete=True, expires_s=10.0)


def node_queue(node: str) -> QueueSpec:
    """Return the queue of a worker that takes commands."""
    return QueueSpec(f"{node}.celery.pidbox", COMMANDS, "", auto_delete=True, expires_s=10.0)


def reply(text: str, oid: str) -> Outgoing:
    """Return a reply, as a worker sends it: it knows no queue."""
    message = Message({"ticket": "t"}, text.encode(), "application/json", "utf-8")
    return Outgoing(message, REPLIES.name, oid, "direct", declare=(REPLIES,))


def listen(bench: Bench, queue: QueueSpec, **options: Any) -> RedisInbox:
    return bench.broker(**options).listen(queue)


def keys(bench: Bench) -> list[bytes]:
    """Return what there is, but for the book of listeners, which goes by itself."""
    assert bench.client.pttl("taskq.listeners") != -1
    return sorted(key for key in bench.client.keys("*") if key != b"taskq.listeners")


def heard(inbox: RedisInbox) -> list[str]:
    return [message.body.decode() for message in inbox.receive()]


def past_deadline(bench: Bench) -> None:
    """Let the time of all listeners be over."""
    for record in bench.client.zrange("taskq.listeners", 0, -1):
        bench.client.zadd("taskq.listeners", {record: 1})


def test_asking_leaves_nothing_behind(bench: Bench) -> None:
    """However often: as many keys as before."""
    worker = listen(bench, node_queue("w1"))
    before = keys(bench)
    for number in range(200):
        inbox = listen(bench, reply_queue(f"c{number}"))
        bench.broker().publish([reply("pong", f"c{number}")])
        assert heard(inbox) == ["pong"]
        inbox.close()

    assert keys(bench) == before
    worker.close()
    assert keys(bench) == []


def test_clients_that_die_leave_nothing_for_long(bench: Bench) -> None:
    """Killed at any moment; whoever listens later clears away what they left."""
    chance, broker = random.Random(5), bench.broker()
    worker = listen(bench, node_queue("w1"))
    before = keys(bench)
    for number in range(200):
        inbox = listen(bench, reply_queue(f"c{number}"))
        for _ in range(chance.randrange(3)):
            broker.publish([reply("pong", f"c{number}")])
        if chance.random() < 0.5:
            inbox.close()  # the others are never heard of again
    lists = bench.client.keys("*.reply.celery.pidbox")
    lives = [bench.client.pttl(key) for key in lists if not key.startswith(b"_kombu")]
    past_deadline(bench)
    for _ in range(3):
        bench.clock.now_s += 20.0
        worker.receive()

    assert lives
    assert all(0 < life_ms <= 300_000 for life_ms in lives)
    assert keys(bench) == before
    assert bench.client.zcard("taskq.listeners") == 1


def test_a_reply_that_was_under_way_goes_as_well(bench: Bench) -> None:
    """Somebody had looked up the list a moment before it went, and says nothing of its life."""
    worker, inbox = listen(bench, node_queue("w1")), listen(bench, reply_queue("c1"))
    before = keys(bench)
    inbox.close()
    bench.client.lpush("c1.reply.celery.pidbox", b"late")
    past_deadline(bench)
    bench.clock.now_s += 20.0
    worker.receive()

    assert b"c1.reply.celery.pidbox" not in keys(bench)
    assert len(keys(bench)) == len(before) - 1
    assert bench.client.zcard("taskq.listeners") == 1


def test_a_reply_that_nobody_waits_for_is_gone(bench: Bench) -> None:
    """Without a queue there is no list."""
    bench.broker().publish([reply("pong", "nobody")])

    assert keys(bench) == []


def test_only_lists_of_replies_have_a_life(bench: Bench) -> None:
    """A task's queue is for ever."""
    broker, other = bench.broker(), ExchangeSpec("other", "direct")
    broker.declare([QueueSpec("q", other, "k")])
    broker.publish([Outgoing(Message({}, b"", "a/b", "utf-8"), "other", "k", "direct")])

    assert bench.client.pttl("q") == -1


def test_a_listener_that_was_thought_dead_is_back_when_it_speaks(bench: Bench) -> None:
    """A process that slept is cleared away, and hears again after its next word."""
    slow, other = listen(bench, reply_queue("c1")), listen(bench, reply_queue("c2"))
    past_deadline(bench)
    bench.clock.now_s += 20.0
    other.receive()
    bench.broker().publish([reply("lost", "c1")])
    slow.receive()
    bench.broker().publish([reply("heard", "c1")])

    assert heard(slow) == ["heard"]
    other.close()
    slow.close()


def test_a_listener_says_that_it_lives(bench: Bench) -> None:
    """Well before its time is over."""
    inbox = listen(bench, node_queue("w1"))
    [(record, first)] = bench.client.zrange("taskq.listeners", 0, -1, withscores=True)
    bench.client.zadd("taskq.listeners", {record: first - 1000})
    inbox.receive()
    quiet = bench.client.zscore("taskq.listeners", record)
    bench.clock.now_s += 20.0
    inbox.receive()
    again = bench.client.zscore("taskq.listeners", record)
    seconds, _ = bench.client.time()

    assert quiet == first - 1000
    assert again >= first
    assert 50 <= first / 1000 - seconds <= 61


def test_a_queue_with_a_long_life_is_not_spoken_for_so_often(bench: Bench) -> None:
    """Twice the life of the queue; an hour where it has none."""
    lives = []
    for number, expires_s in enumerate((None, 86_400.0)):
        queue = QueueSpec(f"q{number}", REPLIES, f"k{number}", expires_s=expires_s)
        inbox = listen(bench, queue)
        seconds, _ = bench.client.time()
        score = bench.client.zscore("taskq.listeners", inbox._record((REPLIES, f"k{number}")))
        lives.append(round(score / 1000 - seconds, -1))
        inbox.close()

    assert lives == [3600, 172_800]


def test_fanout_keys_are_patterns(bench: Bench) -> None:
    """``worker.#`` hears ``worker.online``; without patterns there is one channel for all."""
    exchange = ExchangeSpec("celeryev", "fanout")
    for options, expected in (
        ({}, ["worker.online"]),
        ({"fanout_patterns": False}, ["task.sent", "worker.online"]),
        ({"fanout_prefix": False, "global_keyprefix": "p:"}, ["worker.online"]),
    ):
        queue = QueueSpec("monitor", exchange, "worker.#")
        inbox = listen(bench, queue, transport_options=options)
        broker = bench.broker(transport_options=options)
        for key in ("task.sent", "worker.online"):
            message = Message({}, key.encode(), "a/b", "utf-8")
            broker.publish([Outgoing(message, exchange.name, key, "fanout")])

        assert heard(inbox) == expected
        inbox.close()
    assert keys(bench) == []


def test_what_is_no_message_is_dropped_and_said(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """What comes after it is heard."""
    inbox = listen(bench, reply_queue("c1"))
    bench.client.lpush("c1.reply.celery.pidbox", b"\xff", b"{}", b"")
    bench.broker().publish([reply("pong", "c1")])
    with caplog.at_level(logging.WARNING):
        got = heard(inbox)

    assert got == ["pong"]
    assert len(caplog.messages) == 3
    assert all("c1.reply.celery.pidbox" in text for text in caplog.messages)
    inbox.close()


def test_a_message_of_any_priority_is_heard(bench: Bench) -> None:
    """The more urgent first."""
    inbox = listen(bench, reply_queue("c1"))
    for priority in (9, 0, 4):
        one = reply(str(priority), "c1")
        message = Message({}, str(priority).encode(), "a/b", "utf-8", {"priority": priority})
        bench.broker().publish([Outgoing(message, one.exchange, one.routing_key, "direct")])

    assert heard(inbox) == ["0", "4", "9"]
    inbox.close()
    assert keys(bench) == []


def test_a_queue_bound_to_two_exchanges_hears_both(bench: Bench) -> None:
    """And leaves nothing at either."""
    more = ExchangeSpec("more", "direct")
    queue = QueueSpec("q", REPLIES, "k", bindings=((more, "m"),))
    inbox = listen(bench, queue)
    message = Message({}, b"more", "a/b", "utf-8")
    bench.broker().publish([reply("one", "k"), Outgoing(message, "more", "m", "direct")])

    assert heard(inbox) == ["one", "more"]
    inbox.close()
    assert keys(bench) == []


def test_the_bindings_of_others_stay(bench: Bench) -> None:
    """Also where another library keeps the table."""
    broker = bench.broker()
    broker.declare([QueueSpec("theirs", REPLIES, "t", expires_s=60.0)])
    inbox = listen(bench, reply_queue("c1"))
    inbox.close()

    assert bench.client.smembers("_kombu.binding.reply.celery.pidbox") == {
        b"t\x06\x16\x06\x16theirs"
    }
    assert bench.client.zscore("_kombu.binding_deadlines", REPLIES.name) > 0


def test_a_strange_record_ends_no_listener(bench: Bench) -> None:
    """Somebody wrote into the table by hand."""
    odd = [b"", b"{", b"[]", b"3", b"\xff", json.dumps(["x"]).encode()]
    bench.client.zadd("taskq.listeners", dict.fromkeys(odd, 1))
    inbox = listen(bench, reply_queue("c1"))
    inbox.close()

    assert keys(bench) == []


def test_a_lost_connection_is_one_error(bench: Bench) -> None:
    """And reconnect goes on, with what came meanwhile."""
    inbox = listen(bench, reply_queue("c1"))
    bench.server.connected = False
    for call in (inbox.receive, inbox.reconnect):
        with pytest.raises(BrokerLostError, match="redis://fake:6379/0"):
            call()
    bench.server.connected = True
    bench.broker().publish([reply("meanwhile", "c1")])
    inbox.reconnect()

    assert heard(inbox) == ["meanwhile"]
    inbox.close()


def test_closing_without_a_server_is_said_and_no_error(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """What stays goes by itself."""
    inbox = listen(bench, reply_queue("c1"))
    bench.server.connected = False
    with caplog.at_level(logging.INFO):
        inbox.close()

    assert "was not unbound" in caplog.text


def test_waiting_without_sockets_is_a_short_sleep(bench: Bench) -> None:
    """As long as it was told, and no longer than it takes to look again."""
    inbox = listen(bench, reply_queue("c1"))
    inbox.wait(0.05)
    inbox.wait(30.0)

    assert bench.clock.slept == [0.05, 0.1]
    assert (inbox.watched, inbox.poll_s) == ([], 0.1)
    inbox.close()


def test_workers_of_others_are_those_who_hear_commands_and_have_no_lease(bench: Bench) -> None:
    """A worker of ours has both, a client neither."""
    control = ExchangeSpec("ctl.pidbox", "fanout", durable=False)
    names = ("celery@ours", "celery@theirs.example.com")
    broker = bench.broker()
    inboxes = [
        broker.listen(QueueSpec(f"{name}.ctl.pidbox", control, "", durable=False)) for name in names
    ]
    intake = broker.consume([bench.queue("q")], "celery@ours")

    assert broker.other_workers("ctl.pidbox") == ["celery@theirs.example.com"]
    intake.close()
    for inbox in inboxes:
        inbox.close()
    assert broker.other_workers("ctl.pidbox") == []
