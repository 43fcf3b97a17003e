# ruff: noqa: PLR2004 - the suite is tests: counts of what was done a line above
"""What every Broker must do with the endings of tasks."""

from __future__ import annotations

import pytest

from taskq.errors import OperationalError
from taskq.ports import Completion, ResultRecord, Settlement, Verdict
from taskq_testing.conformance.broker.rig import Bench, Ledger, OnBench, as_store, bodies


class CommittingSuite(OnBench):
    """Follow-ups are published, then results are stored, then messages are settled."""

    def test_commit_publishes_stores_and_settles(self, bench: Bench) -> None:
        """All three have happened when it returns."""
        queue, following = bench.queue(), bench.queue("next")
        bench.send(queue, "a", "b")
        intake, ledger = bench.intake(queue), Ledger()
        completions = [
            Completion(
                follow_ups=(bench.outgoing(following, f"after {body}"),),
                result=ResultRecord(body, "SUCCESS", b"{}"),
                settlement=Settlement(one.tag, Verdict.ACK),
            )
            for one in bench.take(intake, 2)
            for body in bodies([one])
        ]
        intake.commit(completions, as_store(ledger))
        intake.close()

        assert sorted(ledger.events) == ["a", "b"]
        assert bench.length(following, 2) == 2
        assert bench.length(queue, 0) == 0

    def test_a_result_that_cannot_be_stored_leaves_the_delivery_open(self, bench: Bench) -> None:
        """Follow-ups are out by then; the delivery is not settled, so it is not lost."""
        queue, following = bench.queue(), bench.queue("next")
        bench.send(queue, "a")
        intake = bench.intake(queue)
        [delivery] = bench.take(intake)
        ledger = Ledger(failure=OperationalError("the store is down"))
        completion = Completion(
            follow_ups=(bench.outgoing(following, "x"),),
            result=ResultRecord("a", "SUCCESS", b"{}"),
            settlement=Settlement(delivery.tag, Verdict.ACK),
        )
        with pytest.raises(OperationalError):
            intake.commit([completion], as_store(ledger))
        intake.close()

        assert bench.length(following, 1) == 1
        assert bodies(bench.take(bench.intake(queue, node="w2@here"))) == ["a"]

    def test_commit_of_parts(self, bench: Bench) -> None:
        """A completion may have any of the three, or none."""
        queue = bench.queue()
        bench.send(queue, "a")
        intake, ledger = bench.intake(queue), Ledger()
        [delivery] = bench.take(intake)
        intake.commit(
            [
                Completion(),
                Completion(result=ResultRecord("r", "STARTED", b"{}")),
                Completion(follow_ups=(bench.outgoing(queue, "b"),)),
                Completion(settlement=Settlement(delivery.tag, Verdict.ACK)),
            ],
            as_store(ledger),
        )

        assert ledger.events == ["r"]
        assert bodies(bench.take(intake)) == ["b"]
