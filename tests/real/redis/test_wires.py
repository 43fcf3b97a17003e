"""A worker's end whose wire to Redis is cut, held and mended."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from taskq.adapters.broker.redis import RedisBroker
from taskq.adapters.broker.redis_intake import RedisIntake
from taskq.errors import BrokerLostError, OperationalError
from taskq.ports import (
    Completion,
    ExchangeSpec,
    Message,
    Outgoing,
    PublishOptions,
    QueueSpec,
    ResultRecord,
    Settlement,
    Verdict,
)
from tests.real.proxy import Proxy
from tests.real.redis.conftest import ids, make_broker, make_store, outgoing, queue, wait_readable


@pytest.fixture
def wire(redis_url: str) -> Iterator[Proxy]:
    made = Proxy(int(redis_url.rsplit(":", 1)[1].split("/", maxsplit=1)[0]))
    yield made
    made.close()


def ack(one: Any) -> Settlement:
    return Settlement(one.tag, Verdict.ACK)


class Loop:
    """Turns an intake as a worker's loop does: waits, takes, renews, connects again."""

    def __init__(self, intake: RedisIntake) -> None:
        self.intake = intake
        self.got: list[Any] = []
        self.lost = 0
        self._renew_at_s = 0.0

    def turn(self, wait_s: float = 0.1) -> list[Any]:
        try:
            if time.monotonic() >= self._renew_at_s:
                self._renew_at_s = time.monotonic() + (self.intake.renew() or 60.0)
            patience_s = self.intake.poll_s
            wait_readable(self.intake, min(wait_s, wait_s if patience_s is None else patience_s))
            some = list(self.intake.receive())
        except OperationalError:
            self.lost += 1
            self._connect()
            return []
        self.got += some
        return some

    def until(self, true: Callable[[], bool], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"not within {seconds} s; {len(self.got)} came"
            self.turn()

    def for_s(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.turn()

    def _connect(self) -> None:
        for _ in range(200):
            try:
                self.intake.reconnect()
            except BrokerLostError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("it could not connect again")


def test_three_resets_in_two_seconds_lose_nothing(wire: Proxy, redis_url: str) -> None:
    """All connections, again and again; what is published then comes, with nothing restarted."""
    worker = Loop(make_broker(wire.url(redis_url)).consume([queue()], "w1"))
    worker.intake.set_prefetch(10)
    worker.for_s(0.3)
    for _ in range(3):
        wire.reset()
        worker.for_s(0.6)
    sender = make_broker(redis_url)
    for number in range(100):
        sender.publish([outgoing(str(number))])

    done: list[str] = []

    def finished() -> bool:
        some, worker.got = worker.got, []
        worker.intake.settle([ack(one) for one in some])
        done.extend(ids(some))
        return len(done) >= 100

    worker.until(finished)
    assert worker.lost >= 1
    assert sorted(done, key=int) == [str(number) for number in range(100)]
    assert sender.length("q") == 0
    worker.intake.close()


def keep_receiving(intake: RedisIntake, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        wait_readable(intake, min(intake.poll_s or 0.0, 1.0))
        intake.receive()


def test_a_black_hole_is_noticed_by_an_idle_worker(wire: Proxy, redis_url: str) -> None:
    """Nothing answers and nothing breaks: within the socket's time it connects anew."""
    worker = Loop(make_broker(wire.url(redis_url), socket_timeout=1.0).consume([queue()], "w1"))
    worker.for_s(0.5)
    before = wire.accepted
    with wire.held():
        began = time.monotonic()
        with pytest.raises(BrokerLostError, match="no answer in time"):
            keep_receiving(worker.intake, 10)
        noticed_s = time.monotonic() - began
    make_broker(redis_url).publish([outgoing("1")])
    worker.intake.reconnect()
    worker.until(lambda: bool(worker.got))

    assert noticed_s < 5.0
    assert wire.accepted > before
    assert ids(worker.got) == ["1"]
    worker.intake.close()


def test_a_message_comes_though_the_wire_it_would_wake_is_dead(wire: Proxy, redis_url: str) -> None:
    """Only the connections that wait are in a black hole: the next look finds the message."""
    intake = make_broker(redis_url).consume([queue()], "w1")
    intake._peeks._pool = make_broker(wire.url(redis_url))._pool
    intake.receive()
    wire.hold()
    make_broker(redis_url).publish([outgoing("1")])
    worker = Loop(intake)
    worker.until(lambda: bool(worker.got), 5.0)

    assert ids(worker.got) == ["1"]
    wire.mend()
    intake.close()


def test_a_link_lost_for_less_than_the_lease_costs_nothing(
    wire: Proxy, redis_url: str, broker: RedisBroker, client: Any
) -> None:
    """The body goes on, its worker connects again, and its end counts: one run."""
    broker.publish([outgoing("1")])
    worker = Loop(
        make_broker(wire.url(redis_url), lease_s=6.0, socket_timeout=1.0).consume([queue()], "w1")
    )
    worker.until(lambda: bool(worker.got))
    other = Loop(make_broker(redis_url, lease_s=6.0).consume([queue()], "w2"))
    wire.hold()
    wire.reset()
    deadline = time.monotonic() + 2.0
    while time.monotonic() < deadline:
        other.turn(0.05)
    wire.mend()
    worker.for_s(0.5)
    [one] = worker.got
    result = ResultRecord("1", "SUCCESS", b'{"status": "SUCCESS"}', expires_s=60)
    worker.intake.commit([Completion((), result, ack(one))], make_store(wire.url(redis_url)))

    other.for_s(0.5)
    assert other.got == []
    assert worker.intake.lost_tags() == []
    assert client.exists("celery-task-meta-1")
    worker.intake.close()
    other.intake.close()
    assert client.keys("taskq.*") == []


def test_a_link_lost_for_longer_than_the_lease_is_fenced(
    wire: Proxy, redis_url: str, broker: RedisBroker, client: Any
) -> None:
    """A second run is allowed then; the first one's result and follow-ups are refused."""
    broker.publish([outgoing("1")])
    store = make_store(redis_url, transport_options={})
    worker = Loop(
        make_broker(wire.url(redis_url), lease_s=1.0, socket_timeout=1.0).consume([queue()], "w1")
    )
    worker.until(lambda: bool(worker.got))
    other = Loop(make_broker(redis_url, lease_s=1.0).consume([queue()], "w2"))
    wire.hold()
    wire.reset()
    other.until(lambda: bool(other.got), 10.0)
    wire.mend()
    [first], [second] = worker.got, other.got
    late = ResultRecord("1", "FAILURE", b'{"status": "FAILURE", "by": "first"}', expires_s=60)
    with pytest.raises(BrokerLostError):
        worker.intake.commit([Completion((outgoing("late", "after"),), late, ack(first))], store)
    worker.intake.reconnect()
    near_store = make_store(wire.url(redis_url))
    worker.intake.commit([Completion((outgoing("late", "after"),), late, ack(first))], near_store)
    lost = worker.intake.lost_tags()
    fine = ResultRecord("1", "SUCCESS", b'{"status": "SUCCESS", "by": "second"}', expires_s=60)
    other.intake.commit([Completion((outgoing("fine", "after"),), fine, ack(second))], store)

    assert lost == [first.tag]
    assert json.loads(client.get("celery-task-meta-1"))["by"] == "second"
    after = [json.loads(raw)["headers"]["id"] for raw in client.lrange("after", 0, -1)]
    assert after == ["fine"]
    assert (second.redelivered, second.attempts) == (True, 1)
    worker.intake.close()
    other.intake.close()


def test_a_reconnect_never_holds_more_than_the_prefetch(
    wire: Proxy, redis_url: str, client: Any
) -> None:
    """Forty out, the link cut again and again at any moment: forty out, and each message once."""
    count = 400
    sender = make_broker(redis_url)
    sender.publish([outgoing(str(number)) for number in range(count)])
    worker = Loop(make_broker(wire.url(redis_url)).consume([queue()], "w1"))
    worker.intake.set_prefetch(40)
    done: Counter[str] = Counter()
    most = 0
    for round_ in range(12):
        worker.turn(0.01)
        if round_ % 2:
            wire.reset()
        worker.turn(0.01)
        most = max([most, *(client.hlen(key) for key in client.keys("taskq.lease.*"))])
        some, worker.got = worker.got[:35], worker.got[35:]
        try:
            worker.intake.settle([ack(one) for one in some])
        except BrokerLostError:
            worker.intake.reconnect()
            worker.intake.settle([ack(one) for one in some])
        done.update(ids(some))

    def finished() -> bool:
        some, worker.got = worker.got, []
        worker.intake.settle([ack(one) for one in some])
        done.update(ids(some))
        return len(done) >= count

    worker.until(finished)
    assert most == 40
    assert sorted(done, key=int) == [str(number) for number in range(count)]
    assert set(done.values()) == {1}
    worker.intake.close()


def test_a_reply_read_by_nobody_is_not_lost(wire: Proxy, redis_url: str) -> None:
    """The server has taken messages for a worker; the wire breaks before it has read of them."""
    sender = make_broker(redis_url)
    worker = Loop(make_broker(wire.url(redis_url), socket_timeout=1.0).consume([queue()], "w1"))
    worker.intake.set_prefetch(5)
    got: Counter[str] = Counter()
    for number in range(8):
        sender.publish([outgoing(str(number))])
        wire.hold()
        with pytest.raises(BrokerLostError):
            worker.intake.receive()
        wire.mend()  # what was held goes on its way: the command too
        time.sleep(0.02)
        worker.intake.reconnect()
        worker.until(lambda: bool(worker.got), 5.0)
        some, worker.got = worker.got, []
        got.update(ids(some))
        worker.intake.settle([ack(one) for one in some])

    assert got == Counter(str(number) for number in range(8))
    worker.intake.close()


def test_a_listener_goes_on_after_a_cut(wire: Proxy, redis_url: str) -> None:
    """Commands and replies are heard again after one reconnect at most."""
    for kind in ("fanout", "direct"):
        exchange = ExchangeSpec(f"box-{kind}", kind)
        inbox = make_broker(wire.url(redis_url), socket_timeout=1.0).listen(
            QueueSpec(f"mine-{kind}", exchange, "k", expires_s=10.0)
        )
        wire.reset()
        time.sleep(0.1)
        try:
            inbox.receive()
        except BrokerLostError:
            inbox.reconnect()
        message = Message({}, b"after", "a/b", "utf-8")
        make_broker(redis_url).publish([Outgoing(message, exchange.name, "k", kind)])
        heard: list[Any] = []
        deadline = time.monotonic() + 10
        while not heard and time.monotonic() < deadline:
            inbox.wait(1.0)
            heard += inbox.receive()

        assert [one.body for one in heard] == [b"after"]
        inbox.close()


def test_a_sender_with_many_dead_links_is_not_fooled_by_them(wire: Proxy, redis_url: str) -> None:
    """All its idle connections broke a moment ago: the first attempt after one failure succeeds."""
    broker = make_broker(wire.url(redis_url))
    links = [broker._pool.take() for _ in range(10)]
    for link in links:
        broker._pool.give(link)
    wire.reset()
    time.sleep(0.1)
    broker.publish([outgoing("1")])

    assert broker.length("q") == 1
    broker.close()


@pytest.mark.parametrize("connected", [False, True])
@pytest.mark.parametrize("exchange", ["", "ex"])
def test_a_publish_over_a_silent_wire_ends_in_its_time(
    wire: Proxy, redis_url: str, connected: bool, exchange: str
) -> None:
    """Whether it has to connect, to look up where it goes, or to hand over very much."""
    broker = make_broker(wire.url(redis_url))
    if connected:
        broker.ping()
    message = Message({"id": "1"}, b"x" * 20_000_000, "a/b", "utf-8")
    one = Outgoing(message, exchange, "q", options=PublishOptions(timeout_s=0.5))
    with wire.held():
        began = time.monotonic()
        with pytest.raises(OperationalError, match="no answer in time"):
            broker.publish([one])
        took_s = time.monotonic() - began

    assert took_s < 2.5  # the rest of it is packing
    broker.close()


def test_a_connection_that_was_made_in_haste_is_not_hasty_for_ever(redis_url: str) -> None:
    """The time limit was that of one publish, not of whoever uses its connection next."""
    broker = make_broker(redis_url)
    message = Message({"id": "1"}, b"1", "a/b", "utf-8")
    broker.publish([Outgoing(message, "", "q", options=PublishOptions(timeout_s=0.3))])
    link = broker._pool.take()

    assert link.ask("BLPOP", "nothing", "0.8") is None
    broker._pool.give(link)
    broker.close()
