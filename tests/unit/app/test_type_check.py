"""Checking arguments before a call is sent."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.app.type_check import header_of


def odd(a: int, b: object = object(), /, c: int = 3, *d: Any, e: int, g: int = 4, **h: Any) -> None:
    """Have parameters of every kind."""


@given(
    args=st.lists(st.integers(), max_size=5),
    kwargs=st.dictionaries(st.sampled_from(["a", "c", "e", "g", "x"]), st.integers()),
)
def test_a_header_takes_what_its_function_takes(args: list[int], kwargs: dict[str, int]) -> None:
    """A call is refused by the header if, and only if, the function would refuse it."""
    header = header_of(odd)

    def refused(call: Any) -> bool:
        try:
            call(*args, **kwargs)
        except TypeError:
            return True
        return False

    assert refused(header) == refused(odd)


def test_the_first_parameter_of_a_bound_task_is_left_out() -> None:
    """Callers do not give the task itself."""
    assert str(inspect.signature(header_of(odd, bound=True))).startswith("(b=None, /, c=None")


def test_errors_name_the_function() -> None:
    """The TypeError is that of Python, with the function's name."""
    with pytest.raises(TypeError, match=r"odd\(\) missing"):
        header_of(odd)()
    with pytest.raises(TypeError, match=r"task\(\) missing"):
        header_of(lambda x: x)()


def test_what_tells_no_parameters_is_not_checked() -> None:
    """A builtin without a signature takes anything."""
    header_of(type)(1, 2, x=3)
