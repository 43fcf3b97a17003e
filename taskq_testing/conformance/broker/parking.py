# ruff: noqa: PLR2004 - the suite is tests: counts of what was done a line above
"""What a Broker that parks must do: keep messages that are not due yet, for nobody, until they are.

``ParkingSuite`` is for every broker whose intakes say ``parks``; ``KeepsParkedSuite`` for those
that can also be asked what is parked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from taskq.ports import (
    Completion,
    Delivery,
    Intake,
    KeepsParked,
    Outgoing,
    QueueSpec,
    Settlement,
    Verdict,
)
from taskq_testing.conformance.broker.rig import Bench, Ledger, OnBench, as_store, bodies

# Until when something is parked that the test waits for; brokers count in whole seconds, or finer.
SOON_S: Final = 1.0
# For longer than any test takes.
LONG_S: Final = 3600.0
# How exactly a broker measures time.
GRAIN_S: Final = 0.01


def park(bench: Bench, intake: Intake, for_s: float, *deliveries: Delivery) -> float:
    """Put back what is not due yet; returns when it is due."""
    due_s = bench.clock.read().wall_s + for_s
    intake.settle([Settlement(one.tag, Verdict.PARK, due_s=due_s) for one in deliveries])
    return due_s


def settle_all(intake: Intake, deliveries: list[Delivery]) -> None:
    """Be done with them."""
    intake.settle([Settlement(one.tag, Verdict.ACK) for one in deliveries])


class ParkingSuite(OnBench):
    """Inherit beside ``BrokerSuite``, where intakes take PARK."""

    def test_an_intake_says_that_it_parks(self, bench: Bench) -> None:
        """So the core need not hold what is not due."""
        assert bench.intake(bench.queue()).parks is True

    def test_what_is_parked_comes_when_it_is_due(self, bench: Bench) -> None:
        """As the message that it was, and not before its time."""
        queue = bench.queue()
        bench.send(queue, "a")
        intake = bench.intake(queue)
        [delivery] = bench.take(intake)
        due_s = park(bench, intake, SOON_S, delivery)
        [again] = bench.take(intake)

        assert bench.clock.read().wall_s >= due_s - GRAIN_S
        assert again.tag != delivery.tag
        assert again.message.body == b"a"
        assert dict(again.message.headers) == dict(delivery.message.headers)
        assert again.message.content_type == delivery.message.content_type
        assert again.queue == queue.name

    def test_waiting_is_no_attempt(self, bench: Bench) -> None:
        """Who takes it then sees no more attempts than before."""
        queue = bench.queue()
        bench.send(queue, "a")
        intake = bench.intake(queue)
        [delivery] = bench.take(intake)
        park(bench, intake, 0.0, delivery)
        [again] = bench.take(intake)

        assert (again.attempts or 0) == (delivery.attempts or 0)

    def test_what_is_parked_is_nobodys(self, bench: Bench) -> None:
        """No worker has it, it is not in the queue, and it does not count against the prefetch."""
        queue = bench.queue()
        bench.send(queue, "late", "now")
        intake = bench.intake(queue, prefetch=1)
        park(bench, intake, LONG_S, *bench.take(intake))
        [other] = bench.take(intake)
        settle_all(intake, [other])

        assert bodies([other]) == ["now"]
        assert bench.rest(intake) == []
        assert bench.rest(bench.intake(queue, node="w2@here")) == []
        assert bench.length(queue, 0) == 0

    def test_whose_time_is_over_is_there_at_once(self, bench: Bench) -> None:
        """A time in the past is now."""
        queue = bench.queue()
        bench.send(queue, "a")
        intake = bench.intake(queue)
        park(bench, intake, -10.0, *bench.take(intake))

        assert bodies(bench.take(intake)) == ["a"]

    def test_it_outlives_who_parked_it(self, bench: Bench) -> None:
        """Any worker on the queue takes it, once."""
        queue = bench.queue()
        bench.send(queue, "a")
        first = bench.intake(queue)
        park(bench, first, SOON_S, *bench.take(first))
        first.close()
        others = [bench.intake(queue, node=f"w{number}@here") for number in (2, 3)]
        got: list[Delivery] = []
        start_s = bench.clock.read().elapsed_s
        while bench.clock.read().elapsed_s - start_s < SOON_S + 2.0:
            for other in others:
                got += [one for one in other.receive() if isinstance(one, Delivery)]
            bench.clock.sleep(0.05)

        assert bodies(got) == ["a"]

    def test_it_outlives_the_connection(self, bench: Bench) -> None:
        """What is parked does not come back with a reconnect."""
        queue = bench.queue()
        bench.send(queue, "a")
        intake = bench.intake(queue)
        park(bench, intake, LONG_S, *bench.take(intake))
        bench.rig.cut(intake)
        intake.reconnect()

        assert bench.rest(intake) == []

    def test_the_earliest_comes_first(self, bench: Bench) -> None:
        """Whatever the order in which messages were parked."""
        queue = bench.queue()
        bench.send(queue, "second", "first")
        intake = bench.intake(queue)
        second, first = bench.take(intake, 2)
        park(bench, intake, 2.1, second)
        park(bench, intake, 1.0, first)

        assert bodies(bench.take(intake, 2)) == ["first", "second"]

    def test_a_priority_is_kept(self, bench: Bench) -> None:
        """What waited for its time is as urgent as it was."""
        queue = bench.queue(max_priority=10)
        bench.broker.declare([queue])
        for priority in (0, 9, 3):
            bench.send(queue, str(priority), priority=priority)
        intake = bench.intake(queue)
        park(bench, intake, SOON_S, *bench.take(intake, 3))
        intake.close()
        bench.clock.sleep(SOON_S + 0.5)
        later = bench.intake(queue, node="w2@here")
        later.set_prefetch(3)
        got = bodies(bench.take(later, 3))

        assert sorted(got) == ["0", "3", "9"]
        if bench.traits.priority and bench.traits.fifo:
            assert got == sorted(got, reverse=bench.traits.priority == "high")

    def test_it_can_be_parked_again(self, bench: Bench) -> None:
        """A clock that is behind sends it back more than once."""
        queue = bench.queue()
        bench.send(queue, "a")
        intake = bench.intake(queue)
        for _ in range(3):
            park(bench, intake, 0.1, *bench.take(intake))

        assert bodies(bench.take(intake)) == ["a"]
        assert bench.rest(intake) == []

    def test_many_are_kept(self, bench: Bench) -> None:
        """Each comes once, whoever takes it."""
        queue = bench.queue()
        sent = [str(number) for number in range(200)]
        bench.send(queue, *sent)
        first, second = (bench.intake(queue, node=node) for node in ("w1@here", "w2@here"))
        first.set_prefetch(300)
        park(bench, first, SOON_S, *bench.take(first, 200))
        assert bench.rest(second) == []
        got: list[str] = []
        start_s = bench.clock.read().elapsed_s
        while len(got) < 200 and bench.clock.read().elapsed_s - start_s < 10.0:
            for intake in (first, second):
                some = [one for one in intake.receive() if isinstance(one, Delivery)]
                settle_all(intake, some)
                got += bodies(some)
            bench.clock.sleep(0.05)

        assert sorted(got, key=int) == sent
        assert bench.rest(first) == []

    def test_a_commit_parks_as_well(self, bench: Bench) -> None:
        """Together with what follows from another message."""
        queue, following = bench.queue(), bench.queue("next")
        bench.send(queue, "done", "late")
        intake = bench.intake(queue)
        done, late = bench.take(intake, 2)
        due_s = bench.clock.read().wall_s + LONG_S
        after: Outgoing = bench.outgoing(following, "after")
        intake.commit(
            [
                Completion((after,), None, Settlement(done.tag, Verdict.ACK)),
                Completion(settlement=Settlement(late.tag, Verdict.PARK, due_s=due_s)),
            ],
            as_store(Ledger()),
        )
        intake.close()

        assert bench.length(following, 1) == 1
        assert bench.rest(bench.intake(queue, node="w2@here")) == []

    def test_parking_what_is_not_out_means_nothing(self, bench: Bench) -> None:
        """Settled, then parked: it stays settled."""
        queue = bench.queue()
        bench.send(queue, "a")
        intake = bench.intake(queue)
        [delivery] = bench.take(intake)
        settle_all(intake, [delivery])
        park(bench, intake, -1.0, delivery)

        assert bench.rest(intake) == []


class KeepsParkedSuite(OnBench):
    """Inherit where the broker is a ``KeepsParked``."""

    def test_what_is_parked_can_be_looked_at(self, bench: Bench) -> None:
        """The earliest first, and no more than was asked for."""
        one, two = bench.queue("one"), bench.queue("two")
        due = {
            "b": _parked(bench, one, "b", 200.0),
            "a": _parked(bench, two, "a", 100.0),
            "c": _parked(bench, two, "c", 300.0),
        }
        broker = bench.broker
        assert isinstance(broker, KeepsParked)
        both = broker.parked([one.name, two.name], 10)

        assert [each.message.body for each in both] == [b"a", b"b", b"c"]
        assert [each.queue for each in both] == [two.name, one.name, two.name]
        assert all(abs(each.due_s - due[each.message.body.decode()]) < 1.0 for each in both)
        assert dict(both[0].message.headers)["id"] == "a"
        assert [each.message.body for each in broker.parked([two.name], 1)] == [b"a"]
        assert list(broker.parked([bench.rig.unique("other")], 10)) == []

    def test_what_is_parked_can_be_made_due(self, bench: Bench) -> None:
        """By the ids of its tasks; what is not there does no harm."""
        one, two = bench.queue("one"), bench.queue("two")
        ids = [bench.rig.unique(name) for name in "abc"]
        for queue, body in zip((one, two, two), ids, strict=True):
            _parked(bench, queue, body, LONG_S)
        broker = bench.broker
        assert isinstance(broker, KeepsParked)

        assert broker.unpark([ids[0], ids[2], "nobody"]) == 2
        came = bench.take(bench.intake(one, two, node="w2@here"), 2)
        left = broker.parked([one.name, two.name], 10)

        assert {each.message.headers["id"] for each in came} == {ids[0], ids[2]}
        assert [each.message.headers["id"] for each in left] == [ids[1]]
        assert broker.unpark([ids[0]]) == 0

    def test_a_task_may_be_parked_more_than_once(self, bench: Bench) -> None:
        """All of its messages are due together, and counted once."""
        one, two = bench.queue("one"), bench.queue("two")
        name = bench.rig.unique("task")
        for queue in (one, one, two):
            _parked(bench, queue, name, LONG_S)
        broker = bench.broker
        assert isinstance(broker, KeepsParked)

        assert broker.unpark([name, name]) == 3
        assert broker.unpark([name]) == 0
        assert len(bench.take(bench.intake(one, two, node="w2@here"), 3)) == 3

    def test_purging_a_queue_takes_what_is_parked_with_it(self, bench: Bench) -> None:
        """It is one of the messages of that queue, and counted; its length does not count it."""
        queue, other = bench.queue(), bench.queue("other")
        _parked(bench, queue, "late", LONG_S)
        _parked(bench, other, "kept", LONG_S)
        bench.send(queue, "now")
        broker = bench.broker
        assert isinstance(broker, KeepsParked)

        assert bench.length(queue, 1) == 1
        assert broker.purge(queue.name) == 2
        left = broker.parked([queue.name, other.name], 10)
        assert [each.message.body for each in left] == [b"kept"]
        assert broker.unpark(["late"]) == 0


def _parked(bench: Bench, queue: QueueSpec, body: str, for_s: float) -> float:
    """Send a message and park it; returns when it is due."""
    outgoing = bench.outgoing(queue, body)
    message = replace(outgoing.message, headers={"id": body, "task": "t"})
    bench.broker.publish([replace(outgoing, message=message)])
    intake = bench.intake(queue)
    due_s = park(bench, intake, for_s, *bench.take(intake))
    intake.close()
    return due_s
