# ruff: noqa: PLR2004 - the suite is tests: counts of what was done a line above
"""What a Broker that keeps dead letters must do: show them, send them again, throw them away.

The dead letters of a server are all in one place, so each test begins by emptying it.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskq.ports import (
    Completion,
    DeadLetter,
    Delivery,
    KeepsDeadLetters,
    Outgoing,
    QueueSpec,
    Settlement,
    Verdict,
)
from taskq_testing.conformance.broker.rig import Bench, Ledger, OnBench, as_store, bodies

# How far the clocks of test and server may be apart, both on one machine.
NEARLY_S = 5.0


def emptied(bench: Bench) -> KeepsDeadLetters:
    """Return the broker, without letters of other tests."""
    broker = bench.broker
    assert isinstance(broker, KeepsDeadLetters)
    broker.purge_dead_letters(None)
    return broker


def reject(bench: Bench, queue: QueueSpec, *texts: str, reason: str = "no good") -> list[Delivery]:
    """Send messages, and have a worker give them up, one after the other."""
    bench.send(queue, *texts)
    intake = bench.intake(queue, node="digger@here")
    taken = bench.take(intake, len(texts))
    for delivery in taken:
        intake.settle([Settlement(delivery.tag, Verdict.REJECT, reason)])
    intake.close()
    return taken


def texts_of(letters: Sequence[DeadLetter]) -> list[str]:
    """What was written in the messages."""
    return [letter.message.body.decode() for letter in letters if letter.message is not None]


class DeadLettersSuite(OnBench):
    """Inherit beside ``BrokerSuite``, where the broker is a ``KeepsDeadLetters``."""

    def test_what_is_rejected_can_be_looked_at(self, bench: Bench) -> None:
        """As the message that it was, with all that is known of its end."""
        broker, queue = emptied(bench), bench.queue()
        [delivery] = reject(bench, queue, "a", reason="it is ill: ü")
        [letter] = broker.dead_letters(10)

        assert letter.message == delivery.message
        assert (letter.queue, letter.exchange, letter.routing_key) == (
            queue.name,
            delivery.exchange,
            delivery.routing_key,
        )
        assert (letter.reason, letter.node) == ("it is ill: ü", "digger@here")
        assert abs(letter.at_s - bench.clock.read().wall_s) < NEARLY_S
        assert letter.letter_id
        assert bench.length(queue, 0) == 0

    def test_the_newest_comes_first(self, bench: Bench) -> None:
        """A part of them can be asked for."""
        broker, queue = emptied(bench), bench.queue()
        died = bodies(reject(bench, queue, *"abcde"))
        newest = died[::-1]

        assert texts_of(broker.dead_letters(10)) == newest
        assert texts_of(broker.dead_letters(2)) == newest[:2]
        assert texts_of(broker.dead_letters(2, 3)) == newest[3:]
        assert list(broker.dead_letters(2, 5)) == []
        assert list(broker.dead_letters(0)) == []

    def test_looking_changes_nothing(self, bench: Bench) -> None:
        """Every look shows the same, in the same order, under the same names."""
        broker, queue = emptied(bench), bench.queue()
        reject(bench, queue, *"abc")
        first = broker.dead_letters(10)
        other = bench.rig.broker()
        assert isinstance(other, KeepsDeadLetters)

        assert broker.dead_letters(10) == first
        assert other.dead_letters(10) == first
        assert broker.dead_letter_count() == other.dead_letter_count() == 3
        assert len({letter.letter_id for letter in first}) == 3

    def test_there_may_be_none(self, bench: Bench) -> None:
        """That is no error."""
        broker = emptied(bench)

        assert list(broker.dead_letters(10)) == []
        assert broker.dead_letter_count() == 0
        assert broker.dead_letter("nobody") is None
        assert broker.replay_dead_letters(None) == 0
        assert broker.replay_dead_letters(["nobody"]) == 0
        assert broker.purge_dead_letters(None) == 0
        assert broker.purge_dead_letters(["nobody"]) == 0

    def test_one_can_be_found_by_its_id(self, bench: Bench) -> None:
        """Or it is not there."""
        broker, queue = emptied(bench), bench.queue()
        reject(bench, queue, *"abc")
        wanted = broker.dead_letters(10)[1]

        assert broker.dead_letter(wanted.letter_id) == wanted
        assert broker.dead_letter("nobody") is None

    def test_letters_of_all_queues_are_in_one_place(self, bench: Bench) -> None:
        """Each knows where it came from."""
        broker, one, two = emptied(bench), bench.queue("one"), bench.queue("two")
        reject(bench, one, "1")
        reject(bench, two, "2")

        assert [letter.queue for letter in broker.dead_letters(10)] == [two.name, one.name]

    def test_a_replayed_message_is_in_its_queue_again(self, bench: Bench) -> None:
        """As it was; its attempts begin anew, and it is no dead letter any more."""
        broker, queue = emptied(bench), bench.queue()
        oldest, before, newest = reject(bench, queue, *"abc")
        wanted = broker.dead_letters(10)[1]
        assert broker.replay_dead_letters([wanted.letter_id]) == 1
        intake = bench.intake(queue)
        [again] = bench.take(intake)

        assert again.message == before.message
        assert not again.attempts
        assert texts_of(broker.dead_letters(10)) == bodies([newest, oldest])
        assert bench.rest(intake) == []

    def test_all_can_be_replayed(self, bench: Bench) -> None:
        """Each into the queue that it came from, the oldest first."""
        broker, one, two = emptied(bench), bench.queue("one"), bench.queue("two")
        reject(bench, one, *"ab")
        reject(bench, two, "c")

        assert broker.replay_dead_letters(None) == 3
        assert broker.dead_letter_count() == 0
        got = bodies(bench.take(bench.intake(one), 2))
        assert sorted(got) == ["a", "b"]
        if bench.traits.fifo:
            assert got == ["a", "b"]
        assert bodies(bench.take(bench.intake(two), 1)) == ["c"]

    def test_a_letter_is_replayed_once(self, bench: Bench) -> None:
        """Named twice, or asked for again, it is not there any more."""
        broker, queue = emptied(bench), bench.queue()
        reject(bench, queue, "a")
        letter_id = broker.dead_letters(1)[0].letter_id

        assert broker.replay_dead_letters([letter_id, letter_id]) == 1
        assert broker.replay_dead_letters([letter_id]) == 0
        assert bench.length(queue, 1) == 1

    def test_a_replayed_message_can_die_again(self, bench: Bench) -> None:
        """With the reason of its second end."""
        broker, queue = emptied(bench), bench.queue()
        [delivery] = reject(bench, queue, "a")
        broker.replay_dead_letters(None)
        intake = bench.intake(queue)
        [again] = bench.take(intake)
        intake.settle([Settlement(again.tag, Verdict.REJECT, "still no good")])
        intake.close()
        [letter] = broker.dead_letters(10)

        assert letter.reason == "still no good"
        assert letter.message == delivery.message

    def test_some_can_be_thrown_away(self, bench: Bench) -> None:
        """The others stay where they are."""
        broker, queue = emptied(bench), bench.queue()
        died = bodies(reject(bench, queue, *"abcd"))
        named = {letter.letter_id for letter in broker.dead_letters(10)[1:3]}

        assert broker.purge_dead_letters([*named, "nobody"]) == 2
        assert texts_of(broker.dead_letters(10)) == [died[3], died[0]]

    def test_all_can_be_thrown_away(self, bench: Bench) -> None:
        """And it is said how many that were."""
        broker, queue = emptied(bench), bench.queue()
        reject(bench, queue, *"abcd")

        assert broker.purge_dead_letters(None) == 4
        assert broker.dead_letter_count() == 0

    def test_a_commit_rejects_as_well(self, bench: Bench) -> None:
        """Together with what follows from it."""
        broker, queue, following = emptied(bench), bench.queue(), bench.queue("next")
        bench.send(queue, "a")
        intake = bench.intake(queue)
        [delivery] = bench.take(intake)
        after: Outgoing = bench.outgoing(following, "after")
        settlement = Settlement(delivery.tag, Verdict.REJECT, "committed")
        intake.commit([Completion((after,), None, settlement)], as_store(Ledger()))
        intake.close()

        assert [letter.reason for letter in broker.dead_letters(10)] == ["committed"]
        assert bench.length(following, 1) == 1

    def test_many_die(self, bench: Bench) -> None:
        """More than travel at once, and all come back."""
        broker, queue = emptied(bench), bench.queue()
        count = 350
        sent = [str(number) for number in range(count)]
        bench.send(queue, *sent)
        intake = bench.intake(queue)
        intake.settle(
            [Settlement(one.tag, Verdict.REJECT, "all") for one in bench.take(intake, count)]
        )
        intake.close()

        assert broker.dead_letter_count() == count
        assert broker.replay_dead_letters(None) == count
        got = bodies(bench.take(bench.intake(queue), count))
        assert sorted(got, key=int) == sent


class ClaimedSuite(OnBench):
    """Inherit where dead letters are kept: what a worker may say of a message that it claimed."""

    def test_a_claimed_message_that_never_began_can_be_given_back(self, bench: Bench) -> None:
        """To whoever takes it then, once."""
        queue = bench.queue()
        bench.send(queue, "a")
        intake = bench.intake(queue)
        [delivery] = bench.take(intake)
        bench.settle(intake, Verdict.CLAIM, delivery)
        bench.settle(intake, Verdict.REQUEUE, delivery)
        intake.close()
        other = bench.intake(queue, node="w2@here")
        [again] = bench.take(other)

        assert again.message == delivery.message
        assert bench.rest(other) == []

    def test_a_claimed_message_that_was_cut_off_can_be_a_dead_letter(self, bench: Bench) -> None:
        """It may have run, so it is given to nobody again."""
        broker, queue = emptied(bench), bench.queue()
        bench.send(queue, "a")
        intake = bench.intake(queue)
        [delivery] = bench.take(intake)
        bench.settle(intake, Verdict.CLAIM, delivery)
        intake.settle([Settlement(delivery.tag, Verdict.REJECT, "cut off")])
        intake.close()

        [letter] = broker.dead_letters(10)
        assert (letter.reason, letter.message) == ("cut off", delivery.message)
        assert bench.rest(bench.intake(queue, node="w2@here")) == []
