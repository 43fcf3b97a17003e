# ruff: noqa: PLR2004 - the suite is tests: counts of what was done a line above
"""What every Broker must do with a message that is sent, until it stands in a queue."""

from __future__ import annotations

from dataclasses import replace

import pytest

from taskq.errors import OperationalError
from taskq.ports import ExchangeSpec, Message, Outgoing, PublishOptions
from taskq_testing.conformance.broker.rig import Bench, OnBench, bodies


class PublishingSuite(OnBench):
    """Messages travel unchanged, in order, and to where their exchange says."""

    # -- what travels ----------------------------------------------------------------------------

    def test_a_message_arrives_as_it_was_sent(self, bench: Bench) -> None:
        """Body, headers, content type and properties come through unchanged."""
        queue = bench.queue()
        headers = {
            "id": "1", "task": "tests.add", "retries": 0, "eta": None, "timelimit": [None, None],
            "stamps": {"a": ["x", "y"]}, "compression": "application/x-gzip",
        }  # fmt: skip
        message = Message(
            headers,
            bytes(range(256)),
            "application/x-python-serialize",
            "binary",
            {"correlation_id": "c1", "reply_to": "r1", "delivery_mode": 2, "priority": 0},
        )
        bench.broker.publish(
            [Outgoing(message, queue.exchange.name, queue.routing_key, declare=(queue,))]
        )
        [delivery] = bench.take(bench.intake(queue))

        assert delivery.message.body == bytes(range(256))
        assert dict(delivery.message.headers) == headers
        assert delivery.message.content_type == "application/x-python-serialize"
        assert delivery.message.content_encoding == "binary"
        assert dict(delivery.message.properties) == dict(message.properties)
        assert delivery.queue == queue.name
        assert delivery.exchange == queue.exchange.name
        assert delivery.routing_key == queue.routing_key
        assert not delivery.redelivered

    def test_a_large_body_arrives(self, bench: Bench) -> None:
        """A body of a megabyte is no special case."""
        queue, body = bench.queue(), b"taskq" * 200_000
        bench.broker.publish([bench.outgoing(queue, body)])
        [delivery] = bench.take(bench.intake(queue))

        assert delivery.message.body == body

    def test_an_empty_body_arrives(self, bench: Bench) -> None:
        """No bytes are bytes too."""
        queue = bench.queue()
        bench.broker.publish([bench.outgoing(queue, b"")])
        [delivery] = bench.take(bench.intake(queue))

        assert delivery.message.body == b""

    def test_messages_come_in_order(self, bench: Bench) -> None:
        """First in, first out, within and across calls."""
        queue = bench.queue()
        bench.send(queue, "a", "b", "c")
        bench.send(queue, "d")
        got = bodies(bench.take(bench.intake(queue), 4))

        assert sorted(got) == ["a", "b", "c", "d"]
        if bench.traits.fifo:
            assert got == ["a", "b", "c", "d"]

    def test_one_call_reaches_many_queues(self, bench: Bench) -> None:
        """A batch may go to several queues."""
        one, two = bench.queue("one"), bench.queue("two")
        bench.broker.publish(
            [bench.outgoing(one, "1"), bench.outgoing(two, "2"), bench.outgoing(one, "3")]
        )

        assert sorted(bodies(bench.take(bench.intake(one), 2))) == ["1", "3"]
        assert bodies(bench.take(bench.intake(two), 1)) == ["2"]

    def test_publishing_nothing_is_nothing(self, bench: Bench) -> None:
        """An empty batch is allowed."""
        bench.broker.publish([])

    def test_priorities_decide_what_comes_first(self, bench: Bench) -> None:
        """Which number is high depends on the broker, as the reference has it."""
        queue = bench.queue(max_priority=10)
        bench.broker.declare([queue])
        for priority in (0, 9, 3):
            bench.send(queue, str(priority), priority=priority)
        got = bodies(bench.take(bench.intake(queue), 3))

        assert sorted(got) == ["0", "3", "9"]
        if bench.traits.priority:
            assert got == sorted(got, reverse=bench.traits.priority == "high")

    # -- routing ---------------------------------------------------------------------------------

    def test_the_default_exchange_reaches_a_queue_by_name(self, bench: Bench) -> None:
        """Exchange "" and the name of a queue as key."""
        queue = bench.queue()
        bench.broker.declare([queue])
        bench.broker.publish([replace(bench.outgoing(queue, "x"), exchange="",
                                      routing_key=queue.name)])  # fmt: skip

        [delivery] = bench.take(bench.intake(queue))
        assert (delivery.exchange, delivery.routing_key) == ("", queue.name)

    def test_a_direct_exchange_routes_by_key(self, bench: Bench) -> None:
        """Two queues with different keys on one exchange."""
        exchange = ExchangeSpec(bench.rig.unique("direct"))
        one = bench.queue("one", exchange=exchange, routing_key="k1")
        two = bench.queue("two", exchange=exchange, routing_key="k2")
        bench.broker.declare([one, two])
        bench.send(two, "for two")

        assert bodies(bench.take(bench.intake(two))) == ["for two"]
        assert bench.length(one, 0) == 0

    def test_a_topic_exchange_routes_by_pattern(self, bench: Bench) -> None:
        """``*`` is one word, ``#`` any number of them."""
        exchange = ExchangeSpec(bench.rig.unique("topic"), "topic")
        star = bench.queue("star", exchange=exchange, routing_key="a.*.c")
        hash_ = bench.queue("hash", exchange=exchange, routing_key="a.#")
        bench.broker.declare([star, hash_])
        sent = bench.outgoing(star, "x")
        keys = ("a.b.c", "a.b.b.c")
        bench.broker.publish([replace(sent, routing_key=key, declare=(exchange,)) for key in keys])

        assert bench.length(star, 1) == 1
        assert bench.length(hash_, 2) == 2

    def test_a_fanout_exchange_reaches_all(self, bench: Bench) -> None:
        """Every bound queue gets its own copy."""
        exchange = ExchangeSpec(bench.rig.unique("fanout"), "fanout")
        queues = [bench.queue(name, exchange=exchange, routing_key="") for name in ("one", "two")]
        intakes = [bench.intake(queue) for queue in queues]
        for intake in intakes:
            intake.receive()
        bench.broker.publish([replace(bench.outgoing(queues[0], "x"), declare=(exchange,))])

        for intake in intakes:
            assert bodies(bench.take(intake)) == ["x"]

    def test_a_queue_may_have_further_bindings(self, bench: Bench) -> None:
        """Whatever goes to one of them arrives."""
        other = ExchangeSpec(bench.rig.unique("other"))
        queue = bench.queue(bindings=((other, "k"),))
        bench.broker.declare([queue])
        sent = bench.outgoing(queue, "own")
        message = replace(sent.message, body=b"further")
        bench.broker.publish(
            [
                replace(sent, declare=()),
                replace(sent, message=message, exchange=other.name, routing_key="k", declare=()),
            ]
        )

        assert sorted(bodies(bench.take(bench.intake(queue), 2))) == ["further", "own"]

    def test_mandatory_says_that_no_queue_took_it(self, bench: Bench) -> None:
        """Where a broker can know, it raises instead of dropping the message."""
        queue = bench.queue()
        bench.broker.declare([queue])
        lost = replace(
            bench.outgoing(queue, "x"),
            routing_key="nobody",
            declare=(queue.exchange,),
            options=PublishOptions(mandatory=True, retry=None),
        )

        if bench.traits.refuses_unroutable:
            with pytest.raises(OperationalError, match="nobody"):
                bench.broker.publish([lost])
        else:
            bench.broker.publish([lost])
        assert bench.length(queue, 0) == 0
