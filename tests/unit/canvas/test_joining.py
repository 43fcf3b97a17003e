"""The algebra of ``|``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.canvas import Signature, chain, chord, chunks, group
from taskq.canvas.composite import leaves

A, B, C, D = (Signature(name) for name in "abcd")


def tree(sig: Any) -> Any:
    """Show the shape of a canvas."""
    kind = sig.subtask_type
    if kind == "chain":
        return [tree(step) for step in sig.tasks]
    if kind == "group":
        return {tree_text(member) for member in sig.tasks}
    if kind == "chord":
        return ({tree_text(member) for member in sig.tasks}, sig.body and tree(sig.body))
    return sig.task


def tree_text(sig: Any) -> str:
    return str(tree(sig))


TASKS: st.SearchStrategy[Signature[Any]] = st.sampled_from("abcdef").map(Signature)
CANVASES = st.recursive(
    TASKS,
    lambda inner: (
        st.lists(inner, max_size=3).map(group)
        | st.lists(inner, min_size=1, max_size=3).map(chain)
        | st.tuples(st.lists(inner, min_size=1, max_size=2), inner).map(lambda pair: chord(*pair))
    ),
    max_leaves=5,
)


@given(CANVASES, CANVASES, CANVASES)
def test_it_does_not_matter_where_a_chain_is_cut(a: Any, b: Any, c: Any) -> None:
    """``(a | b) | c`` is ``a | (b | c)``."""
    assert json.dumps((a | b) | c) == json.dumps(a | (b | c))


@given(CANVASES, CANVASES)
def test_joining_changes_neither_side(a: Any, b: Any) -> None:
    """A new canvas is made of copies."""
    before = json.dumps([a, b])

    joined = a | b
    joined.set(task_id="x")
    for part in joined.kwargs.get("tasks") or ():
        part.set(countdown=1)

    assert json.dumps([a, b]) == before


@given(st.lists(TASKS, min_size=2, max_size=6))
def test_a_chain_of_tasks_is_the_same_however_it_is_made(tasks: list[Any]) -> None:
    """By the constructor, of a list, or step by step."""
    joined = tasks[0]
    for task in tasks[1:]:
        joined = joined | task

    assert chain(*tasks) == chain(tasks) == chain(iter(tasks)) == joined


@pytest.mark.parametrize(
    ("canvas", "shape"),
    [
        (A | B, ["a", "b"]),
        (A | group(B, C), ["a", {"b", "c"}]),
        (group(A, B) | C, ({"a", "b"}, "c")),
        (group(A) | B, ({"a"}, "b")),
        (group(A, B) | C | D, ({"a", "b"}, ["c", "d"])),
        (group(A, B) | group(C, D), ({"a", "b"}, {"c", "d"})),
        (group(A) | group(B) | C, ({"a"}, ({"b"}, "c"))),
        (A | group(B, C) | D, ["a", ({"b", "c"}, "d")]),
        (A | (group(B) | C), ["a", ({"b"}, "c")]),
        (chord([A], B) | C, ({"a"}, ["b", "c"])),
        (chord([A], group(B)) | C, ({"a"}, ({"b"}, "c"))),
        (chord([A]) | B, ({"a"}, "b")),
        (chord([A], chord([B], C)) | D, ({"a"}, ({"b"}, ["c", "d"]))),
        (chain() | A, ["a"]),
        (A | chain(), "a"),
        (chain(A), ["a"]),
        (chain(group(A, B), C), [({"a", "b"}, "c")]),
        (chain(A, chain(B, chain(C))), ["a", "b", "c"]),
        (chain(A, [B][0]), ["a", "b"]),
    ],
)
def test_what_follows_a_group_waits_for_all_of_it(canvas: Any, shape: Any) -> None:
    """A group in the middle is a chord; what follows a chord is chained to its body."""
    assert tree(canvas) == shape


def test_chunks_in_the_middle_are_waited_for_too() -> None:
    """They are a group."""
    canvas = chain(chunks(A, [(1,), (2,)], 1), B)

    (step,) = canvas.tasks
    assert (step.subtask_type, len(step.tasks), step.body.task) == ("chord", 2, "b")


def test_a_chain_within_a_chain_keeps_what_it_says() -> None:
    """Its links, args and options go to its own steps."""
    inner = chain(B, C)
    inner.link(Signature("callback"))
    inner.link_error(Signature("errback"))
    inner.set(countdown=5, task_id="gone")
    inner.args = (7,)

    outer = A | inner | D

    a, b, c, d = outer.tasks
    errbacks = [Signature("errback")]
    assert (a.options, d.options) == ({}, {})
    assert (b.args, b.options) == ((7,), {"link_error": errbacks, "countdown": 5})
    assert c.options == {"link_error": errbacks, "link": [Signature("callback")]}
    assert chain().unchain_tasks() == []


def test_links_may_stand_alone_in_data() -> None:
    """A foreign client may give one link without a list."""
    inner = chain(A, B)
    inner.options["link"] = Signature("c")

    assert inner.unchain_tasks()[1].options["link"] == [Signature("c")]


@pytest.mark.parametrize(
    ("canvas", "count"),
    [
        (A, 1),
        (A | B, 1),
        (chain(), 0),
        (group(A, B), 2),
        (group(A, group(B, C)), 3),
        (A | group(B, C), 2),
        (chord([A, B], C), 1),
        (chord([A, B]), 2),
        (chord([A, B], group(C, D)), 2),
        (chunks(A, [(1,)] * 5, 2), 3),
    ],
)
def test_a_member_counts_by_its_last_messages(canvas: Any, count: int) -> None:
    """Of a chain only the last step counts, of a chord its body."""
    assert leaves(canvas) == count
