"""kombu's own Redis transport and ours meet on the same keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kombu as untyped_kombu
import pytest

from taskq.adapters.broker.redis import RedisBroker
from taskq.ports import (
    ExchangeSpec,
    Message,
    Outgoing,
    PublishOptions,
    QueueSpec,
    Settlement,
    Verdict,
)
from tests.real.redis.conftest import ids, make_broker, queue, receive_within

kombu: Any = untyped_kombu  # it exports its names in a way that a type checker cannot see


@pytest.fixture
def link(redis_url: str) -> Iterator[Any]:
    with kombu.Connection(redis_url) as made:
        yield made


def heard(link: Any, queues: list[Any], count: int) -> list[Any]:
    """Consume with kombu until nothing comes any more."""
    got: list[Any] = []
    with kombu.Consumer(link, queues, callbacks=[lambda _body, m: got.append(m)], accept=["json"]):
        while len(got) < count:
            try:
                link.drain_events(timeout=3)
            except TimeoutError:
                break
    for message in got:
        message.ack()
    return got


def test_what_kombu_sends_is_received(broker: RedisBroker, link: Any) -> None:
    """Headers, body, place and properties of a kombu producer arrive."""
    intake = broker.consume([queue("q")], "w1")
    exchange = kombu.Exchange("q", "direct")
    link.Producer().publish(
        {"x": [1, "ä"]},
        exchange=exchange,
        routing_key="q",
        declare=[kombu.Queue("q", exchange, "q")],
        headers={"id": "1"},
        correlation_id="c",
        reply_to="r",
        priority=3,
    )

    [got] = receive_within(intake, 5)
    assert got.message.body == '{"x": [1, "ä"]}'.encode() or b"\\u00e4" in got.message.body
    assert got.message.headers == {"id": "1"}
    assert (got.message.content_type, got.message.content_encoding) == ("application/json", "utf-8")
    assert (got.queue, got.exchange, got.routing_key) == ("q", "q", "q")
    wanted = {"correlation_id": "c", "reply_to": "r", "priority": 3, "delivery_mode": 2}
    assert wanted.items() <= got.message.properties.items()


def test_what_we_send_is_received_by_kombu_most_urgent_first(
    broker: RedisBroker, link: Any
) -> None:
    """Bodies are decoded, and priority steps are served in kombu's order."""
    for priority in (9, 0, 4):
        message = Message(
            {"id": str(priority)}, b"[1]", "application/json", "utf-8", {"priority": priority}
        )
        broker.publish([Outgoing(message, "", "q")])

    got = heard(link, [kombu.Queue("q", kombu.Exchange("q"), "q")], 3)
    assert [m.headers["id"] for m in got] == ["0", "4", "9"]
    assert got[0].payload == [1]
    assert got[0].delivery_info == {"exchange": "", "routing_key": "q"}


def test_our_bindings_route_what_kombu_sends(broker: RedisBroker, link: Any) -> None:
    """A topic binding that we wrote is matched by a kombu producer."""
    intake = broker.consume([QueueSpec("t", ExchangeSpec("ev", "topic"), "a.*.c_d")], "w1")
    topic = kombu.Exchange("ev", "topic")
    producer = link.Producer(exchange=topic)
    for key in ("a.b.c_d", "a.b.x"):
        producer.publish({}, routing_key=key, headers={"id": key}, declare=[topic])

    assert ids(receive_within(intake, 5)) == ["a.b.c_d"]
    assert intake.receive() == []


def test_kombus_bindings_route_what_we_send(broker: RedisBroker, link: Any) -> None:
    """Direct and topic bindings of a kombu consumer are matched by us."""
    direct, topic = kombu.Exchange("d", "direct"), kombu.Exchange("t", "topic")
    queues = [kombu.Queue("q1", direct, "k"), kombu.Queue("q2", topic, "#.end")]
    for one in queues:
        one(link.default_channel).declare()
    for exchange, key, kind in (("d", "k", "direct"), ("t", "a.b.end", "topic")):
        message = Message({"id": key}, b"1", "application/json", "utf-8")
        broker.publish([Outgoing(message, exchange, key, kind)])

    got = heard(link, queues, 2)
    assert sorted(m.headers["id"] for m in got) == ["a.b.end", "k"]


def test_fanout_goes_both_ways(broker: RedisBroker, link: Any) -> None:
    """A broadcast of either side is heard by the other."""
    intake = broker.consume([QueueSpec("ours", ExchangeSpec("all", "fanout"), "")], "w1")
    exchange = kombu.Exchange("all", "fanout")
    got: list[Any] = []
    theirs = kombu.Queue("theirs", exchange)
    with kombu.Consumer(link, [theirs], callbacks=[lambda _b, m: got.append(m)], accept=["json"]):
        link.drain_events(timeout=5)  # subscribes, and hears that it has
        message = Message({"id": "from us"}, b"1", "application/json", "utf-8")
        broker.publish([Outgoing(message, "all", "", "fanout")])
        while not got:
            link.drain_events(timeout=5)
    link.Producer().publish({}, exchange=exchange, headers={"id": "from kombu"}, declare=[exchange])

    assert [m.headers["id"] for m in got] == ["from us"]
    assert ids(receive_within(intake, 5, 2)) == ["from us", "from kombu"]


def test_a_message_that_we_requeued_is_read_by_kombu(broker: RedisBroker, link: Any) -> None:
    """The marks are kombu's, and empty lists are still lists."""
    intake = broker.consume([queue("q")], "w1")
    message = Message({"id": "1", "empty": [], "none": {}}, b"1", "application/json", "utf-8")
    broker.publish([Outgoing(message, "", "q")])
    [one] = receive_within(intake, 5)
    intake.settle([Settlement(one.tag, Verdict.REQUEUE)])
    intake.close()

    [got] = heard(link, [kombu.Queue("q", kombu.Exchange("q"), "q")], 1)
    assert (got.headers["empty"], got.headers["none"]) == ([], {})
    assert got.headers["redelivered"] is True
    assert got.delivery_info["redelivered"] is True


def test_a_worker_of_each_kind_shares_a_queue(broker: RedisBroker, link: Any) -> None:
    """Every message goes to one of them."""
    intake = broker.consume([queue("q")], "w1")
    intake.set_prefetch(1)
    intake.receive()
    broker.publish(
        [
            Outgoing(Message({"id": str(n)}, b"1", "application/json", "utf-8"), "", "q")
            for n in range(20)
        ]
    )
    ours = ids(receive_within(intake, 5))
    theirs = heard(link, [kombu.Queue("q", kombu.Exchange("q"), "q")], 19)

    assert sorted(ours + [m.headers["id"] for m in theirs], key=int) == [str(n) for n in range(20)]


@pytest.mark.parametrize("side", ["ours", "kombu's"])
def test_options_mean_the_same_on_both_sides(redis_url: str, side: str) -> None:
    """A prefix, a separator and steps of the user's own."""
    options = {"global_keyprefix": "app:", "sep": "|", "priority_steps": [0, 5]}
    broker = make_broker(redis_url, transport_options=options)
    with kombu.Connection(redis_url, transport_options=dict(options)) as link:
        theirs = kombu.Queue("q", kombu.Exchange("q"), "q")
        if side == "ours":
            message = Message({"id": "1"}, b"1", "application/json", "utf-8", {"priority": 7})
            broker.declare([queue("q")])
            broker.publish([Outgoing(message, "q", "q")])
            assert [m.headers["id"] for m in heard(link, [theirs], 1)] == ["1"]
        else:
            link.Producer().publish(
                {}, exchange=theirs.exchange, routing_key="q", declare=[theirs], priority=7
            )
            assert len(receive_within(broker.consume([queue("q")], "w1"), 5)) == 1
    broker.close()


def test_a_users_own_producer_is_used(redis_url: str, link: Any) -> None:
    """A message with a kombu producer goes by that one, not by our connections."""
    broker = make_broker(redis_url.replace("/0", "/1"))
    message = Message({"id": "1"}, b"1", "application/json", "utf-8")
    options = PublishOptions(link=link.Producer())
    broker.publish([Outgoing(message, "", "q", options=options)])

    assert broker.length("q") == 0
    assert [m.headers["id"] for m in heard(link, [kombu.Queue("q", kombu.Exchange("q"), "q")], 1)]
    broker.close()
