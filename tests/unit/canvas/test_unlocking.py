"""How often a chord is asked for, and what is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.canvas.unlocking import LONGEST_PAUSE_S, given_up, leaves_of, pause_s
from taskq.errors import DecodeError

SPANS = st.floats(0, 10_000_000, allow_nan=False)
INTERVALS = st.floats(0.001, 1_000, allow_nan=False)


@given(SPANS, SPANS, INTERVALS)
def test_pauses_grow_to_a_bound(age_s: float, more_s: float, interval_s: float) -> None:
    """Never shorter than the interval, never longer than a minute unless that was asked for."""
    pause = pause_s(age_s, interval_s)

    assert interval_s <= pause <= max(interval_s, LONGEST_PAUSE_S)
    assert pause <= pause_s(age_s + more_s, interval_s)


def test_a_day_costs_some_thousand_looks() -> None:
    """At the default interval."""
    age_s, looks = 0.0, 0
    while age_s < 86_400:
        age_s += pause_s(age_s, 1.0)
        looks += 1

    assert looks < 1_600


def test_groups_among_the_members_stand_for_their_own() -> None:
    """What came before a member in its chain is not waited for."""
    before = ["first", None]
    nested = [["g", before], [[["b", None], None], [["c", before], None]]]

    assert leaves_of([[["a", [before, None]], None], nested, "d"]) == ["a", "b", "c", "d"]


def test_what_is_no_result_is_refused() -> None:
    """With what it was."""
    with pytest.raises(DecodeError, match="int"):
        leaves_of([5])


def test_few_of_many_missing_members_are_named() -> None:
    """An error is for people."""
    said = given_up([f"m{number}" for number in range(30)], 40, 3600.4, 7)

    assert said.startswith("given up after 3600 s and 8 looks: 30 of 40 members have no result: m0")
    assert said.endswith("m9 and 20 more")
