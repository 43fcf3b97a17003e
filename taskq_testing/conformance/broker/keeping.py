# ruff: noqa: PLR2004 - the suite is tests: counts of what was done a line above
"""What every Broker must tell of its queues, and how long it can be used."""

from __future__ import annotations

from taskq_testing.conformance.broker.rig import Bench, OnBench, bodies, in_threads


class KeepingSuite(OnBench):
    """Counting, emptying, declaring; closing and going on; many threads."""

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
