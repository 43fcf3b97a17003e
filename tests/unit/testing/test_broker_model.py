"""The model of a broker: what waits, what is out, what comes back."""

from __future__ import annotations

import pytest

from taskq.errors import BrokerLostError, OperationalError
from taskq.ports import (
    DEFAULT_PUBLISH,
    Completion,
    Delivery,
    ExchangeSpec,
    Outgoing,
    QueueSpec,
    ResultRecord,
    Settlement,
    Verdict,
)
from taskq_testing.sim.broker import BrokerModel, IntakeEnd, broker_end
from taskq_testing.sim.profiles import LEASE_S, PROFILES
from taskq_testing.sim.store import StoreEnd, StoreModel
from tests.unit.testing.simple_world import QUEUE, Bench, outgoing


class Rig:
    """A broker, a client and workers, all called from the test itself."""

    def __init__(self, profile: str) -> None:
        self.bench = Bench()
        self.model = BrokerModel(PROFILES[profile], lambda: self.bench.time.now_s)
        self.client_hands = self.bench.hands("client")
        self.client = broker_end(self.model, self.client_hands)

    def worker(self, name: str, prefetch: int = 0, queue: QueueSpec = QUEUE) -> IntakeEnd:
        self.hands = self.bench.hands(name)
        intake = broker_end(self.model, self.hands).consume([queue], name)
        assert isinstance(intake, IntakeEnd)
        intake.set_prefetch(prefetch)
        return intake

    def send(self, *ids: str) -> None:
        self.client.publish([outgoing(task_id) for task_id in ids])

    def store(self) -> StoreEnd:
        model = StoreModel(lambda: self.bench.time.now_s)
        return StoreEnd(model, self.client_hands, self.model.profile.name, lambda _: None)


@pytest.fixture(params=sorted(PROFILES))
def rig(request: pytest.FixtureRequest) -> Rig:
    return Rig(request.param)


def received(intake: IntakeEnd) -> list[Delivery]:
    return [one for one in intake.receive() if isinstance(one, Delivery)]


def ids(deliveries: list[Delivery]) -> list[str]:
    return [one.message.headers["id"] for one in deliveries]


def test_messages_come_in_order(rig: Rig) -> None:
    """First in, first out."""
    worker = rig.worker("w1")
    rig.send("a", "b", "c")

    assert ids(received(worker)) == ["a", "b", "c"]


def test_prefetch_bounds_what_is_open(rig: Rig) -> None:
    """No more are given out than may be open; one that is settled makes room."""
    worker = rig.worker("w1", prefetch=2)
    rig.send("a", "b", "c")
    first = received(worker)

    assert ids(first) == ["a", "b"]
    assert received(worker) == []
    worker.settle([Settlement(first[0].tag, Verdict.ACK)])
    assert ids(received(worker)) == ["c"]


def test_a_claim_makes_room(rig: Rig) -> None:
    """A claimed message is not open any more, and the ack that follows is harmless."""
    worker = rig.worker("w1", prefetch=1)
    rig.send("a", "b")
    [first] = received(worker)
    worker.settle([Settlement(first.tag, Verdict.CLAIM)])

    assert ids(received(worker)) == ["b"]
    worker.settle([Settlement(first.tag, Verdict.ACK)])
    assert received(worker) == []


def test_what_is_given_back_comes_again_and_says_so(rig: Rig) -> None:
    """A requeued message is redelivered; it counts where a body had begun."""
    worker = rig.worker("w1")
    rig.send("a")
    [first] = received(worker)
    worker.settle([Settlement(first.tag, Verdict.REQUEUE)])
    [again] = received(worker)
    worker.settle([Settlement(again.tag, Verdict.REQUEUE, attempted=True)])
    [third] = received(worker)

    assert (first.redelivered, first.attempts) == (False, 0)
    assert (again.redelivered, again.attempts) == (True, 0)
    assert (third.redelivered, third.attempts) == (True, 1)
    assert again.tag != first.tag


def test_what_is_rejected_is_kept_among_the_dead(rig: Rig) -> None:
    """A rejected message comes to nobody, and is accounted for with its reason."""
    worker = rig.worker("w1")
    rig.send("a")
    [first] = received(worker)
    worker.settle([Settlement(first.tag, Verdict.REJECT, "poison")])

    assert received(worker) == []
    assert [(dead.held.task_id, dead.reason) for dead in rig.model.dead] == [("a", "poison")]


def test_closing_gives_back_in_order(rig: Rig) -> None:
    """What a worker had when it closed is there for the next, in the old order."""
    first = rig.worker("w1")
    rig.send("a", "b", "c")
    received(first)
    first.close()

    assert ids(received(rig.worker("w2"))) == ["a", "b", "c"]


def test_redis_takes_back_when_the_lease_of_the_dead_is_over() -> None:
    """Until then nobody gets the message; then whoever renews finds it."""
    rig = Rig("redis")
    first, second = rig.worker("w1"), rig.worker("w2")
    rig.send("a", "b")
    [gone, claimed] = received(first)
    first.settle([Settlement(claimed.tag, Verdict.CLAIM)])
    first.vanish()

    second.renew()
    assert received(second) == []
    rig.bench.time.now_s += LEASE_S - 1
    second.renew()
    assert received(second) == []
    rig.bench.time.now_s += 1
    second.renew()
    [again] = received(second)
    assert (again.message.headers["id"], again.redelivered, again.attempts) == ("a", True, 1)
    assert gone.attempts == 0
    [lost] = second.lost_claims()
    assert (lost.message.headers["id"], lost.node) == ("b", "w1")
    assert rig.bench.trace.count("broker.dead") == 0


def test_redis_tells_of_a_claim_until_somebody_has_buried_it() -> None:
    """Whoever found it may be lost as well: then the next one finds it."""
    rig = Rig("redis")
    workers = [rig.worker(name) for name in ("w1", "w2", "w3")]
    rig.send("a")
    [claimed] = received(workers[0])
    workers[0].settle([Settlement(claimed.tag, Verdict.CLAIM)])
    workers[0].vanish()
    rig.bench.time.now_s += LEASE_S
    workers[1].renew()
    [found] = workers[1].lost_claims()
    workers[1].vanish()
    rig.bench.time.now_s += LEASE_S
    workers[2].renew()
    [again] = workers[2].lost_claims()
    workers[2].settle([Settlement(again.tag, Verdict.REJECT, "lost")])

    assert (found.node, again.node) == ("w1", "w1")
    assert [(dead.held.task_id, dead.reason) for dead in rig.model.dead] == [("a", "lost")]
    assert not workers[2].session.out


def test_redis_keeps_the_lease_of_the_living() -> None:
    """Who renews keeps what it has, however long it works."""
    rig = Rig("redis")
    first, second = rig.worker("w1"), rig.worker("w2")
    rig.send("a")
    received(first)
    for _ in range(100):
        rig.bench.time.now_s += 20
        first.renew()
        second.renew()

    assert received(second) == []


def test_rabbitmq_takes_back_at_once() -> None:
    """When the connection is gone, everything that was open is there for others."""
    rig = Rig("rabbitmq")
    first, second = rig.worker("w1"), rig.worker("w2")
    rig.send("a", "b")
    received(first)
    first.vanish()

    again = received(second)
    assert ids(again) == ["a", "b"]
    assert all(one.redelivered for one in again)


def test_rabbitmq_forgets_old_tags_on_a_new_connection() -> None:
    """A verdict on a delivery of the old connection changes nothing."""
    rig = Rig("rabbitmq")
    worker = rig.worker("w1")
    rig.send("a")
    [first] = received(worker)
    worker.break_off()
    with pytest.raises(BrokerLostError):
        worker.settle([Settlement(first.tag, Verdict.ACK)])
    worker.reconnect()
    worker.settle([Settlement(first.tag, Verdict.ACK)])

    assert ids(received(worker)) == ["a"]


def test_redis_deliveries_outlive_the_connection() -> None:
    """After a short cut the same worker settles what it had."""
    rig = Rig("redis")
    worker = rig.worker("w1")
    rig.send("a")
    [first] = received(worker)
    worker.break_off()
    worker.reconnect()
    worker.settle([Settlement(first.tag, Verdict.ACK)])

    assert received(worker) == []
    assert rig.bench.trace.count("broker.ack", id="a") == 1


def test_redis_serves_low_numbers_first() -> None:
    """Priorities stand in four lists, the smallest number first."""
    rig = Rig("redis")
    for number in (9, 5, 0, 4, 3):
        rig.client.publish([outgoing(f"p{number}", priority=number)])

    assert ids(received(rig.worker("w1"))) == ["p0", "p5", "p4", "p3", "p9"]


def test_rabbitmq_serves_high_numbers_first_where_the_queue_says_so() -> None:
    """A queue without a highest priority ignores them."""
    rig = Rig("rabbitmq")
    spec = QueueSpec("celery", ExchangeSpec("celery"), "celery", max_priority=9)
    rig.client.declare([spec, QueueSpec("plain", ExchangeSpec("plain"), "plain")])
    for queue in ("celery", "plain"):
        for number in (0, 9, 5):
            rig.client.publish([outgoing(f"p{number}", queue=queue, priority=number)])

    assert ids(received(rig.worker("w1", queue=spec))) == ["p9", "p5", "p0"]
    plain = QueueSpec("plain", ExchangeSpec("plain"), "plain")
    assert ids(received(rig.worker("w2", queue=plain))) == ["p0", "p9", "p5"]


def test_a_lost_lease_makes_its_result_count_no_more() -> None:
    """Who comes back too late with a result is refused, because another has the message."""
    rig = Rig("redis")
    slow, quick = rig.worker("w1"), rig.worker("w2")
    rig.send("a")
    [had] = received(slow)
    rig.bench.time.now_s += LEASE_S + 1
    quick.renew()
    received(quick)
    store = rig.store()
    result = ResultRecord("a", "SUCCESS", b"{}")
    slow.commit([Completion((), result, Settlement(had.tag, Verdict.ACK))], store)

    assert list(store.load(["a"])) == [None]


def test_a_commit_publishes_stores_and_settles_in_this_order(rig: Rig) -> None:
    """Nothing is acknowledged before what it led to is safe."""
    worker = rig.worker("w1")
    rig.send("a")
    [first] = received(worker)
    begin = len(rig.bench.trace)
    result = ResultRecord("a", "SUCCESS", b"{}")
    settlement = Settlement(first.tag, Verdict.ACK)
    worker.commit([Completion((outgoing("b"),), result, settlement)], rig.store())

    assert [record.what for record in rig.bench.trace.records[begin:]] == [
        "task.send", "result.store", "broker.ack",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "binding", "routing_key", "taken"),
    [
        ("direct", "a.b", "a.b", True),
        ("direct", "a.b", "a.c", False),
        ("fanout", "", "anything", True),
        ("topic", "a.*", "a.b", True),
        ("topic", "a.*", "a.b.c", False),
        ("topic", "a.#", "a", True),
        ("topic", "a.#", "a.b.c", True),
        ("topic", "#.c", "a.b.c", True),
        ("topic", "#.c", "c", True),
        ("topic", "a+b.*", "aab.c", False),
    ],
)
def test_exchanges_route(rig: Rig, kind: str, binding: str, routing_key: str, taken: bool) -> None:
    """A message goes to the queues whose binding matches, by the rule of its exchange."""
    queue = QueueSpec("q", ExchangeSpec("x", kind), binding)
    rig.client.declare([queue])
    plain = outgoing("a")
    rig.client.publish([Outgoing(plain.message, "x", routing_key, kind)])

    assert rig.client.length("q") == taken
    assert rig.bench.trace.count("broker.drop") == (not taken)


def test_publishing_into_a_cut_line_ends_with_an_error(rig: Rig) -> None:
    """After the retries of its policy, in virtual time."""
    rig.client_hands.link.cut, rig.client_hands.link.reason = True, "no route to host"

    with pytest.raises(OperationalError, match="no route to host"):
        rig.send("a")
    assert DEFAULT_PUBLISH.retry is not None
    assert rig.bench.time.now_s > 0


def test_purging_throws_away_what_waits(rig: Rig) -> None:
    """And says how many."""
    rig.client.declare([QUEUE])
    rig.send("a", "b")

    assert (rig.client.length("celery"), rig.client.purge("celery")) == (2, 2)
    assert rig.client.length("celery") == 0
