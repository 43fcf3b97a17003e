"""Messages that were given up: kept, shown, sent again, thrown away."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.ports import DeadLetter, KeepsDeadLetters, Settlement, Verdict
from tests.unit.adapters.redis.conftest import Bench, ack, ids


def reject(bench: Bench, *names: str, reason: str = "bad", **options: Any) -> None:
    """Send some messages and give them up, one after the other."""
    bench.send(*names)
    intake = bench.intake(**options)
    intake.settle([Settlement(one.tag, Verdict.REJECT, reason) for one in intake.receive()])
    intake.close()


def names(letters: Any) -> list[str]:
    return [letter.message.headers["id"] for letter in letters]


def test_the_newest_is_shown_first(bench: Bench) -> None:
    """A page at a time; the count says how many there are."""
    reject(bench, *map(str, range(5)))
    broker = bench.broker()
    assert isinstance(broker, KeepsDeadLetters)

    assert broker.dead_letter_count() == 5
    assert names(broker.dead_letters(2)) == ["4", "3"]
    assert names(broker.dead_letters(10, 3)) == ["1", "0"]
    assert broker.dead_letters(0) == broker.dead_letters(5, 5) == []


def test_a_letter_has_a_name_that_stays(bench: Bench) -> None:
    """By which it is found, until it is gone."""
    reject(bench, "1", "2")
    broker = bench.broker()
    second, first = broker.dead_letters(5)
    reject(bench, "3")

    assert broker.dead_letter(first.letter_id) == first
    assert broker.dead_letter(second.letter_id) == second
    assert broker.dead_letter("0") is None
    assert broker.purge_dead_letters([first.letter_id]) == 1
    assert broker.dead_letter(first.letter_id) is None
    assert names(broker.dead_letters(5)) == ["3", "2"]


def test_when_it_died_is_said_by_the_server(bench: Bench) -> None:
    """In seconds, to the microsecond, and no two at once."""
    reject(bench, *map(str, range(20)))
    moments = [letter.at_s for letter in bench.broker().dead_letters(50)]
    seconds, _ = bench.client.time()

    assert all(abs(at_s - seconds) < 60 for at_s in moments)
    assert moments == sorted(set(moments), reverse=True)


def test_there_are_never_more_than_so_many(bench: Bench) -> None:
    """Of more, the oldest go first; a limit that was lowered holds for those there are."""
    reject(bench, *map(str, range(9)), dead_letters_max=5)
    broker = bench.broker()
    five = names(broker.dead_letters(50))
    reject(bench, "last", dead_letters_max=2)

    assert five == ["8", "7", "6", "5", "4"]
    assert names(broker.dead_letters(50)) == ["last", "8"]
    assert bench.client.hlen("taskq.dead-letters") == 2


def test_a_replayed_letter_is_a_message_again(bench: Bench) -> None:
    """In its queue, behind what waits there, with no mark of what it went through."""
    bench.send("1", priority=6)
    for _ in range(2):
        intake = bench.intake()
        [one] = intake.receive()
        intake.settle([Settlement(one.tag, Verdict.REQUEUE, attempted=True)])
        intake.close()
    intake = bench.intake()
    [one] = intake.receive()
    intake.settle([Settlement(one.tag, Verdict.REJECT, "bad")])
    broker = bench.broker()
    [letter] = broker.dead_letters(5)
    count = broker.replay_dead_letters([letter.letter_id])

    assert (letter.attempts, count) == (2, 1)
    assert bench.client.llen("q\x06\x166") == 1
    [again] = intake.receive()
    assert (again.redelivered, again.attempts) == (False, 0)
    assert (again.message.headers, again.message.body) == ({"id": "1"}, one.message.body)
    assert broker.dead_letter_count() == 0


def test_all_are_replayed_in_the_order_in_which_they_died(bench: Bench) -> None:
    """The oldest first, in as many calls as it takes."""
    sent = [str(number) for number in range(50)]
    reject(bench, *sent)

    assert bench.broker().replay_dead_letters(None) == 50
    assert ids(bench.intake().receive()) == sent
    assert not bench.client.exists("taskq.dead", "taskq.dead-letters")


def test_a_letter_is_replayed_once(bench: Bench) -> None:
    """However often it is asked for."""
    reject(bench, "1")
    broker = bench.broker()
    [letter] = broker.dead_letters(5)

    assert broker.replay_dead_letters([letter.letter_id, letter.letter_id, "0"]) == 1
    assert broker.replay_dead_letters([letter.letter_id]) == 0
    assert broker.length("q") == 1


def test_what_is_no_message_cannot_be_replayed(bench: Bench) -> None:
    """It stays, and is not counted."""
    bench.client.lpush("q", b"\xff")
    reject(bench, "1")
    broker = bench.broker()

    assert broker.replay_dead_letters(None) == 1
    [left] = broker.dead_letters(5)
    assert left == DeadLetter(
        left.letter_id, None, "q", "", "", "bad", "w1", left.at_s, raw=b"\xff"
    )


def test_a_list_that_is_no_list_keeps_the_letter(bench: Bench) -> None:
    """What cannot be put back is not lost."""
    reject(bench, "1")
    bench.client.set("q", "something else")
    broker = bench.broker()

    assert broker.replay_dead_letters(None) == 0
    assert broker.dead_letter_count() == 1


def test_an_expiring_queue_keeps_its_time(bench: Bench) -> None:
    """A list that comes into being by a replay lives no longer than another."""
    reject(bench, "1")
    broker = bench.broker()
    broker.declare([bench.queue("q", expires_s=60.0)])
    broker.replay_dead_letters(None)

    assert 0 < bench.client.pttl("q") <= 60_000


def test_all_can_be_thrown_away(bench: Bench) -> None:
    """And leave nothing."""
    reject(bench, *map(str, range(50)))
    broker = bench.broker()

    assert broker.purge_dead_letters([]) == broker.replay_dead_letters([]) == 0
    assert broker.purge_dead_letters(None) == 50
    assert broker.purge_dead_letters(None) == 0
    assert not bench.client.exists("taskq.dead", "taskq.dead-letters")


@pytest.mark.parametrize("name", ["no number", "-1", "", "1" * 400, "\ud800"])
def test_a_name_that_is_none_names_nothing(bench: Bench, name: str) -> None:
    """Whatever somebody types."""
    reject(bench, "1")
    broker = bench.broker()

    assert broker.dead_letter(name) is None
    assert broker.purge_dead_letters([name]) == broker.replay_dead_letters([name]) == 0


def test_a_damaged_letter_is_shown_as_it_is(bench: Bench) -> None:
    """Somebody wrote into the table by hand."""
    reject(bench, "1")
    [name] = bench.client.zrange("taskq.dead", 0, -1)
    bench.client.hset("taskq.dead-letters", name, b"what?")
    broker = bench.broker()

    [letter] = broker.dead_letters(5)
    assert (letter.message, letter.raw, letter.reason) == (
        None,
        b"what?",
        "this record is damaged",
    )
    assert broker.replay_dead_letters(None) == 0


def test_rejecting_and_storing_the_end_are_one_step(bench: Bench) -> None:
    """No letter is written for a message that another worker has taken over."""
    bench.send("1")
    slow = bench.intake()
    [one] = slow.receive()
    bench.pass_deadline("w1")
    other = bench.intake(node="w2")
    other.renew()
    slow.settle([Settlement(one.tag, Verdict.REJECT, "bad")])
    other.settle([ack(again.tag) for again in other.receive()])

    assert bench.broker().dead_letter_count() == 0
