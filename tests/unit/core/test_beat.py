"""What beat does next, as laws of its core."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from taskq.core.beat import (
    LONGEST_PAUSE_OF_MISTAKES_S,
    LONGEST_PAUSE_S,
    BeatCore,
    Look,
    Planned,
    Send,
    Sent,
    Sleep,
    Unsent,
    begins_anew,
)
from taskq.core.effects import Say
from taskq.ports import Reading

START_S = 1_900_000_000.0


def at(elapsed_s: float, wall_off_s: float = 0.0) -> Reading:
    return Reading(START_S + elapsed_s + wall_off_s, elapsed_s)


class Every:
    """Entries that are due every so many seconds of wall time."""

    def __init__(self, **distances: float) -> None:
        self.distances, self.now_s = distances, START_S
        self.last = dict.fromkeys(distances, START_S)
        self.asked = 0

    def ask(self, name: str) -> tuple[bool, float | None]:
        self.asked += 1
        left_s = self.last[name] + self.distances[name] - self.now_s
        return (True, self.distances[name]) if left_s <= 0 else (False, left_s)


def core_of(entries: Every) -> BeatCore:
    core = BeatCore(entries.ask)
    core.handle(Planned(tuple(entries.distances)), at(0))
    return core


def unsent(name: str, *, passing: bool) -> Unsent:
    return Unsent(name, "tick", "no", passing=passing)


def test_it_sleeps_until_the_first() -> None:
    """But no longer than it may."""
    core = core_of(Every(a=60, b=20))

    assert core.handle(Look(300), at(0)) == [Sleep(20)]
    assert core.handle(Look(5), at(0)) == [Sleep(5)]
    assert [name for _, name in core.upcoming] == ["b", "a"]


def test_without_entries_it_sleeps() -> None:
    """As long as it may."""
    assert BeatCore(Every().ask).handle(Look(300), at(0)) == [Sleep(300)]


def test_what_is_due_at_once_is_sent_together() -> None:
    """In one effect, so that it can be written down once."""
    entries = Every(a=20, b=20, c=60)
    core = core_of(entries)
    core.handle(Look(300), at(0))
    entries.now_s = START_S + 20

    assert core.handle(Look(300), at(20)) == [Send(("a", "b"))]


def test_only_who_may_be_due_is_asked() -> None:
    """A thousand entries that wait cost nothing at each look."""
    entries = Every(often=1, **{f"n{n}": 3600 for n in range(1000)})
    core = core_of(entries)
    core.handle(Look(300), at(0))
    entries.asked, entries.now_s = 0, START_S + 1

    core.handle(Look(300), at(1))

    assert entries.asked == 1


@pytest.mark.parametrize(
    ("passing", "longest_s"), [(True, LONGEST_PAUSE_S), (False, LONGEST_PAUSE_OF_MISTAKES_S)]
)
def test_pauses_grow_up_to_a_limit(passing: bool, longest_s: float) -> None:
    """And each is said."""
    entries = Every(a=1)
    core, elapsed_s, pauses = core_of(entries), 10.0, []
    for _ in range(2000):
        entries.now_s = START_S + elapsed_s
        assert core.handle(Look(1000), at(elapsed_s)) == [Send(("a",))]
        [said] = core.handle(unsent("a", passing=passing), at(elapsed_s))
        assert isinstance(said, Say)
        pauses.append(said.facts["pause_s"])
        [sleep] = core.handle(Look(1000), at(elapsed_s))
        assert isinstance(sleep, Sleep)
        assert sleep.seconds == pytest.approx(pauses[-1])
        elapsed_s += pauses[-1] + 0.001

    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == longest_s == max(pauses)


def test_when_one_goes_out_the_others_are_tried_at_once() -> None:
    """The broker is back; mistakes in entries are not mended by that."""
    entries = Every(away=1, wrong=1, good=1)
    core = core_of(entries)
    entries.now_s = START_S + 10
    core.handle(Look(300), at(10))
    core.handle(unsent("away", passing=True), at(10))
    core.handle(unsent("wrong", passing=False), at(10))
    entries.last["good"] = START_S + 10
    core.handle(Sent("good"), at(10))

    assert core.handle(Look(300), at(10.01)) == [Send(("away",))]  # not after its pause of a second


def test_a_clock_that_is_set_is_noticed() -> None:
    """Every entry is asked again, and it is said."""
    entries = Every(a=60, b=7000)
    core = core_of(entries)
    core.handle(Look(300), at(0))
    entries.now_s = START_S + 1 + 3600

    said, send = core.handle(Look(300), at(1, wall_off_s=3600))

    assert isinstance(said, Say)
    assert said.facts == {"by_s": 3600.0}
    assert send == Send(("a",))


def test_a_clock_that_is_slewed_is_not() -> None:
    """Half a millisecond a second is how clocks are corrected."""
    core = core_of(Every(a=6000))
    core.handle(Look(300), at(0))

    assert core.handle(Look(300), at(300, wall_off_s=0.15)) == [Sleep(300)]


def test_entries_that_are_gone_are_forgotten() -> None:
    """Also those that were being sent, or could not be sent."""
    entries = Every(a=1, b=1)
    core = core_of(entries)
    entries.now_s = START_S + 5
    core.handle(Look(300), at(5))
    core.handle(unsent("a", passing=False), at(5))
    core.handle(Planned(()), at(5))

    assert core.handle(Sent("b"), at(5)) == []
    assert core.handle(unsent("a", passing=False), at(5)) == []
    assert core.upcoming == []


def test_an_entry_that_is_done_does_not_keep_it_awake() -> None:
    """It is asked again after the longest sleep: it may have been changed."""
    core = BeatCore(lambda _name: (False, None))
    core.handle(Planned(("once",)), at(0))

    assert core.handle(Look(300), at(0)) == [Sleep(300)]


def test_an_entry_that_is_due_in_no_time_does_not_spin() -> None:
    """There is always a little sleep."""
    core = BeatCore(lambda _name: (False, 0.0))
    core.handle(Planned(("eager",)), at(0))
    [sleep] = core.handle(Look(300), at(0))

    assert isinstance(sleep, Sleep)
    assert sleep.seconds > 0


@pytest.mark.parametrize(
    ("ahead", "by_clock", "anew"),
    [
        (timedelta(seconds=0.5), False, False),
        (timedelta(seconds=2), False, True),
        (timedelta(hours=1), True, False),
        (timedelta(hours=4), True, True),
        (timedelta(hours=-1), False, False),
    ],
)
def test_a_last_run_in_the_future(ahead: timedelta, by_clock: bool, anew: bool) -> None:
    """Distances begin anew; times on the clock only if it was far off."""
    now = datetime(2026, 1, 1, tzinfo=UTC)

    assert begins_anew(now + ahead, now, by_clock=by_clock) is anew


class AnyDay(RuleBasedStateMachine):
    """Time passes, sends succeed or fail, entries come and go, the clock is set."""

    @initialize(distances=st.lists(st.floats(0.5, 500), min_size=1, max_size=6))
    def begin(self, distances: list[float]) -> None:
        self.entries = Every(**{f"e{n}": value for n, value in enumerate(distances)})
        self.elapsed_s, self.off_s = 0.0, 0.0
        self.core = core_of(self.entries)
        self.sending: list[str] = []
        self.failing: dict[str, float] = {}  # since when
        self.look()

    def now(self) -> Reading:
        reading = at(self.elapsed_s, self.off_s)
        self.entries.now_s = reading.wall_s
        return reading

    def look(self) -> None:
        now = self.now()
        for effect in self.core.handle(Look(300), now):
            if isinstance(effect, Send):
                self.sending = list(effect.names)
                for name in effect.names:  # nothing is sent before it is due
                    assert self.entries.ask(name)[0]
            elif isinstance(effect, Sleep):
                self.sleep_s = effect.seconds
                assert 0 < effect.seconds <= 300

    @precondition(lambda self: not self.sending)
    @rule(part=st.floats(0.1, 2))
    def time_passes(self, part: float) -> None:
        self.elapsed_s += self.sleep_s * part
        self.look()

    @precondition(lambda self: self.sending)
    @rule(outcome=st.sampled_from(["sent", "sent", "away", "wrong"]))
    def sending_ends(self, outcome: str) -> None:
        name = self.sending.pop(0)
        now = self.now()
        if outcome == "sent":
            self.entries.last[name] = now.wall_s
            self.failing.pop(name, None)
            self.core.handle(Sent(name), now)
        else:
            self.failing.setdefault(name, self.elapsed_s)
            self.core.handle(unsent(name, passing=outcome == "away"), now)
        if not self.sending:
            self.look()

    @precondition(lambda self: not self.sending)
    @rule(by_s=st.sampled_from([-3600, -10, 10, 3600]))
    def clock_is_set(self, by_s: float) -> None:
        self.off_s += by_s
        wall_s = START_S + self.elapsed_s + self.off_s
        self.entries.last = {name: min(at_s, wall_s) for name, at_s in self.entries.last.items()}
        self.look()

    @precondition(lambda self: not self.sending)
    @rule()
    def planned_anew(self) -> None:
        self.core.handle(Planned(tuple(self.entries.distances)), self.now())
        self.look()

    @invariant()
    def each_entry_is_looked_at_once(self) -> None:
        planned = [name for _, name in self.core.upcoming]
        assert sorted([*planned, *self.sending]) == sorted(self.entries.distances)

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """Who is due and did not fail is being sent, or is looked at right away."""
        wall_s = self.now().wall_s
        looked_at = {name: at_s for at_s, name in self.core.upcoming}
        for name, at_s in looked_at.items():
            due_s = self.entries.last[name] + self.entries.distances[name]
            if name not in self.failing:
                assert at_s <= max(due_s, wall_s) + 0.002


AnyDay.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyDay: Any = AnyDay.TestCase


@given(st.lists(st.integers(1, 50), min_size=1, max_size=4), st.integers(1, 200))
@settings(deadline=None)
def test_nothing_is_sent_more_often_than_it_is_due(distances: list[int], seconds: int) -> None:
    """Over any time each entry is sent once for each of its distances."""
    entries = Every(**{f"e{n}": value for n, value in enumerate(distances)})
    core, elapsed_s = core_of(entries), 0.0
    count = dict.fromkeys(entries.distances, 0)
    while elapsed_s <= seconds:
        entries.now_s = START_S + elapsed_s
        [effect] = core.handle(Look(300), at(elapsed_s))
        if isinstance(effect, Sleep):
            elapsed_s = round(elapsed_s + effect.seconds, 6)
            continue
        assert isinstance(effect, Send)
        for name in effect.names:
            count[name] += 1
            entries.last[name] += entries.distances[name]
            core.handle(Sent(name), at(elapsed_s))

    assert count == {name: seconds // int(every) for name, every in entries.distances.items()}
