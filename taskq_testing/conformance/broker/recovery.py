"""What a Broker with leases must do when a worker is not heard of any more.

What it had not claimed comes again, counted.  What it had claimed may have run: it is found by one
of the others, who has it until the end of its task is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest

from taskq.ports import (
    Completion,
    Delivery,
    Intake,
    KeepsDeadLetters,
    LostMessage,
    QueueSpec,
    ResultRecord,
    Settlement,
    Verdict,
)
from taskq_testing.conformance.broker.rig import Bench, BrokerRig, Ledger, OnBench, as_store, bodies

# A worker is given up within two of its leases; a busy machine gets some more.
LEASES = 4
LOOK_S = 0.02


class LeaseRig(BrokerRig, Protocol):
    """Brokers with leases, short enough to wait for."""

    @property
    def lease_s(self) -> float:
        """How long a lease is."""

    def lose(self, intake: Intake) -> None:
        """Let a worker be lost: nothing is heard of it from now on."""


@dataclass
class Found:
    """What came to who looked after lost workers."""

    claims: list[LostMessage] = field(default_factory=list)
    again: list[Delivery] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.claims) + len(self.again)

    @property
    def claimed(self) -> list[str]:
        """What was found of claimed messages, as text."""
        return [one.message.body.decode() for one in self.claims]


class LeaseBench(Bench):
    """The words for workers that are lost."""

    rig: LeaseRig

    def lost_with(
        self, queue: QueueSpec, *texts: str, claims: int = 0, node: str = "lost@here"
    ) -> None:
        """Send messages to a worker; it claims the first of them, and is lost."""
        self.send(queue, *texts)
        intake = self.intake(queue, node=node)
        taken = self.take(intake, len(texts))
        self.settle(intake, Verdict.CLAIM, *taken[:claims])
        self.lose(intake)

    def lose(self, intake: Intake) -> None:
        """Let a worker be lost."""
        self.rig.lose(intake)
        self._intakes.remove(intake)

    def find(self, intake: Intake, count: int) -> Found:
        """Do what a live worker does until there is so much, or nothing more can come."""
        found = Found()
        start_s = self.clock.read().elapsed_s
        while self.clock.read().elapsed_s - start_s < LEASES * self.rig.lease_s:
            intake.renew()
            found.claims += intake.lost_claims()
            found.again += [one for one in intake.receive() if isinstance(one, Delivery)]
            if count and len(found) >= count:
                break
            self.clock.sleep(LOOK_S)
        return found


class OnLeaseBench(OnBench):
    """What suites inherit that let workers be lost."""

    @pytest.fixture
    def bench(self, rig: LeaseRig) -> Any:
        """Return the words of the tests."""
        bench = LeaseBench(rig)
        yield bench
        bench.close()


class RecoverySuite(OnLeaseBench):
    """Inherit where ``keeps_deliveries`` is true, with a ``LeaseRig``."""

    def test_what_was_not_claimed_comes_again(self, bench: LeaseBench) -> None:
        """In its order, marked, and counted."""
        queue = bench.queue()
        bench.lost_with(queue, "a", "b", "c")
        found = bench.find(bench.intake(queue), 3)

        assert bodies(found.again) == ["a", "b", "c"]
        assert [(one.redelivered, one.attempts) for one in found.again] == [(True, 1)] * 3
        assert found.claims == []

    def test_what_was_claimed_is_found_and_not_given_out(self, bench: LeaseBench) -> None:
        """With its place, whose it was, and why."""
        queue = bench.queue()
        bench.lost_with(queue, "claimed", "not", claims=1)
        intake = bench.intake(queue)
        found = bench.find(intake, 2)
        [claim] = found.claims

        assert (found.claimed, bodies(found.again)) == (["claimed"], ["not"])
        assert (claim.queue, claim.exchange, claim.routing_key) == (
            queue.name,
            queue.exchange.name,
            queue.routing_key,
        )
        assert claim.node == "lost@here"
        assert claim.reason
        assert claim.tag != found.again[0].tag
        assert list(intake.lost_claims()) == []
        assert bench.rest(intake) == []

    def test_what_was_found_does_not_count_against_the_prefetch(self, bench: LeaseBench) -> None:
        """The end of a task is told by a worker that has no room for one."""
        queue = bench.queue()
        bench.lost_with(queue, "claimed", claims=1)
        intake = bench.intake(queue, prefetch=1)
        bench.send(queue, "work")
        bench.take(intake)

        assert bench.find(intake, 1).claimed == ["claimed"]

    def test_the_end_of_a_found_task_is_told_once(self, bench: LeaseBench) -> None:
        """Its result is stored, it is a dead letter, and nobody finds it again."""
        queue = bench.queue()
        bench.lost_with(queue, "claimed", claims=1)
        intake, ledger = bench.intake(queue), Ledger()
        [claim] = bench.find(intake, 1).claims
        settlement = Settlement(claim.tag, Verdict.REJECT, claim.reason)
        end = Completion(result=ResultRecord("t", "FAILURE", b"{}"), settlement=settlement)
        intake.commit([end], as_store(ledger))
        bench.lose(intake)
        later = bench.find(bench.intake(queue, node="w2@here"), 0)

        assert ledger.events == ["t"]
        assert len(later) == 0
        if isinstance(bench.broker, KeepsDeadLetters):
            newest = bench.broker.dead_letters(1)[0]
            assert newest.message is not None
            assert (newest.message.body, newest.reason) == (b"claimed", claim.reason)

    def test_what_was_found_is_found_again(self, bench: LeaseBench) -> None:
        """When who found it is lost too; and it is known whose it was."""
        queue = bench.queue()
        bench.lost_with(queue, "claimed", claims=1)
        first = bench.intake(queue)
        assert bench.find(first, 1).claimed == ["claimed"]
        bench.lose(first)
        second = bench.intake(queue, node="w2@here")
        found = bench.find(second, 1)

        assert (found.claimed, bodies(found.again)) == (["claimed"], [])
        assert found.claims[0].node == "lost@here"

    def test_what_was_found_is_found_again_after_a_close(self, bench: LeaseBench) -> None:
        """A worker that ends without having told the end leaves it to the next."""
        queue = bench.queue()
        bench.lost_with(queue, "claimed", claims=1)
        first = bench.intake(queue)
        assert bench.find(first, 1).claimed == ["claimed"]
        first.close()

        assert bench.find(bench.intake(queue, node="w2@here"), 1).claimed == ["claimed"]

    def test_one_finds_what_is_lost(self, bench: LeaseBench) -> None:
        """Of two that look, each message comes to one."""
        queue = bench.queue()
        bench.lost_with(queue, *"abcd", claims=2)
        first, second = (bench.intake(queue, node=node) for node in ("w1@here", "w2@here"))
        found = Found()
        start_s = bench.clock.read().elapsed_s
        while bench.clock.read().elapsed_s - start_s < LEASES * bench.rig.lease_s:
            for intake in (first, second):
                intake.renew()
                found.claims += intake.lost_claims()
                found.again += [one for one in intake.receive() if isinstance(one, Delivery)]
            bench.clock.sleep(LOOK_S)

        assert sorted(found.claimed) == ["a", "b"]
        assert sorted(bodies(found.again)) == ["c", "d"]

    def test_who_renews_is_not_lost(self, bench: LeaseBench) -> None:
        """However long it has what it has."""
        queue = bench.queue()
        bench.send(queue, "mine")
        worker = bench.intake(queue)
        [mine] = bench.take(worker)
        other = bench.intake(queue, node="w2@here")
        found = Found()
        start_s = bench.clock.read().elapsed_s
        while bench.clock.read().elapsed_s - start_s < LEASES * bench.rig.lease_s:
            worker.renew()
            other.renew()
            found.claims += other.lost_claims()
            found.again += [one for one in other.receive() if isinstance(one, Delivery)]
            bench.clock.sleep(LOOK_S)
        bench.settle(worker, Verdict.ACK, mine)

        assert len(found) == 0
        assert list(worker.lost_tags()) == []

    def test_who_was_silent_for_too_long_has_no_say(self, bench: LeaseBench) -> None:
        """Its tag is lost, its end is refused, and the second run's counts."""
        queue, following = bench.queue(), bench.queue("next")
        bench.send(queue, "a")
        slow, ledger = bench.intake(queue, node="slow@here"), Ledger()
        [mine] = bench.take(slow)
        other = bench.intake(queue, node="w2@here")
        [again] = bench.find(other, 1).again
        after = (bench.outgoing(following, "late"),)
        late = Completion(
            after, ResultRecord("late", "FAILURE", b"{}"), Settlement(mine.tag, Verdict.ACK)
        )
        slow.commit([late], as_store(ledger))
        lost = list(slow.lost_tags())
        bench.settle(other, Verdict.ACK, again)

        assert lost == [mine.tag]
        assert ledger.events == []
        assert bench.length(following, 0) == 0
        assert bench.length(queue, 0) == 0
