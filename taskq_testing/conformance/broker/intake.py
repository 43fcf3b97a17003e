# ruff: noqa: PLR2004 - the suite is tests: counts of what was done a line above
"""What every Broker must do for a worker that takes from it."""

from __future__ import annotations

from taskq.ports import Settlement, Verdict
from taskq_testing.conformance.broker.rig import Bench, OnBench, bodies


class IntakeSuite(OnBench):
    """Prefetch, verdicts, and workers that come and go."""

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
