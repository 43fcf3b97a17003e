"""A table with a limit forgets what was used longest ago."""

from __future__ import annotations

import pickle

from taskq.core.bounded import Bounded


def test_the_oldest_goes_when_one_more_comes() -> None:
    """What is kept again is young again."""
    table: Bounded[int] = Bounded({"a": 1, "b": 2}, limit=2)
    table.keep("a", 3)
    table.keep("c", 4)

    assert list(table.items()) == [("a", 3), ("c", 4)]


def test_a_limit_that_is_set_later_counts_from_the_next_update() -> None:
    """As monitors set it that read it from their options."""
    table: Bounded[int] = Bounded(dict.fromkeys("abcd", 0))
    table.limit = 3
    table.update()
    table.update(e=1, f=1)

    assert list(table) == ["d", "e", "f"]


def test_it_travels() -> None:
    """With its limit."""
    again = pickle.loads(pickle.dumps(Bounded({"a": 1}, limit=5)))

    assert (dict(again), again.limit) == ({"a": 1}, 5)
