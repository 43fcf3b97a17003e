"""What an Intake must do that can take in the step that commits."""

from __future__ import annotations

from collections.abc import Sequence

from taskq.ports import Completion, Delivery, Intake, QueueSpec, Settlement, TakesAlong, Verdict
from taskq_testing.conformance.broker.recovery import LeaseBench, OnLeaseBench
from taskq_testing.conformance.broker.rig import Bench, Ledger, as_store, bodies


def follow(
    bench: Bench, intake: Intake, queue: QueueSpec, *bodies: str, begins: Sequence[int] = (0,)
) -> None:
    """Take one message, and commit it with follow-ups; one is taken along."""
    [done] = bench.take(intake)
    commit(bench, intake, queue, done, *bodies, begins=begins)


def commit(
    bench: Bench,
    intake: Intake,
    queue: QueueSpec,
    done: Delivery,
    *bodies: str,
    begins: Sequence[int] = (0,),
) -> None:
    """Commit a delivery with follow-ups to a queue."""
    assert isinstance(intake, TakesAlong)
    follow_ups = tuple(bench.outgoing(queue, body) for body in bodies)
    settlement = Settlement(done.tag, Verdict.ACK)
    one = Completion(follow_ups, settlement=settlement, begins=tuple(begins))
    assert list(intake.commit_and_take([one], as_store(Ledger()))) == []


class TakingAlongSuite(OnLeaseBench):
    """Inherit where an intake is a ``TakesAlong``, with a ``LeaseRig``."""

    def test_what_follows_comes_along_claimed(self, bench: LeaseBench) -> None:
        """It leaves room for others, and an ack is all that is left to say."""
        queue = bench.queue()
        bench.send(queue, "first")
        intake = bench.intake(queue, prefetch=1)
        follow(bench, intake, queue, "next")
        [along] = bench.take(intake)
        assert (bodies([along]), along.claimed) == (["next"], True)

        bench.send(queue, "other")
        [other] = bench.take(intake)
        assert (bodies([other]), other.claimed) == (["other"], False)
        bench.settle(intake, Verdict.ACK, along, other)
        intake.close()
        assert bench.length(queue, 0) == 0

    def test_what_does_not_begin_at_once_comes_along_unclaimed(self, bench: LeaseBench) -> None:
        """Whoever is lost with it loses nothing."""
        queue = bench.queue()
        bench.send(queue, "first")
        intake = bench.intake(queue)
        follow(bench, intake, queue, "next", begins=())
        [along] = bench.take(intake)
        assert not along.claimed

        bench.lose(intake)
        assert bodies(bench.find(bench.intake(queue, node="w2@here"), 1).again) == ["next"]

    def test_what_comes_along_behind_others_is_not_claimed(self, bench: LeaseBench) -> None:
        """The order of the queue stands, and a slot is free for the first only."""
        queue = bench.queue()
        bench.send(queue, "first")
        intake = bench.intake(queue, prefetch=4)
        [done] = bench.take(intake)
        bench.send(queue, "other")
        commit(bench, intake, queue, done, "next")
        along = bench.take(intake, 2)

        assert bodies(along) == ["other", "next"]
        assert [one.claimed for one in along] == [False, False]

    def test_as_many_are_claimed_as_begin(self, bench: LeaseBench) -> None:
        """The others come along as they always do."""
        queue = bench.queue()
        bench.send(queue, "first")
        intake = bench.intake(queue)
        follow(bench, intake, queue, "a", "b", "c", begins=(0, 1))

        assert [one.claimed for one in bench.take(intake, 3)] == [True, True, False]

    def test_no_more_comes_along_than_there_is_room_for(self, bench: LeaseBench) -> None:
        """What is committed makes room itself."""
        queue = bench.queue()
        bench.send(queue, "first", "open")
        intake = bench.intake(queue, prefetch=2)
        done, still_open = bench.take(intake, 2)
        commit(bench, intake, queue, done, "a", "b", begins=())
        assert bodies(bench.take(intake)) == ["a"]
        assert bench.rest(intake) == []

        bench.settle(intake, Verdict.ACK, still_open)
        assert bodies(bench.take(intake)) == ["b"]

    def test_what_goes_to_other_queues_stays_there(self, bench: LeaseBench) -> None:
        """Only what this worker takes from anyway comes along."""
        queue, following = bench.queue(), bench.queue("next")
        bench.send(queue, "first")
        intake = bench.intake(queue)
        follow(bench, intake, following, "next")

        assert bench.rest(intake) == []
        assert bench.length(following, 1) == 1

    def test_what_came_along_and_was_not_read_goes_back(self, bench: LeaseBench) -> None:
        """It was claimed, but nobody can have begun it."""
        queue = bench.queue()
        bench.send(queue, "first")
        intake = bench.intake(queue)
        follow(bench, intake, queue, "next")
        intake.close()

        other = bench.intake(queue, node="w2@here")
        found = bench.find(other, 1)
        assert (bodies(found.again), found.claimed) == (["next"], [])

    def test_what_came_along_survives_a_reconnect(self, bench: LeaseBench) -> None:
        """It is this worker's, and comes once."""
        queue = bench.queue()
        bench.send(queue, "first")
        intake = bench.intake(queue)
        follow(bench, intake, queue, "next")
        intake.reconnect()

        assert bodies(bench.take(intake)) == ["next"]
        assert bench.rest(intake) == []

    def test_the_end_of_what_was_claimed_along_the_way_is_told(self, bench: LeaseBench) -> None:
        """A worker that is lost may have begun it: it is found, and not given out again."""
        queue = bench.queue()
        bench.send(queue, "first")
        intake = bench.intake(queue)
        follow(bench, intake, queue, "next")
        bench.lose(intake)
        found = bench.find(bench.intake(queue, node="w2@here"), 1)

        assert (found.claimed, bodies(found.again)) == (["next"], [])

    def test_commits_in_a_row_keep_what_came_along(self, bench: LeaseBench) -> None:
        """Before anything of it is read: all of it comes, in its order."""
        queue = bench.queue()
        bench.send(queue, "first", "second")
        intake = bench.intake(queue)
        first, second = bench.take(intake, 2)
        commit(bench, intake, queue, first, "a")
        commit(bench, intake, queue, second, "b")

        along = bench.take(intake, 2)
        assert bodies(along) == ["a", "b"]
        assert [one.claimed for one in along] == [True, True]
