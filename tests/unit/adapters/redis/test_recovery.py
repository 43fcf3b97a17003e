"""Workers that are lost, and what becomes of what they had."""

from __future__ import annotations

import pytest

from taskq.errors import BrokerLostError
from taskq.ports import Completion, Settlement, Verdict
from tests.unit.adapters.redis.conftest import Bench, Interrupted, ack, done, ids


def test_what_a_lost_worker_had_comes_again_in_order_and_first(bench: Bench) -> None:
    """Unclaimed messages go back to the front of their list, marked and counted."""
    bench.send("1", "2", "3")
    bench.intake(prefetch=2).receive()
    bench.pass_deadline("w1")
    other = bench.intake(node="w2")
    other.renew()

    got = other.receive()
    assert ids(got) == ["1", "2", "3"]
    assert [one.attempts for one in got] == [1, 1, 0]


def claimed_by_a_lost_worker(bench: Bench, *names: str, node: str = "w1") -> None:
    """Send, take and claim; then the worker is not heard of again."""
    bench.send(*names)
    worker = bench.intake(node=node)
    worker.settle([Settlement(one.tag, Verdict.CLAIM) for one in worker.receive()])
    bench.pass_deadline(node)


def test_what_a_lost_worker_had_claimed_waits_for_its_end(bench: Bench) -> None:
    """It may have run, so it does not come again; whoever found it has it, and tells its end."""
    claimed_by_a_lost_worker(bench, "1")
    other, store = bench.intake(node="w2"), bench.store()
    other.renew()
    [found] = other.lost_claims()
    nothing = other.receive()
    before = bench.broker().dead_letter_count()
    verdict = Settlement(found.tag, Verdict.REJECT, found.reason)
    other.commit([Completion((), done(state="FAILURE"), verdict)], store)

    assert (found.message.headers["id"], found.queue, found.node) == ("1", "q", "w1")
    assert (nothing, before) == ([], 0)
    [letter] = bench.broker().dead_letters(10)
    assert (letter.reason, letter.node) == ("worker lost after the body may have started", "w1")
    assert store.load(["t"])[0] is not None
    other.close()
    assert other.lost_claims() == []
    assert bench.client.keys("taskq.lease.*") == bench.client.keys("taskq.claimed.*") == []


def test_what_was_found_is_found_again_when_its_finder_is_lost(bench: Bench) -> None:
    """Until its end is told; and it is known whose it was."""
    claimed_by_a_lost_worker(bench, "1", "2")
    bench.intake(node="w2").renew()
    bench.pass_deadline("w2")
    third = bench.intake(node="w3")
    third.renew()

    found = third.lost_claims()
    assert sorted(one.message.headers["id"] for one in found) == ["1", "2"]
    assert {one.node for one in found} == {"w1"}
    assert third.receive() == []


def test_what_was_found_is_not_given_back_by_who_closes(bench: Bench) -> None:
    """The next worker finds it at once."""
    claimed_by_a_lost_worker(bench, "1")
    finder = bench.intake(node="w2")
    finder.renew()
    finder.close()
    third = bench.intake(node="w3")
    third.renew()

    assert [one.node for one in third.lost_claims()] == ["w1"]
    assert third.receive() == []


def test_finding_whose_reply_was_cut_off_is_told_after_all(bench: Bench) -> None:
    """The server has it under a tag that nobody here knows: found by reconnect, as what it is."""
    claimed_by_a_lost_worker(bench, "1")
    finder = bench.intake(node="w2")
    with Interrupted(finder, after="ADOPT"), pytest.raises(BrokerLostError):
        finder.renew()
    finder.reconnect()

    assert [(one.node, one.message.headers["id"]) for one in finder.lost_claims()] == [("w1", "1")]
    assert finder.receive() == []


def test_the_broker_counts_attempts_and_lets_others_judge(bench: Bench) -> None:
    """However often its workers are lost, a message comes again and says how often."""
    bench.send("1")
    for number in range(5):
        bench.intake(node=f"w{number}").receive()
        bench.pass_deadline(f"w{number}")
        finder = bench.intake(node="finder")
        finder.renew()
        finder.close()

    [again] = bench.intake().receive()
    assert again.attempts == 5


def test_a_damaged_record_costs_one_dead_letter(bench: Bench) -> None:
    """What cannot be read in the table of a lost worker is kept where it can be looked at."""
    bench.send("1", "2", "3")
    worker = bench.intake()
    worker.settle([Settlement(worker.receive()[0].tag, Verdict.CLAIM)])
    [lease] = bench.client.keys("taskq.lease.*")
    damaged = {"2": b"\xffwhat", "77": b"5:ab", "odd": b"", "9" * 30: b"1:"}
    bench.client.hset(lease, mapping=damaged)
    bench.client.hset(lease, "1", b"1:q{}")
    bench.pass_deadline("w1")
    finder = bench.intake(node="w2")
    finder.renew()

    letters = bench.broker().dead_letters(10)
    assert sorted(letter.raw for letter in letters) == sorted([*damaged.values(), b"{}"])
    assert all(letter.reason for letter in letters)
    assert ids(finder.receive()) == ["3"]
    assert finder.lost_claims() == []
    assert bench.client.keys("taskq.lease.w1*") == []


def test_a_list_that_is_no_list_keeps_the_message_and_the_worker(bench: Bench) -> None:
    """What cannot be given back stays in its lease, and is tried again later."""
    bench.send("1")
    bench.intake().receive()
    bench.client.set("q", "something else")
    bench.pass_deadline("w1")
    finder = bench.intake("other", node="w2")
    finder.renew()
    bench.client.delete("q")
    bench.pass_deadline("w1")
    bench.intake("other", node="w3").renew()

    assert ids(bench.intake(node="w4").receive()) == ["1"]


def test_a_token_that_nobody_here_wrote_is_taken_over_too(bench: Bench) -> None:
    """A name without a point in it ends no worker."""
    bench.client.zadd("taskq.workers", {"strange": 1})
    bench.client.hset("taskq.lease.strange", "1", b"1:q" + b"raw")
    finder = bench.intake()
    finder.renew()

    assert [one.raw for one in finder.receive()] == [b"raw"]


def test_a_token_that_is_no_text_ends_no_worker(bench: Bench) -> None:
    """What stands under it stays there, for somebody who knows what it is."""
    bench.client.zadd("taskq.workers", {b"\xff.1": 1})
    bench.client.hset(b"taskq.lease.\xff.1", "1", b"1:q" + b"raw")
    finder = bench.intake()
    finder.renew()

    assert finder.receive() == []
    assert len(bench.client.keys("taskq.lease.*")) == 1


def test_two_who_recover_get_each_message_once(bench: Bench) -> None:
    """Taking over is one step: the second finds nothing."""
    bench.send(*"123456")
    bench.intake().receive()
    bench.pass_deadline("w1")
    first, second = bench.intake(node="w2"), bench.intake(node="w3")
    first.renew()
    second.renew()

    assert sorted(ids(first.receive()) + ids(second.receive())) == list("123456")


def test_who_recovers_may_be_lost_as_well(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An heir that was never dealt with is taken over in its turn; its worker keeps its name."""
    claimed_by_a_lost_worker(bench, "1")
    heir = bench.intake(node="w2")
    monkeypatch.setattr(heir._recovery, "tend", lambda _link: False)
    heir.renew()
    bench.pass_deadline("w1")
    third = bench.intake(node="w3")
    third.renew()

    assert [dead.node for dead in third.lost_claims()] == ["w1"]


def test_a_live_worker_that_renews_is_left_alone(bench: Bench) -> None:
    """While the lease is renewed nobody else gets the message, however long it takes."""
    bench.send("1")
    worker = bench.intake(lease_s=60)
    worker.receive()
    due_s = worker.renew()
    other = bench.intake(node="w2")
    other.renew()

    assert due_s == 20.0
    assert other.receive() == []
    assert worker.lost_tags() == []


def test_a_worker_that_slept_too_long_learns_it_when_it_renews(bench: Bench) -> None:
    """It gets a new token, and takes and settles under that."""
    bench.send("1")
    slow = bench.intake()
    [one] = slow.receive()
    bench.pass_deadline("w1")
    other = bench.intake(node="w2")
    other.renew()
    other.settle([ack(two.tag) for two in other.receive()])
    slow.renew()
    bench.send("2")
    [two] = slow.receive()
    slow.settle([ack(two.tag)])

    assert slow.lost_tags() == [one.tag]
    assert ids([two]) == ["2"]
    assert bench.client.keys("taskq.lease.*") == []


def test_a_lost_tag_settles_nothing_of_others(bench: Bench) -> None:
    """Ack, claim, requeue and reject of a tag that was taken over do nothing."""
    bench.send("1")
    slow = bench.intake()
    [one] = slow.receive()
    bench.pass_deadline("w1")
    other = bench.intake(node="w2")
    other.renew()
    [again] = other.receive()
    for verdict in Verdict:
        slow.settle([Settlement(one.tag, verdict, due_s=0.0)])
    other.settle([Settlement(again.tag, Verdict.REQUEUE)])

    assert bench.client.llen("q") == 1
    assert bench.broker().dead_letter_count() == 0
    assert bench.broker().parked(["q"], 10) == []


def test_messages_of_a_worker_outlive_a_server_without_memory(bench: Bench) -> None:
    """Where the server forgot everything, what the worker holds is written back as its own."""
    bench.send("1", "2")
    intake, store = bench.intake(), bench.store()
    one, two = intake.receive()
    intake.settle([Settlement(two.tag, Verdict.CLAIM)])
    bench.client.flushall()
    intake.commit([Completion((), done(), ack(one.tag))], store)
    claimed = [key for key in bench.client.keys("taskq.claimed.*") if bench.client.scard(key) == 1]
    intake.commit([Completion((), done("u"), ack(two.tag))], store)

    assert intake.lost_tags() == []
    assert len(claimed) == 1
    assert store.load(["t", "u"])[0] is not None
    assert store.load(["t", "u"])[1] is not None
