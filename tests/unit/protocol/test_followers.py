"""What a message says will follow it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq import chain, chord, group, signature
from taskq.errors import InvalidTaskError
from taskq.protocol.followers import MOST_DEEP, check_followers

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["task", "args", "kwargs", "options", "link", "chain", "chord"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(json_values, json_values)
def test_anything_at_all_is_sound_or_refused(group: Any, embed: Any) -> None:
    try:
        check_followers(group, None, embed)
    except InvalidTaskError as error:
        assert str(error)


@pytest.mark.parametrize("name", ["callbacks", "errbacks", "chain"])
def test_workflows_are_sound(name: str) -> None:
    step = signature("t", (1,))
    nested = chord([chain(step, group(step, step)), step], chain(step, step))

    check_followers("g1", 0, {name: [step, nested], "chord": step})


@pytest.mark.parametrize(
    ("embed", "said"),
    [
        ([1], "not a mapping"),
        ({"chain": 3}, "its chain is int 3"),
        ({"callbacks": [{"task": 3}]}, "names no task"),
        ({"chord": {"task": "t", "options": "x"}}, "whose options is str 'x'"),
        ({"errbacks": [{"task": "t", "options": {"task_id": 3}}]}, "a task_id that is int 3"),
        ({"chain": [{"task": "t", "options": {"link": [3]}}]}, r"its chain\.link has int 3"),
        ({"chain": [{"task": "t", "options": {"chord": 3}}]}, r"its chain\.chord has int 3"),
    ],
)
def test_what_is_wrong_is_named(embed: Any, said: str) -> None:
    with pytest.raises(InvalidTaskError, match=said):
        check_followers(None, None, embed)


def test_a_group_is_named_by_text() -> None:
    with pytest.raises(InvalidTaskError, match="its group is dict"):
        check_followers({"a": 1}, None, None)


def test_what_is_too_deep_is_refused() -> None:
    deep: dict[str, Any] = {"task": "t"}
    for _ in range(MOST_DEEP + 2):
        deep = {"task": "t", "options": {"link": [deep]}}

    with pytest.raises(InvalidTaskError, match="nested more than"):
        check_followers(None, None, {"callbacks": [deep]})


@pytest.mark.parametrize("index", ["x", 1.5, -1, 10**400, True, [0]])
def test_a_place_in_a_group_is_a_number(index: Any) -> None:
    """Whoever counts members would stop at anything else."""
    with pytest.raises(InvalidTaskError, match="group_index"):
        check_followers("g1", index, None)
    with pytest.raises(InvalidTaskError, match="group_index"):
        check_followers("g1", 0, {"chord": {"task": "t", "options": {"group_index": index}}})
