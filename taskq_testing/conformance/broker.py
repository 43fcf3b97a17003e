# ruff: noqa: PLR2004 - the suite is tests: counts of what was done a line above
"""What every Broker must do, whatever it stands on: one suite for real drivers and for models.

A test class inherits ``BrokerSuite`` and gives a fixture ``rig``: brokers on one server, and what
that server is known to do differently (``Traits``).  A trait changes what a test expects; it
never leaves a test out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import pytest

from taskq.errors import OperationalError
from taskq.ports import (
    Broker,
    Clock,
    Completion,
    Delivery,
    ExchangeSpec,
    Intake,
    Malformed,
    Message,
    Outgoing,
    PublishOptions,
    QueueSpec,
    ResultRecord,
    ResultStore,
    Settlement,
    Verdict,
)

# How long something that must come may take, and how long to look for what must not come.
PATIENCE_S: Final = 10.0
GLANCE_S: Final = 0.2
LOOK_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Traits:
    """What brokers really do differently."""

    keeps_deliveries: bool = False  # a delivery outlives the connection
    fifo: bool = True  # in the order in which they were published
    priority: str = ""  # which come first: "high" numbers, "low" ones, or all are alike
    requeues_first: bool = True  # what is given back stands in front, or where it was
    marks_redelivered: bool = True  # what is given out again says so
    refuses_unroutable: bool = False  # ``mandatory`` raises where no queue is bound
    threads: bool = True  # lives in a world with threads


class BrokerRig(Protocol):
    """Brokers on one server."""

    @property
    def traits(self) -> Traits:
        """What this server does differently."""

    @property
    def clock(self) -> Clock:
        """The time that they live in."""

    def broker(self) -> Broker:
        """Return one more broker on the server; the rig closes it."""

    def unique(self, name: str) -> str:
        """Return a name that no other test uses."""

    def cut(self, intake: Intake) -> None:
        """Break a worker's connection; nothing where ``reconnect`` gives up a working one."""


@dataclass
class Ledger:
    """A result store that writes down the order of events; only ``store`` is ever called."""

    events: list[str] = field(default_factory=list)
    failure: Exception | None = None
    on_store: Callable[[], None] = lambda: None

    name: str = "ledger://"
    address: str | None = None
    key_prefix: str = ""

    def store(self, records: Sequence[ResultRecord]) -> None:
        """Write down, or fail."""
        self.on_store()
        if self.failure is not None:
            raise self.failure
        self.events.extend(record.task_id for record in records)


class Bench:
    """The rig with the words in which the tests are written."""

    def __init__(self, rig: BrokerRig) -> None:
        self.rig, self.traits, self.clock = rig, rig.traits, rig.clock
        self.broker = rig.broker()
        self._intakes: list[Intake] = []

    def queue(self, name: str = "q", **options: Any) -> QueueSpec:
        """Return a queue of this test, with an exchange and a key of the same name."""
        unique = self.rig.unique(name)
        queue = QueueSpec(unique, ExchangeSpec(unique), unique)
        return replace(queue, **options)

    def outgoing(self, queue: QueueSpec, body: str | bytes = b"[]", **properties: Any) -> Outgoing:
        """Return a message to a queue."""
        body = body.encode() if isinstance(body, str) else body
        message = Message({"id": body[:40].decode("latin-1")}, body, "application/json", "utf-8",
                          {"delivery_mode": 2, **properties})  # fmt: skip
        return Outgoing(
            message,
            queue.exchange.name,
            queue.routing_key,
            queue.exchange.type,
            declare=(queue,),
        )

    def send(self, queue: QueueSpec, *bodies: str, **properties: Any) -> None:
        """Publish some messages in one call."""
        self.broker.publish([self.outgoing(queue, body, **properties) for body in bodies])

    def intake(self, *queues: QueueSpec, prefetch: int = 0, node: str = "w1@here") -> Intake:
        """Begin to take from queues, on a broker of its own."""
        intake = self.rig.broker().consume(queues, node)
        intake.set_prefetch(prefetch)
        self._intakes.append(intake)
        return intake

    def take(self, intake: Intake, count: int = 1) -> list[Delivery]:
        """Receive until there are this many; fails when they do not come."""
        taken: list[Delivery] = []
        start_s = self.clock.read().elapsed_s
        while len(taken) < count:
            taken.extend(self._received(intake))
            if len(taken) < count:
                waited_s = self.clock.read().elapsed_s - start_s
                assert waited_s < PATIENCE_S, f"{len(taken)} of {count} came: {bodies(taken)}"
                self.clock.sleep(LOOK_S)
        return taken

    def rest(self, intake: Intake) -> list[Delivery]:
        """Receive whatever comes in a short while."""
        taken: list[Delivery] = []
        end_s = self.clock.read().elapsed_s + GLANCE_S
        while self.clock.read().elapsed_s < end_s:
            taken.extend(self._received(intake))
            self.clock.sleep(LOOK_S)
        return taken

    @staticmethod
    def _received(intake: Intake) -> list[Delivery]:
        deliveries = []
        for one in intake.receive():
            assert not isinstance(one, Malformed), one
            deliveries.append(one)
        return deliveries

    def settle(self, intake: Intake, verdict: Verdict, *deliveries: Delivery) -> None:
        """Say one verdict on some deliveries."""
        intake.settle([Settlement(one.tag, verdict) for one in deliveries])

    def length(self, queue: QueueSpec, expected: int) -> int:
        """Return how many wait, once that is what was expected or patience is over."""
        start_s = self.clock.read().elapsed_s
        while (found := self.broker.length(queue.name)) != expected:
            if self.clock.read().elapsed_s - start_s > PATIENCE_S:
                break
            self.clock.sleep(LOOK_S)
        return found

    def close(self) -> None:
        """Close what the test has opened."""
        for intake in self._intakes:
            intake.close()


def bodies(deliveries: Sequence[Delivery]) -> list[str]:
    """What came, as text."""
    return [one.message.body.decode("latin-1") for one in deliveries]


class BrokerSuite:
    """Inherit, and give a fixture ``rig``."""

    @pytest.fixture
    def bench(self, rig: BrokerRig) -> Any:
        """Return the words of the tests."""
        bench = Bench(rig)
        yield bench
        bench.close()

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

    # -- prefetch --------------------------------------------------------------------------------

    def test_prefetch_limits_what_is_out(self, bench: Bench) -> None:
        """No more than so many deliveries are unsettled at once."""
        queue = bench.queue()
        bench.send(queue, *"abcdef")
        intake = bench.intake(queue, prefetch=2)
        first = bench.take(intake, 2)
        assert bench.rest(intake) == []

        bench.settle(intake, Verdict.ACK, first[0])
        assert len(bench.take(intake, 1)) == 1
        assert bench.rest(intake) == []

    def test_a_claim_makes_room(self, bench: Bench) -> None:
        """What has begun does not count against the prefetch."""
        queue = bench.queue()
        bench.send(queue, *"abcd")
        intake = bench.intake(queue, prefetch=2)
        first = bench.take(intake, 2)
        bench.settle(intake, Verdict.CLAIM, *first)

        assert len(bench.take(intake, 2)) == 2
        bench.settle(intake, Verdict.ACK, *first)
        assert bench.rest(intake) == []

    def test_prefetch_can_be_raised(self, bench: Bench) -> None:
        """The new limit holds for what is waiting."""
        queue = bench.queue()
        bench.send(queue, *"abcd")
        intake = bench.intake(queue, prefetch=1)
        bench.take(intake, 1)
        intake.set_prefetch(3)

        assert len(bench.take(intake, 2)) == 2
        assert bench.rest(intake) == []

    def test_no_prefetch_means_any_number(self, bench: Bench) -> None:
        """0 is no limit."""
        queue = bench.queue()
        bench.send(queue, *map(str, range(300)))

        assert len(bench.take(bench.intake(queue), 300)) == 300

    def test_prefetch_is_shared_by_queues(self, bench: Bench) -> None:
        """The limit is the worker's, not the queue's."""
        one, two = bench.queue("one"), bench.queue("two")
        bench.send(one, *"abc")
        bench.send(two, *"def")
        intake = bench.intake(one, two, prefetch=2)

        bench.take(intake, 2)
        assert bench.rest(intake) == []

    # -- verdicts --------------------------------------------------------------------------------

    def test_tags_are_unique(self, bench: Bench) -> None:
        """Also over a reconnect."""
        queue = bench.queue()
        bench.send(queue, "a", "b")
        intake = bench.intake(queue)
        tags = [one.tag for one in bench.take(intake, 2)]
        intake.reconnect()
        bench.send(queue, "c")
        tags += [one.tag for one in bench.take(intake, 1)]

        assert len(set(tags)) == len(tags)

    def test_acked_is_gone(self, bench: Bench) -> None:
        """Nobody gets it again."""
        queue = bench.queue()
        bench.send(queue, "a", "b")
        intake = bench.intake(queue)
        bench.settle(intake, Verdict.ACK, *bench.take(intake, 2))
        intake.close()

        assert bench.rest(bench.intake(queue, node="w2@here")) == []
        assert bench.length(queue, 0) == 0

    def test_claimed_does_not_come_back(self, bench: Bench) -> None:
        """A worker that closes keeps its claims to itself."""
        queue = bench.queue()
        bench.send(queue, "a")
        intake = bench.intake(queue)
        bench.settle(intake, Verdict.CLAIM, *bench.take(intake))
        intake.close()

        assert bench.rest(bench.intake(queue, node="w2@here")) == []

    def test_requeued_is_there_for_anyone(self, bench: Bench) -> None:
        """It comes again, and says so."""
        queue = bench.queue()
        bench.send(queue, "a", "b")
        first, second = (bench.intake(queue, prefetch=1, node=node) for node in ("w1@h", "w2@h"))
        [delivery] = bench.take(first)
        [other] = bench.take(second)
        bench.settle(second, Verdict.ACK, other)
        first.set_prefetch(0)
        bench.settle(first, Verdict.REQUEUE, delivery)
        first.close()
        [again] = bench.take(second)

        assert again.message.body == delivery.message.body
        assert dict(again.message.headers)["id"] == delivery.message.headers["id"]
        assert again.redelivered is bench.traits.marks_redelivered

    def test_requeued_keeps_its_place_where_it_can(self, bench: Bench) -> None:
        """In front of those that wait, on brokers that do so."""
        queue = bench.queue()
        bench.send(queue, *"abc")
        intake = bench.intake(queue, prefetch=1)
        bench.settle(intake, Verdict.REQUEUE, *bench.take(intake))
        intake.close()
        got = bodies(bench.take(bench.intake(queue, node="w2@here"), 3))

        assert sorted(got) == ["a", "b", "c"]
        if bench.traits.fifo:
            assert got == (["a", "b", "c"] if bench.traits.requeues_first else ["b", "c", "a"])

    def test_rejected_is_gone(self, bench: Bench) -> None:
        """It is dead, or dropped; the queue has it no more."""
        queue = bench.queue()
        bench.send(queue, "a")
        intake = bench.intake(queue)
        bench.settle(intake, Verdict.REJECT, *bench.take(intake))
        intake.close()

        assert bench.rest(bench.intake(queue, node="w2@here")) == []
        assert bench.length(queue, 0) == 0

    def test_many_verdicts_in_one_call(self, bench: Bench) -> None:
        """Acked and rejected are gone, requeued comes again, the rest is still out."""
        queue = bench.queue()
        bench.send(queue, *map(str, range(8)))
        intake = bench.intake(queue, prefetch=8)
        out = {body: one for one in bench.take(intake, 8) for body in bodies([one])}
        verdicts = [Verdict.ACK, Verdict.CLAIM, Verdict.REQUEUE, Verdict.REJECT, Verdict.ACK]
        intake.settle(
            [Settlement(out[str(at)].tag, verdict) for at, verdict in enumerate(verdicts)]
        )
        assert bodies(bench.take(intake)) == ["2"]
        intake.close()

        found = bodies(bench.take(bench.intake(queue, node="w2@here"), 4))
        assert sorted(found) == ["2", "5", "6", "7"]

    def test_verdicts_on_what_is_not_out_mean_nothing(self, bench: Bench) -> None:
        """A second verdict, and one on a tag that never was."""
        queue = bench.queue()
        bench.send(queue, "a", "b")
        intake = bench.intake(queue)
        first, second = bench.take(intake, 2)
        bench.settle(intake, Verdict.ACK, first)
        intake.settle([Settlement(first.tag, Verdict.REQUEUE), Settlement(10**6, Verdict.ACK)])

        bench.settle(intake, Verdict.ACK, second)
        assert bench.rest(intake) == []
        assert bench.length(queue, 0) == 0

    # -- workers come and go ---------------------------------------------------------------------

    def test_each_message_goes_to_one_worker(self, bench: Bench) -> None:
        """Two that share a queue share its messages."""
        queue = bench.queue()
        bench.send(queue, *map(str, range(20)))
        intakes = [bench.intake(queue, prefetch=10, node=node) for node in ("w1@h", "w2@h")]
        got = [body for intake in intakes for body in bodies(bench.take(intake, 10))]

        assert sorted(got, key=int) == list(map(str, range(20)))

    def test_close_hands_back(self, bench: Bench) -> None:
        """What is neither settled nor claimed is there for others at once."""
        queue = bench.queue()
        bench.send(queue, *"abc")
        intake = bench.intake(queue, prefetch=3)
        bench.take(intake, 3)
        intake.close()

        got = bodies(bench.take(bench.intake(queue, node="w2@here"), 3))
        assert sorted(got) == ["a", "b", "c"]
        if bench.traits.fifo:
            assert got == ["a", "b", "c"]

    def test_a_reconnect_keeps_or_gives_back(self, bench: Bench) -> None:
        """As ``keeps_deliveries`` says."""
        queue = bench.queue()
        bench.send(queue, "a")
        intake = bench.intake(queue)
        [delivery] = bench.take(intake)
        assert intake.keeps_deliveries is bench.traits.keeps_deliveries
        bench.rig.cut(intake)
        intake.reconnect()

        if bench.traits.keeps_deliveries:
            assert bench.rest(intake) == []
            bench.settle(intake, Verdict.ACK, delivery)
        else:
            [again] = bench.take(intake)
            bench.settle(intake, Verdict.ACK, delivery)  # means nothing any more
            bench.settle(intake, Verdict.ACK, again)
        intake.close()
        assert bench.length(queue, 0) == 0

    def test_queues_can_be_added_and_cancelled(self, bench: Bench) -> None:
        """While the worker goes on."""
        one, two = bench.queue("one"), bench.queue("two")
        intake = bench.intake(one)
        intake.receive()
        intake.add_queue(two)
        bench.send(two, "a")
        [delivery] = bench.take(intake)
        assert delivery.queue == two.name
        bench.settle(intake, Verdict.ACK, delivery)

        intake.cancel_queue(two.name)
        bench.send(two, "b")
        bench.send(one, "c")
        assert bodies(bench.take(intake)) == ["c"]
        assert bench.length(two, 1) == 1

    def test_receive_does_not_wait(self, bench: Bench) -> None:
        """An empty queue is an answer."""
        intake = bench.intake(bench.queue())
        intake.receive()
        start_s = bench.clock.read().elapsed_s
        found = intake.receive()

        assert list(found) == []
        assert bench.clock.read().elapsed_s - start_s < 1.0

    def test_somebody_says_when_to_look(self, bench: Bench) -> None:
        """There is something to watch, or a rhythm to look in."""
        intake = bench.intake(bench.queue())
        intake.receive()

        assert intake.watched or intake.poll_s is not None or not bench.traits.threads

    # -- commit ----------------------------------------------------------------------------------

    def test_commit_publishes_stores_and_settles(self, bench: Bench) -> None:
        """All three have happened when it returns."""
        queue, following = bench.queue(), bench.queue("next")
        bench.send(queue, "a", "b")
        intake, ledger = bench.intake(queue), Ledger()
        completions = [
            Completion(
                follow_ups=(bench.outgoing(following, f"after {body}"),),
                result=ResultRecord(body, "SUCCESS", b"{}"),
                settlement=Settlement(one.tag, Verdict.ACK),
            )
            for one in bench.take(intake, 2)
            for body in bodies([one])
        ]
        intake.commit(completions, as_store(ledger))
        intake.close()

        assert sorted(ledger.events) == ["a", "b"]
        assert bench.length(following, 2) == 2
        assert bench.length(queue, 0) == 0

    def test_a_result_that_cannot_be_stored_leaves_the_delivery_open(self, bench: Bench) -> None:
        """Follow-ups are out by then; the delivery is not settled, so it is not lost."""
        queue, following = bench.queue(), bench.queue("next")
        bench.send(queue, "a")
        intake = bench.intake(queue)
        [delivery] = bench.take(intake)
        ledger = Ledger(failure=OperationalError("the store is down"))
        completion = Completion(
            follow_ups=(bench.outgoing(following, "x"),),
            result=ResultRecord("a", "SUCCESS", b"{}"),
            settlement=Settlement(delivery.tag, Verdict.ACK),
        )
        with pytest.raises(OperationalError):
            intake.commit([completion], as_store(ledger))
        intake.close()

        assert bench.length(following, 1) == 1
        assert bodies(bench.take(bench.intake(queue, node="w2@here"))) == ["a"]

    def test_commit_of_parts(self, bench: Bench) -> None:
        """A completion may have any of the three, or none."""
        queue = bench.queue()
        bench.send(queue, "a")
        intake, ledger = bench.intake(queue), Ledger()
        [delivery] = bench.take(intake)
        intake.commit(
            [
                Completion(),
                Completion(result=ResultRecord("r", "STARTED", b"{}")),
                Completion(follow_ups=(bench.outgoing(queue, "b"),)),
                Completion(settlement=Settlement(delivery.tag, Verdict.ACK)),
            ],
            as_store(ledger),
        )

        assert ledger.events == ["r"]
        assert bodies(bench.take(intake)) == ["b"]

    # -- the rest of the broker ------------------------------------------------------------------

    def test_length_and_purge_count_what_waits(self, bench: Bench) -> None:
        """What a worker has out is not waiting."""
        queue = bench.queue()
        bench.send(queue, *"abcd")
        bench.take(bench.intake(queue, prefetch=1), 1)

        assert bench.length(queue, 3) == 3
        assert bench.broker.purge(queue.name) == 3
        assert bench.length(queue, 0) == 0

    def test_a_queue_that_is_not_there_is_empty(self, bench: Bench) -> None:
        """And publishing goes on after somebody has asked."""
        name = bench.rig.unique("missing")
        assert bench.broker.length(name) == 0
        assert bench.broker.purge(name) == 0
        queue = bench.queue()
        bench.send(queue, "a")

        assert bench.length(queue, 1) == 1

    def test_declaring_twice_is_nothing_new(self, bench: Bench) -> None:
        """A queue keeps what it holds."""
        queue = bench.queue()
        bench.broker.declare([queue])
        bench.send(queue, "a")
        bench.rig.broker().declare([queue])

        assert bench.length(queue, 1) == 1

    def test_ping_answers(self, bench: Bench) -> None:
        """A broker that is there raises nothing."""
        bench.broker.ping()
        assert bench.broker.name

    def test_a_broker_can_be_used_again_after_close(self, bench: Bench) -> None:
        """Close lets go of connections; the next call makes new ones."""
        queue = bench.queue()
        bench.send(queue, "a")
        bench.broker.close()
        bench.send(queue, "b")

        assert bench.length(queue, 2) == 2

    def test_many_threads_publish_through_one_broker(self, bench: Bench) -> None:
        """Nothing is lost, nothing is doubled."""
        queue, count = bench.queue(), 6
        bench.broker.declare([queue])

        def publish(at: int) -> None:
            for step in range(10):
                bench.send(queue, f"{at}-{step}")

        in_threads(publish, count, really=bench.traits.threads)
        got = bodies(bench.take(bench.intake(queue), count * 10))

        assert sorted(got) == sorted(f"{at}-{step}" for at in range(count) for step in range(10))


def in_threads(work: Callable[[int], None], count: int, *, really: bool) -> None:
    """Do work in threads, or one after the other in a world that has none."""
    if not really:
        for at in range(count):
            work(at)
        return
    failures: list[Exception] = []

    def guarded(at: int) -> None:
        try:
            work(at)
        except Exception as error:  # noqa: BLE001 - a boundary: it is raised in the test's thread
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(at,)) for at in range(count)]  # noqa: TID251 - threads are what is tested
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S * 3)
    if failures:
        raise failures[0]
    assert not any(thread.is_alive() for thread in threads)


def as_store(ledger: Ledger) -> ResultStore:
    """Call it what it stands in for."""
    store: Any = ledger
    return store  # type: ignore[no-any-return]


__all__ = ["BrokerRig", "BrokerSuite", "Traits"]
