"""What is not due yet waits on the server, for nobody, until it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from taskq.adapters.broker.redis_link import Link
from taskq.adapters.broker.redis_parking import LONGEST_MS, LOOK_S, wait_ms
from taskq.adapters.broker.redis_scripts_parking import DUE
from taskq.ports import (
    Completion,
    Delivery,
    ExchangeSpec,
    Message,
    Outgoing,
    QueueSpec,
    Settlement,
    Verdict,
)
from tests.unit.adapters.redis.conftest import Bench, ack, ids

DAY_S = 24 * 3600.0


def park(bench: Bench, intake: Any, for_s: float, *deliveries: Any) -> None:
    due_s = bench.clock.now_s + for_s
    intake.settle([Settlement(one.tag, Verdict.PARK, due_s=due_s) for one in deliveries])


def parked(bench: Bench, *names: str, for_s: float = DAY_S, **properties: Any) -> None:
    """Send some messages and park them."""
    bench.send(*names, **properties)
    intake = bench.intake(node="parker")
    park(bench, intake, for_s, *intake.receive())
    intake.close()


def make_due(bench: Bench, queue: str = "q") -> None:
    """Let the time of all that is parked be over, in the order in which it was to come."""
    key = f"taskq.parked.{queue}"
    for number, name in enumerate(bench.client.zrange(key, 0, -1), start=1):
        bench.client.zadd(key, {name: number})
    bench.clock.now_s += LOOK_S


def keys(bench: Bench) -> set[bytes]:
    return {key for key in bench.client.keys("*") if not key.startswith(b"_kombu")}


# -- moving back ---------------------------------------------------------------------------------


def test_what_is_parked_is_in_no_lease_and_no_list(bench: Bench) -> None:
    """Nobody has it, so no worker that is lost can give it to another."""
    parked(bench, "1")

    assert keys(bench) == {b"taskq.parked.q", b"taskq.parked-messages.q", b"taskq.parked-tasks"}
    assert bench.broker().length("q") == 0


def test_what_comes_back_leaves_nothing_behind(bench: Bench) -> None:
    """Moved, taken and acked: no key of ours is left."""
    parked(bench, "1", "2")
    make_due(bench)
    intake = bench.intake()
    intake.settle([ack(one.tag) for one in intake.receive()])
    intake.close()

    assert keys(bench) == set()


def test_the_very_bytes_come_back(bench: Bench) -> None:
    """So that any consumer of the queue reads the message as its sender wrote it."""
    bench.send("1", priority=6)
    [sent] = bench.client.lrange("q\x06\x166", 0, -1)
    intake = bench.intake()
    park(bench, intake, DAY_S, *intake.receive())
    make_due(bench)
    intake.set_prefetch(1)
    bench.send("first")
    intake.receive()

    assert bench.client.lrange("q\x06\x166", 0, -1) == [sent]


def test_a_day_is_waited_for_without_a_lease(bench: Bench) -> None:
    """Eight workers with short leases, lost and replaced again and again: one start."""
    parked(bench, "1")
    for round_ in range(10):
        workers = [bench.intake(node=f"w{round_}-{n}", lease_s=30) for n in range(8)]
        for worker in workers:
            worker.renew()
            assert worker.receive() == []
        for number in range(8):
            bench.pass_deadline(f"w{round_}-{number}")
        bench.clock.now_s += 3600
    make_due(bench)
    workers = [bench.intake(node=f"late-{n}", lease_s=30) for n in range(8)]

    got = [one for worker in workers for one in worker.receive()]
    assert ids(got) == ["1"]
    assert (got[0].redelivered, got[0].attempts) == (False, 0)


def test_the_moment_is_measured_by_the_server(bench: Bench) -> None:
    """A worker says for how long; that its wall clock is decades off changes nothing."""
    parked(bench, "1", for_s=5.0)
    [(_, score)] = bench.client.zrange("taskq.parked.q", 0, -1, withscores=True)
    seconds, microseconds = bench.client.time()

    assert 0 < score / 1000 - (seconds + microseconds / 1e6) <= 5.0


@pytest.mark.parametrize(
    ("due_s", "ms"),
    [
        (10.0, 0),
        (11.5, 1500),
        (10.0001, 1),
        (9.0, 0),
        (float("inf"), LONGEST_MS),
        (float("-inf"), 0),
        (float("nan"), LONGEST_MS),
        (1e300, LONGEST_MS),
    ],
)
def test_a_wait_is_rounded_up_and_has_an_end(due_s: float, ms: int) -> None:
    """Never too early; what is beyond all times is merely very late."""
    assert wait_ms(due_s, 10.0) == ms


def test_many_are_moved_some_at_a_time(bench: Bench) -> None:
    """All that is due comes, in order, though one look does not move it all."""
    names = [str(number) for number in range(1000)]
    parked(bench, *names)
    make_due(bench)
    intake = bench.intake()
    got: list[str] = []
    for _ in range(4):
        got += ids(intake.receive())

    assert got == names


def test_nobody_gets_what_two_look_for_twice(bench: Bench) -> None:
    """Moving is one step."""
    parked(bench, *map(str, range(20)))
    make_due(bench)
    first, second = bench.intake(node="w1", prefetch=10), bench.intake(node="w2", prefetch=10)

    assert sorted(ids(first.receive()) + ids(second.receive()), key=int) == list(
        map(str, range(20))
    )
    assert first.receive() == second.receive() == []


def test_a_message_for_another_queue_waits_for_its_own_workers(bench: Bench) -> None:
    """Who does not take from a queue does not move what is parked there."""
    parked(bench, "1")
    make_due(bench)

    assert bench.intake("other").receive() == []
    assert bench.broker().length("q") == 0
    assert ids(bench.intake("q").receive()) == ["1"]


def test_a_list_that_is_no_list_keeps_what_is_due(bench: Bench) -> None:
    """It stays parked, and is tried again later; what else is due comes."""
    parked(bench, "1")
    parked(bench, "2", priority=9)
    make_due(bench)
    bench.client.set("q", "something else")
    intake = bench.intake()

    assert ids(intake.receive()) == ["2"]
    assert [one.message.headers["id"] for one in bench.broker().parked(["q"], 5)] == ["1"]


def test_a_damaged_record_is_a_dead_letter(bench: Bench) -> None:
    """It is neither lost nor in the way."""
    parked(bench, "1", "2")
    first = bench.client.zrange("taskq.parked.q", 0, 0)[0]
    bench.client.hset("taskq.parked-messages.q", first, b"\xff nonsense")
    bench.client.zadd("taskq.parked.q", {"nobody": 1})
    make_due(bench)
    got = bench.intake().receive()

    assert ids(got) == ["2"]
    [letter] = bench.broker().dead_letters(5)
    assert (letter.raw, letter.reason) == (b"\xff nonsense", "what was parked here is damaged")
    assert not bench.client.exists("taskq.parked.q")


def test_an_expiring_queue_keeps_its_time(bench: Bench) -> None:
    """A list that comes into being by a move lives no longer than another."""
    queue = bench.queue("q", expires_s=60.0)
    broker = bench.broker()
    intake: Any = broker.consume([queue], "w1")
    intake.set_prefetch(1)
    bench.send("1", "2")
    park(bench, intake, DAY_S, *intake.receive())
    intake.receive()
    make_due(bench)
    intake.receive()

    assert 0 < bench.client.pttl("q") <= 60_000


# -- what it costs -------------------------------------------------------------------------------


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Write down what is sent to the server."""
    sent: list[Any] = []
    send, many = Link.send, Link.ask_many

    def noting(link: Link, *command: Any) -> None:
        sent.append(command)
        send(link, *command)

    def noting_many(link: Link, commands: Any) -> Any:
        sent.extend(commands)
        return many(link, commands)

    monkeypatch.setattr(Link, "send", noting)
    monkeypatch.setattr(Link, "ask_many", noting_many)
    yield sent
    monkeypatch.undo()


def test_a_busy_worker_asks_no_more_for_each_message(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two commands for each message, and one look in a second, whatever is parked."""
    parked(bench, "late")
    bench.send(*map(str, range(100)))
    intake, store = bench.intake(prefetch=1), bench.store()
    with counted(monkeypatch) as sent:
        for _ in range(100):
            [one] = intake.receive()
            intake.commit([Completion((), None, ack(one.tag))], store)

    looks = [command for command in sent if DUE.sha in command]
    assert len(looks) == 1
    assert len(sent) - len(looks) == 200


def test_an_idle_worker_looks_once_in_a_second(bench: Bench) -> None:
    """It says so, and asks for no more than that."""
    intake = bench.intake()
    intake.receive()
    first = intake._due_dates.wait_s
    bench.clock.now_s += 0.4
    intake.receive()
    second = intake._due_dates.wait_s

    assert (first, round(second, 6)) == (LOOK_S, 0.6)


def test_a_worker_looks_at_the_moment_that_it_knows_of(bench: Bench) -> None:
    """Its own, or the next that the server told it of."""
    bench.send("1", "2")
    intake = bench.intake(prefetch=1)
    [one] = intake.receive()
    park(bench, intake, 0.25, one)
    own = intake._due_dates.wait_s
    other = bench.intake("q", node="w2")
    other.receive()

    assert own == pytest.approx(0.25)
    assert 0 < other._due_dates.wait_s <= 0.25
    assert intake.poll_s <= 0.25


def test_a_worker_without_room_need_not_look(bench: Bench) -> None:
    """Others do, and so will it when it has room."""
    bench.send("1")
    intake = bench.intake(prefetch=1)
    intake.receive()
    bench.clock.now_s += LOOK_S

    assert intake.poll_s == 0.1


# -- looking and throwing away -------------------------------------------------------------------


def test_what_is_made_due_comes_at_the_next_look(bench: Bench) -> None:
    """Of a task that is parked twice, too, and each is counted once."""
    parked(bench, "1", "2", "1")
    broker = bench.broker()
    counts = [broker.unpark(["1", "2", "3"]), broker.unpark(["1", "2", "3"])]
    came = bench.intake().receive()

    assert counts == [3, 0]
    assert [one.message.headers["id"] for one in came] == ["1", "2", "1"]


def test_an_emptied_queue_leaves_nothing(bench: Bench) -> None:
    """However much was parked."""
    parked(bench, *map(str, range(1000)))
    parked(bench, *map(str, range(500)))
    bench.send("now")

    assert bench.broker().purge("q") == 1501
    assert keys(bench) == set()


def test_what_is_made_due_of_one_task_leaves_the_others(bench: Bench) -> None:
    """One that comes back by itself is out of the book as well."""
    parked(bench, "1")
    make_due(bench)
    bench.intake().receive()
    parked(bench, "2", "3")
    broker = bench.broker()

    assert broker.unpark(["1"]) == 0
    assert broker.unpark(["2"]) == 1
    bench.intake().receive()
    assert [one.message.headers["id"] for one in broker.parked(["q"], 9)] == ["3"]


def test_what_has_no_task_is_parked_as_well(bench: Bench) -> None:
    """It is merely in nobody's book."""
    bench.broker().publish([Outgoing(Message({}, b"x", "a/b", "utf-8"), "", "q")])
    intake = bench.intake()
    park(bench, intake, DAY_S, *intake.receive())
    make_due(bench)

    assert bench.client.keys("taskq.parked-tasks") == []
    assert [one.message.body for one in intake.receive()] == [b"x"]


def test_nothing_is_asked_for_is_nothing(bench: Bench) -> None:
    """No limit, no queue, no task."""
    parked(bench, "1")
    broker = bench.broker()

    assert broker.parked(["q"], 0) == broker.parked([], 5) == []
    assert broker.unpark([]) == broker.unpark(["\ud800"]) == 0


def test_a_damaged_record_is_not_shown(bench: Bench) -> None:
    """It is found when it is due."""
    parked(bench, "1", "2")
    first, second = bench.client.zrange("taskq.parked.q", 0, -1)
    bench.client.hset("taskq.parked-messages.q", first, b"1:")
    bench.client.hdel("taskq.parked-messages.q", second)

    assert bench.broker().parked(["q"], 5) == []


# -- what has no lease ---------------------------------------------------------------------------


def from_a_channel(bench: Bench, one: str = "1") -> tuple[Any, Any]:
    exchange = ExchangeSpec("all", "fanout")
    broker = bench.broker()
    intake = broker.consume([QueueSpec("mine", exchange, "")], "w1")
    broker.publish([Outgoing(Message({"id": one}, b"", "a/b", "utf-8"), "all", "", "fanout")])
    [delivery] = intake.receive()
    return intake, delivery


def test_what_a_channel_gave_waits_in_the_worker(bench: Bench) -> None:
    """Everybody has a copy, so it can wait nowhere else."""
    intake, delivery = from_a_channel(bench)
    park(bench, intake, 5.0, delivery)
    early, wait_s = intake.receive(), intake.poll_s
    bench.clock.now_s += 5.0
    [again] = intake.receive()

    assert early == []
    assert 0 < wait_s <= 5.0
    assert isinstance(again, Delivery)
    assert (again.queue, again.message.headers["id"]) == ("mine", "1")
    intake.settle([ack(again.tag)])
    assert intake.receive() == []


def test_what_a_channel_gave_can_be_put_back_and_given_up(bench: Bench) -> None:
    """Requeued, it comes again; rejected, it is a dead letter that no list waits for."""
    intake, delivery = from_a_channel(bench)
    intake.settle([Settlement(delivery.tag, Verdict.REQUEUE)])
    [again] = intake.receive()
    intake.settle([Settlement(again.tag, Verdict.REJECT, "no")])
    broker = bench.broker()

    [letter] = broker.dead_letters(5)
    assert (letter.reason, letter.queue) == ("no", "mine")
    assert letter.message is not None
    assert broker.replay_dead_letters(None) == 0
    assert intake.receive() == []


def test_the_end_of_what_a_channel_gave_is_stored(bench: Bench) -> None:
    """Its result and what follows go out, here or elsewhere."""
    intake, delivery = from_a_channel(bench)
    intake.settle([Settlement(delivery.tag, Verdict.CLAIM)])
    intake.commit([Completion((bench.outgoing("next"),), None, ack(delivery.tag))], bench.store())

    assert bench.broker().length("q") == 1
