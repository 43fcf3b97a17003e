# ruff: noqa: PLR2004 - the suite is tests: counts of what was done a line above
"""What a Broker that keeps revocations must do: tell workers that are not there yet.

A server remembers for a while what other tests have revoked, so each test looks for its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from taskq.ports import Broker, KeepsRevocations, Revocation
from taskq_testing.conformance.broker.rig import Bench, OnBench

# For longer than any test takes.
LONG_S = 3600.0


def revoke(bench: Bench, *task_ids: str, for_s: float = LONG_S) -> list[Revocation]:
    """Revoke tasks by their ids."""
    broker = bench.broker
    assert isinstance(broker, KeepsRevocations)
    until_s = bench.clock.read().wall_s + for_s
    revocations = [Revocation(until_s, task_id) for task_id in task_ids]
    broker.revoke(revocations)
    return revocations


def remembered(broker: Broker, task_ids: Iterable[str]) -> list[Revocation]:
    """What a broker knows of some tasks."""
    assert isinstance(broker, KeepsRevocations)
    wanted = set(task_ids)
    return [one for one in broker.revocations() if one.task_id in wanted]


class RevocationsSuite(OnBench):
    """Inherit beside ``BrokerSuite``, where the broker is a ``KeepsRevocations``."""

    def test_who_comes_later_knows_what_was_revoked(self, bench: Bench) -> None:
        """Though it was not there when it was said."""
        task_id = bench.rig.unique("task")
        [revocation] = revoke(bench, task_id)

        [known] = remembered(bench.rig.broker(), [task_id])
        assert known.task_id == task_id
        assert abs(known.until_s - revocation.until_s) < 0.01
        assert not known.headers

    def test_nothing_is_known_of_others(self, bench: Bench) -> None:
        """Nor is it an error to ask."""
        assert remembered(bench.broker, [bench.rig.unique("task")]) == []

    def test_looking_takes_nothing(self, bench: Bench) -> None:
        """Every worker that comes is told the same."""
        task_id = bench.rig.unique("task")
        revoke(bench, task_id)
        known = [remembered(bench.rig.broker(), [task_id]) for _ in range(3)]

        assert len(known[0]) == 1
        assert known[0] == known[1] == known[2]

    def test_tasks_are_revoked_by_their_stamps(self, bench: Bench) -> None:
        """Whatever the stamps are called, and however many values there are."""
        broker, key = bench.broker, bench.rig.unique("stamp")
        assert isinstance(broker, KeepsRevocations)
        until_s = bench.clock.read().wall_s + LONG_S
        broker.revoke(
            [
                Revocation(until_s, headers={key: ["a", "b"]}),
                Revocation(until_s, headers={key: ["c"]}),
            ]
        )
        known = [one for one in broker.revocations() if key in one.headers]

        assert sorted(one.headers[key] for one in known) == [["a", "b"], ["c"]]
        assert {one.task_id for one in known} == {""}

    def test_what_is_over_is_forgotten(self, bench: Bench) -> None:
        """A revocation is told as long as it counts."""
        over, soon, stays = (bench.rig.unique(name) for name in ("over", "soon", "stays"))
        revoke(bench, over, for_s=-1.0)
        revoke(bench, soon, for_s=0.5)
        revoke(bench, stays)
        bench.clock.sleep(0.6)

        assert [one.task_id for one in remembered(bench.broker, [over, soon, stays])] == [stays]

    def test_revoking_again_is_one_revocation(self, bench: Bench) -> None:
        """The last word counts."""
        task_id = bench.rig.unique("task")
        revoke(bench, task_id, for_s=100.0)
        [last] = revoke(bench, task_id, for_s=200.0)

        [known] = remembered(bench.broker, [task_id])
        assert abs(known.until_s - last.until_s) < 0.01

    def test_many_are_remembered(self, bench: Bench) -> None:
        """More than travel at once, said in several calls."""
        task_ids = [bench.rig.unique("task") for _ in range(1_200)]
        revoke(bench, *task_ids[:1_000])
        for task_id in task_ids[1_000:1_010]:
            revoke(bench, task_id)
        revoke(bench, *task_ids[1_010:])

        known = {one.task_id for one in remembered(bench.rig.broker(), task_ids)}
        assert known == set(task_ids)

    def test_revoking_nothing_is_nothing(self, bench: Bench) -> None:
        """An empty list is allowed."""
        revoke(bench)
