"""The model of a result store."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from taskq.ports import ChordPart, ResultRecord
from taskq.states import READY_STATES, precedence
from taskq_testing.sim.awaited import Awaited
from taskq_testing.sim.store import StoreEnd, StoreModel
from tests.unit.testing.simple_world import Bench


class Rig:
    def __init__(self) -> None:
        self.bench = Bench()
        self.model = StoreModel(lambda: self.bench.time.now_s)
        self.waited: list[Awaited] = []
        self.end = self.another()

    def another(self) -> StoreEnd:
        return StoreEnd(self.model, self.bench.hands("client"), "redis", self.waited.append)

    def states(self, *ids: str) -> list[str | None]:
        return [None if record is None else record.state for record in self.end.load(ids)]


def result(task_id: str, state: str = "SUCCESS", expires_s: float | None = None) -> ResultRecord:
    return ResultRecord(task_id, state, b"{}", expires_s=expires_s)


@given(st.lists(st.sampled_from(["STARTED", "RETRY", "FAILURE", "SUCCESS", "REVOKED", "MINE"])))
def test_a_final_state_never_becomes_less_final(states: list[str]) -> None:
    """Whatever is written, in whatever order."""
    rig = Rig()
    seen: list[str] = []
    for state in states:
        rig.end.store([result("a", state)])
        [record] = rig.end.load(["a"])
        assert record is not None
        seen.append(record.state)

    for before, after in itertools.pairwise(seen):
        assert before not in READY_STATES or precedence(after) <= precedence(before)


def test_results_expire_in_virtual_time() -> None:
    """At the second that was said, not before."""
    rig = Rig()
    rig.end.store([result("a", expires_s=10), result("b")])
    rig.bench.time.now_s = 9.9
    assert rig.states("a", "b") == ["SUCCESS", "SUCCESS"]
    rig.bench.time.now_s = 10

    assert rig.states("a", "b") == [None, "SUCCESS"]


def test_who_waits_hears_of_what_another_stored() -> None:
    """The first call begins to listen; news come as hints, in order, and once."""
    rig = Rig()
    assert list(rig.end.wait(["a"], None)) == []
    rig.another().store([result("a", "STARTED"), result("b"), result("a")])

    assert [r.state for r in rig.end.wait(["a"], None)] == ["STARTED", "SUCCESS"]
    assert rig.waited == []
    rig.end.wait(["a"], 5.0)
    assert [(w.timeout_s, str(w)) for w in rig.waited] == [(5.0, "the result of a")]


def test_news_of_one_waiter_do_not_wake_another_for_ever() -> None:
    """What nobody asked for in this call stays for the call that asks."""
    rig = Rig()
    rig.end.wait(["a"], None)
    rig.end.wait(["b"], None)
    rig.end.store([result("b")])
    rig.end.wait(["a"], 1.0)

    assert not rig.waited[0].there
    assert [r.task_id for r in rig.end.wait(["b"], None)] == ["b"]


def test_a_chord_counts_each_index_once() -> None:
    """A member that comes twice is one member; parts come by index."""
    rig = Rig()
    rig.end.open_chord("g", 2, None)
    second = ChordPart("g", 1, "b", b"B")
    done = [
        rig.end.count_chord(part).done for part in (second, second, ChordPart("g", 0, "a", b"A"))
    ]

    assert done == [1, 1, 2]
    assert list(rig.end.chord_parts("g")) == [b"A", b"B"]


def test_the_right_to_send_a_chords_body_is_given_once() -> None:
    """To the first who asks, and to the same again until the body is sent, on whatever node."""
    rig = Rig()
    other = rig.another()
    asked = [end.close_chord("g", who) for end, who in ((rig.end, "a"), (other, "b"), (other, "a"))]
    rig.end.end_chord("g")
    rig.end.end_chord("g")

    assert asked == [True, False, True]
    assert not other.close_chord("g", "a")
    assert rig.bench.trace.count("chord.end") == 1


def test_groups_are_kept_and_forgotten() -> None:
    """Until they expire or are deleted."""
    rig = Rig()
    rig.end.save_group("g", b"x", 5)
    assert rig.end.load_group("g") == b"x"
    rig.bench.time.now_s = 5

    assert rig.end.load_group("g") is None
