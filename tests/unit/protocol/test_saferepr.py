"""Short texts for values."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.protocol.saferepr import safe_repr

SMALL = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
NESTED = st.recursive(
    SMALL | st.binary(max_size=9) | st.sets(st.integers(), max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=30,
)


@given(st.lists(SMALL, max_size=12).map(tuple) | st.dictionaries(st.text(max_size=9), SMALL))
def test_small_plain_arguments_are_shown_as_python_shows_them(value: Any) -> None:
    """For plain arguments the text is the repr."""
    assert safe_repr(value, maxlen=10**6) == repr(value)


@given(NESTED, st.integers(0, 200), st.integers(0, 4))
def test_the_text_is_bounded(value: Any, maxlen: int, maxlevels: int) -> None:
    """No text is longer than its limit and three dots."""
    assert len(safe_repr(value, maxlen, maxlevels)) <= maxlen + 3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((), "()"),
        ([], "[]"),
        ({}, "{}"),
        (set(), "set()"),
        (frozenset(), "frozenset()"),
        (([1],), "([1],)"),
        ({2, 1}, "{1, 2}"),
        (frozenset({2, 1}), "frozenset({1, 2})"),
        ([[[[1]]]], "[[[[...]]]]"),
        ([[[{}]]], "[[[{}]]]"),
        ([[[(1, 2)]]], "[[[(...)]]]"),
        (b"abc", "b'abc'"),
        (b"\x00\xff", "b'00ff'"),
        (b"a\nb", "b'610a62'"),
        ({"a": {"b": (1, "x")}}, "{'a': {'b': (1, 'x')}}"),
    ],
)
def test_containers_are_shown_to_the_third_level(value: Any, text: str) -> None:
    """Deeper ones are dots; empty ones cost nothing and are always shown."""
    assert safe_repr(value) == text


def test_a_named_tuple_is_shown_by_its_own_repr() -> None:
    """Its names are worth more than brackets."""

    class Point(NamedTuple):
        x: int
        y: int

    assert safe_repr([Point(1, 2)]) == "[Point(x=1, y=2)]"


def test_a_value_that_contains_itself_ends() -> None:
    """A cycle is shown as dots."""
    value: list[Any] = [1]
    value.append(value)

    assert safe_repr(value) == "[1, [...]]"


def test_the_same_value_twice_is_no_cycle() -> None:
    """Only what contains itself is cut."""
    part = [1]

    assert safe_repr([part, part]) == "[[1], [1]]"


def test_a_repr_that_fails_is_said() -> None:
    """A value whose repr raises does not stop a task from being sent."""

    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    assert safe_repr([Broken()]) == "[<unrepresentable Broken: RuntimeError>]"


def test_a_number_too_long_for_the_interpreter_is_said() -> None:
    """Python refuses to write integers of many digits."""
    assert safe_repr((10**5000,)).startswith("(<unrepresentable int")


def test_a_long_text_is_not_copied_whole() -> None:
    """Of a long text only what is shown is looked at."""
    assert safe_repr("x" * 10**6, maxlen=10) == "'xxxxxxxxx..."


def test_a_subclass_of_text_shows_itself() -> None:
    """Its repr is its own."""

    class Secret(str):
        __slots__ = ()

        def __repr__(self) -> str:
            return "<secret>"

    assert safe_repr((Secret("password"),)) == "(<secret>,)"


@pytest.mark.parametrize("value", [("a" * 60,) * 8, {"k" * 60: "v" * 60}])
def test_the_quick_way_keeps_the_limit(value: Any) -> None:
    """Small values may be long together."""
    assert safe_repr(value, maxlen=70) == repr(value)[:70] + "..."


def test_keys_of_other_kinds_are_shown() -> None:
    """A key need not be text."""
    assert safe_repr({1: 2, (1, 2): [3]}) == "{1: 2, (1, 2): [3]}"
