"""What a commit takes along, when replies, leases or data are lost on the way."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.adapters.broker.errors import BrokerError
from taskq.errors import BrokerLostError
from taskq.ports import Completion, Settlement, Verdict
from tests.unit.adapters.redis.conftest import Bench, Interrupted, ack, done, ids


def step(bench: Bench, tag: int, following: str) -> list[Completion]:
    """An ended task, whose follow-up would begin at once."""
    return [Completion((bench.outgoing(following),), done(), ack(tag), begins=(0,))]


def claimed(bench: Bench) -> set[bytes]:
    return {
        tag for key in bench.client.keys("taskq.claimed.*") for tag in bench.client.smembers(key)
    }


def test_what_came_along_in_a_reply_that_was_lost_comes_once_and_unclaimed(bench: Bench) -> None:
    """Nobody can have begun it; it is claimed when it is handed out."""
    bench.send("1")
    intake, store = bench.intake(), bench.store()
    [one] = intake.receive()
    work = step(bench, one.tag, "2")
    with Interrupted(intake), pytest.raises(BrokerLostError):
        intake.commit_and_take(work, store)
    assert len(claimed(bench)) == 1

    intake.reconnect()
    assert claimed(bench) == set()
    intake.commit_and_take(work, store)
    [along] = intake.receive()
    assert (ids([along]), along.claimed) == (["2"], False)
    assert intake.receive() == []
    intake.settle([ack(along.tag)])
    intake.close()
    assert bench.client.llen("q") == 0
    assert bench.client.keys("taskq.*") == []


def test_who_was_taken_over_takes_nothing_along(bench: Bench) -> None:
    """Its step stands in the queue again by then, so nothing follows from it here."""
    bench.send("1")
    intake, other, store = bench.intake(), bench.intake(node="w2"), bench.store()
    [one] = intake.receive()
    bench.pass_deadline("w1")
    other.renew()
    intake.commit_and_take(step(bench, one.tag, "2"), store)

    assert list(intake.lost_tags()) == [one.tag]
    assert ids(other.receive()) == ["1"]
    assert intake.receive() == []
    assert bench.client.llen("q") == 0


def test_what_came_along_and_was_taken_over_is_not_received(bench: Bench) -> None:
    """It stood still for too long between the commit and the look at what had come."""
    bench.send("1")
    intake, other, store = bench.intake(), bench.intake(node="w2"), bench.store()
    [one] = intake.receive()
    intake.commit_and_take(step(bench, one.tag, "2"), store)
    bench.pass_deadline("w1")
    other.renew()
    intake.renew()

    assert intake.receive() == []
    [lost] = other.lost_claims()
    assert lost.message.headers["id"] == "2"


def test_a_server_that_lost_its_data_is_told_again(bench: Bench) -> None:
    """The follow-up is out then, and comes as any message does."""
    bench.send("1")
    intake, store = bench.intake(), bench.store()
    [one] = intake.receive()
    bench.client.flushall()
    intake.commit_and_take(step(bench, one.tag, "2"), store)

    [two] = intake.receive()
    assert (ids([two]), two.claimed) == (["2"], False)


def test_a_commit_that_fails_keeps_what_came_along(bench: Bench) -> None:
    """The error says what is wrong; what was taken is not forgotten."""
    bench.send("1", "2")
    intake, store = bench.intake(prefetch=1), bench.store()
    [one] = intake.receive()
    bench.client.set("broken", "no list")
    work = [Completion((bench.outgoing("3", "broken"),), done(), ack(one.tag))]
    with pytest.raises(BrokerError):
        intake.commit_and_take(work, store)
    again = ids(intake.receive())

    bench.client.delete("broken")
    intake.commit_and_take(work, store)
    assert again + ids(intake.receive()) == ["2"]
    assert bench.client.llen("broken") == 1


def test_many_commits_at_once_take_along_with_the_last(bench: Bench) -> None:
    """More operations than one call carries out are several calls."""
    bench.send(*map(str, range(150)))
    intake, store = bench.intake(), bench.store()
    taken: list[Any] = intake.receive()
    work = [completion for one in taken for completion in step(bench, one.tag, f"after {one.tag}")]
    intake.commit_and_take(work, store)
    along = intake.receive()

    assert len(along) == 150
    # Those of the first call were published before anything was taken.
    assert sum(one.claimed for one in along) <= 50
    intake.settle([ack(one.tag) for one in along])
    assert (bench.client.llen("q"), claimed(bench)) == (0, set())


def test_what_came_along_claimed_can_be_given_back(bench: Bench) -> None:
    """A worker that is about to stop begins nothing."""
    bench.send("1")
    intake, store = bench.intake(), bench.store()
    [one] = intake.receive()
    intake.commit_and_take(step(bench, one.tag, "2"), store)
    [along] = intake.receive()
    intake.settle([Settlement(along.tag, Verdict.REQUEUE)])

    assert claimed(bench) == set()
    assert ids(bench.intake(node="w2").receive()) == ["2"]
