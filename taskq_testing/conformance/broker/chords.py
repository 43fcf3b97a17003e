# ruff: noqa: PLR2004 - the suite is tests: counts of what was done a line above
"""What every pair of broker and result store must do with members of chords.

A test class inherits ``ChordsSuite`` and gives a fixture ``rig``: a ``BrokerRig`` that has stores
as well, and says whether its commit is one step.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import pytest

from taskq.ports import (
    ChordEnding,
    ChordFull,
    ChordGrowth,
    ChordPart,
    Completion,
    Delivery,
    GrowsChords,
    Intake,
    Outgoing,
    QueueSpec,
    ResultRecord,
    ResultStore,
    Settlement,
    Verdict,
)
from taskq_testing.conformance.broker.rig import Bench, BrokerRig, OnBench, bodies


class ChordRig(BrokerRig, Protocol):
    """Brokers on one server, and stores on one server."""

    @property
    def at_once(self) -> bool:
        """Whether a commit is one step with the store."""

    def store(self) -> ResultStore:
        """Return a store; the rig closes it."""


class ChordBench(Bench):
    """The words in which the tests are written."""

    def __init__(self, rig: ChordRig) -> None:
        super().__init__(rig)
        self.store, self.at_once = rig.store(), rig.at_once

    def chord(self, size: int) -> str:
        """Open one."""
        group_id = self.rig.unique("g")
        self.store.open_chord(group_id, size, 3600.0)
        return group_id

    def part(self, group_id: str, index: int) -> ChordPart:
        """Return what its chord keeps of a member."""
        payload = f'[1, "{group_id}.{index}", "SUCCESS", {index}]'
        return ChordPart(group_id, index, f"{group_id}.{index}", payload.encode(), 3600.0)

    def ended(self, one: Delivery, part: ChordPart, *follow_ups: Outgoing) -> Completion:
        """Return the end of a member."""
        return Completion(
            follow_ups,
            ResultRecord(part.task_id, "SUCCESS", b'{"status": "SUCCESS"}', expires_s=60.0),
            Settlement(one.tag, Verdict.ACK),
            part,
        )

    def with_members(self, queue: QueueSpec, count: int) -> tuple[Intake, list[Delivery]]:
        """Let a worker have some messages."""
        self.send(queue, *[f"m{number}" for number in range(count)])
        intake = self.intake(queue)
        return intake, sorted(self.take(intake, count), key=lambda one: one.message.body)

    def has(self, task_id: str) -> bool:
        """Say whether there is a result."""
        return self.store.load([task_id])[0] is not None


def endings(completion: Completion, *ending: ChordEnding) -> Completion:
    """Return the same with what ends its chords."""
    return replace(completion, endings=ending)


def payloads(full: Sequence[ChordFull]) -> list[list[bytes]]:
    """Return what all members came to."""
    return [list(one.payloads) for one in full]


class ChordsSuite(OnBench):
    """The last member of a chord is committed together with what ends the chord."""

    @pytest.fixture
    def bench(self, rig: ChordRig) -> object:
        """Return the words of the tests."""
        bench = ChordBench(rig)
        yield bench
        bench.close()

    def test_the_last_member_asks_for_what_ends_its_chord(self, bench: ChordBench) -> None:
        """All others of its batch are counted and settled; it is told what all came to."""
        group_id, queue, following = bench.chord(3), bench.queue(), bench.queue("next")
        intake, taken = bench.with_members(queue, 3)
        parts = [bench.part(group_id, index) for index in (2, 0, 1)]
        batch = [
            bench.ended(one, part, bench.outgoing(following, "after"))
            for one, part in zip(taken, parts, strict=True)
        ]

        full = intake.commit(batch, bench.store)
        assert [(one.number, one.group_id) for one in full] == [(2, group_id)]
        assert payloads(full) == [[bench.part(group_id, index).payload for index in range(3)]]
        assert [bench.has(part.task_id) for part in parts] == [True, True, not bench.at_once]
        assert bench.length(following, 2 if bench.at_once else 3) == (2 if bench.at_once else 3)
        intake.close()
        assert bodies(bench.take(bench.intake(queue, node="w2@here"))) == ["m2"]

    def test_what_ends_a_chord_is_done_with_its_last_member(self, bench: ChordBench) -> None:
        """The body is sent once, the results are stored, and the member is settled."""
        group_id, queue, following = bench.chord(2), bench.queue(), bench.queue("next")
        body = ChordEnding(
            group_id,
            (bench.outgoing(following, "body"),),
            (ResultRecord(f"{group_id}.b", "FAILURE", b'{"status": "FAILURE"}', expires_s=60.0),),
        )
        intake, taken = bench.with_members(queue, 2)
        first, last = (
            bench.ended(one, bench.part(group_id, index)) for index, one in enumerate(taken)
        )
        assert intake.commit([first], bench.store) == []
        [full] = intake.commit([last], bench.store)
        assert full.number == 0

        assert intake.commit([endings(last, body)], bench.store) == []
        assert bodies(bench.take(bench.intake(following, node="w2@here"))) == ["body"]
        assert bench.has(f"{group_id}.b")
        assert bench.has(f"{group_id}.1")
        intake.close()
        assert bench.length(queue, 0) == 0

    def test_a_member_that_comes_again_is_not_counted_again(self, bench: ChordBench) -> None:
        """Whatever it returns then; it is settled, and the chord waits for the others."""
        group_id, queue = bench.chord(2), bench.queue()
        intake, taken = bench.with_members(queue, 3)
        member = bench.part(group_id, 0)
        again = replace(member, payload=member.payload.replace(b", 0]", b", 7]"))
        assert intake.commit([bench.ended(taken[0], member)], bench.store) == []

        assert intake.commit([bench.ended(taken[1], again)], bench.store) == []
        [full] = intake.commit([bench.ended(taken[2], bench.part(group_id, 1))], bench.store)
        assert list(full.payloads) == [member.payload, bench.part(group_id, 1).payload]

    def test_a_member_that_comes_after_the_end_is_settled(self, bench: ChordBench) -> None:
        """Nothing is asked for, and nothing sent."""
        group_id, queue, following = bench.chord(1), bench.queue(), bench.queue("next")
        body = ChordEnding(group_id, (bench.outgoing(following, "body"),))
        intake, taken = bench.with_members(queue, 2)
        first, again = (bench.ended(one, bench.part(group_id, 0)) for one in taken)
        assert len(intake.commit([first], bench.store)) == 1
        assert intake.commit([endings(first, body)], bench.store) == []

        assert intake.commit([again], bench.store) == []
        intake.close()
        assert bench.length(following, 1) == 1
        assert bench.length(queue, 0) == 0

    def test_a_chord_that_ended_meanwhile_is_not_ended_again(self, bench: ChordBench) -> None:
        """Two runs of the last member were both told; one of them sends."""
        group_id, queue, following = bench.chord(1), bench.queue(), bench.queue("next")
        body = ChordEnding(group_id, (bench.outgoing(following, "body"),))
        intake, taken = bench.with_members(queue, 2)
        both = [bench.ended(one, bench.part(group_id, 0)) for one in taken]
        assert len(intake.commit(both, bench.store)) == 2

        assert intake.commit([endings(one, body) for one in both], bench.store) == []
        intake.close()
        assert bench.length(following, 1) == 1
        assert bench.length(queue, 0) == 0

    def test_a_member_may_end_before_the_size_is_known(self, bench: ChordBench) -> None:
        """It is counted, and the chord ends when the last has ended after it is known."""
        group_id, queue = bench.rig.unique("g"), bench.queue()
        intake, taken = bench.with_members(queue, 2)
        first, last = (
            bench.ended(one, bench.part(group_id, index)) for index, one in enumerate(taken)
        )
        assert intake.commit([first], bench.store) == []
        bench.store.open_chord(group_id, 2, 3600.0)

        assert len(intake.commit([last], bench.store)) == 1

    def test_members_that_never_begin_are_counted_with_who_failed(self, bench: ChordBench) -> None:
        """One part may stand for several members of a header."""
        group_id, queue = bench.chord(3), bench.queue()
        intake, taken = bench.with_members(queue, 2)
        one, two, three = (bench.part(group_id, index) for index in range(3))
        both = replace(one, also=((2, three.task_id, three.payload),))
        assert intake.commit([bench.ended(taken[0], both)], bench.store) == []

        [full] = intake.commit([bench.ended(taken[1], two)], bench.store)
        assert list(full.payloads) == [one.payload, two.payload, three.payload]

    def test_a_chord_in_a_chord_ends_with_it(self, bench: ChordBench) -> None:
        """Each level is asked for; then all of them end together."""
        inner, outer = bench.chord(1), bench.chord(1)
        queue, following = bench.queue(), bench.queue("next")
        intake, taken = bench.with_members(queue, 1)
        member = bench.ended(taken[0], bench.part(inner, 0))
        told = ChordEnding(inner, (bench.outgoing(following, "inner"),), outer=bench.part(outer, 0))
        body = ChordEnding(outer, (bench.outgoing(following, "outer"),))
        assert [one.group_id for one in intake.commit([member], bench.store)] == [inner]
        [full] = intake.commit([endings(member, told)], bench.store)
        assert (full.group_id, bench.length(following, 0)) == (outer, 0)

        assert intake.commit([endings(member, told, body)], bench.store) == []
        came = bodies(bench.take(bench.intake(following, node="w2@here"), 2))
        assert sorted(came) == ["inner", "outer"]
        intake.close()
        assert bench.length(queue, 0) == 0

    def test_an_outer_chord_may_wait_for_others(self, bench: ChordBench) -> None:
        """Then the inner one ends, and its body's part is counted."""
        inner, outer = bench.chord(1), bench.chord(2)
        queue, following = bench.queue(), bench.queue("next")
        intake, taken = bench.with_members(queue, 2)
        member = bench.ended(taken[0], bench.part(inner, 0))
        told = ChordEnding(inner, (bench.outgoing(following, "inner"),), outer=bench.part(outer, 0))
        assert len(intake.commit([member], bench.store)) == 1

        assert intake.commit([endings(member, told)], bench.store) == []
        assert bench.length(following, 1) == 1
        [full] = intake.commit([bench.ended(taken[1], bench.part(outer, 1))], bench.store)
        assert full.group_id == outer
        assert len(full.payloads) == 2

    def test_a_chord_that_has_grown_is_not_ended(self, bench: ChordBench) -> None:
        """What was made for its end is left out; it ends with the member that was added."""
        group_id, queue, following = bench.chord(1), bench.queue(), bench.queue("next")
        body = ChordEnding(group_id, (bench.outgoing(following, "too early"),))
        intake, taken = bench.with_members(queue, 2)
        first, added = (
            bench.ended(one, bench.part(group_id, index)) for index, one in enumerate(taken)
        )
        if not bench.at_once:
            return  # who adds a member is one that has not ended; so it cannot be full by then
        assert len(intake.commit([first], bench.store)) == 1
        bench.store.open_chord(group_id, 2, 3600.0)

        assert intake.commit([endings(first, body)], bench.store) == []
        assert bench.length(following, 0) == 0
        assert len(intake.commit([added], bench.store)) == 1

    def test_a_member_that_adds_one_does_not_end_its_chord(self, bench: ChordBench) -> None:
        """The chord waits for the one that was added; committed again, it is added once."""
        group_id, queue, following = bench.chord(1), bench.queue(), bench.queue("next")
        if not isinstance(bench.store, GrowsChords):
            return  # said when a body wants to add one
        intake, taken = bench.with_members(queue, 2)
        first, added = (
            bench.ended(one, bench.part(group_id, index)) for index, one in enumerate(taken)
        )
        growth = ChordGrowth(group_id, "+m0:0:0", 1)
        adds = replace(first, follow_ups=(bench.outgoing(following, "m1"),), growth=growth)

        assert intake.commit([adds], bench.store) == []
        assert bench.length(following, 1) == 1
        assert bench.store.grow_chord(group_id, growth.by, growth.mark) == 2
        [full] = intake.commit([added], bench.store)
        assert [json.loads(one)[3] for one in full.payloads] == [0, 1]

    def test_a_chord_grows_by_one_that_has_not_ended(self, bench: ChordBench) -> None:
        """A body that is retried, or replaced, has added a member before."""
        group_id, queue, following = bench.chord(1), bench.queue(), bench.queue("next")
        if not isinstance(bench.store, GrowsChords):
            return  # said when a body wants to add one
        intake, [one] = bench.with_members(queue, 1)
        growth = ChordGrowth(group_id, "+m0:0:0", 2)
        messages = tuple(bench.outgoing(following, name) for name in ("m1", "m2", "m0 again"))

        settled = Settlement(one.tag, Verdict.ACK)
        assert (
            intake.commit([Completion(messages, None, settled, growth=growth)], bench.store) == []
        )
        assert bench.length(following, 3) == 3
        assert bench.store.grow_chord(group_id, 0, "look") == 3
