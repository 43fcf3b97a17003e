"""Where members stand that were added to a chord."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskq.app.replacing import index_of_added

whole = st.integers(0, 1 << 60)
few = st.tuples(st.integers(0, (1 << 20) - 1), st.integers(0, 255), st.integers(0, 4095))


@given(few, few)
def test_they_stand_behind_the_header_in_the_order_of_who_added_them(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    """Each at a place of its own."""
    places = [index_of_added(*one), index_of_added(*other)]

    assert (one < other) == (places[0] < places[1])
    assert min(places) >= 1 << 20


@given(whole, whole, whole)
def test_a_place_is_a_number_that_every_store_keeps_exactly(
    own: int, retries: int, number: int
) -> None:
    """And is the same each time."""
    place = index_of_added(own, retries, number)

    assert float(place) == place < 1 << 53
    assert place == index_of_added(own, retries, number)
