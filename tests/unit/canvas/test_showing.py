"""Workflows as trees, for people who debug one."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.canvas import Signature, chain, chord, chunks, group, xmap, xstarmap
from taskq.canvas.showing import ARGUMENT_LENGTH, CALL_LENGTH, MOST, call_text, excerpt, gives, tree

A, B, C = (Signature(name) for name in "abc")


def shown(sig: Any, **options: Any) -> list[str]:
    return tree(sig, **options).splitlines()


def test_a_workflow_is_a_tree() -> None:
    """Steps, header and body; each is shown with what it is given; links stand below."""
    failed = Signature("alarm", immutable=True)
    canvas: Any = (
        Signature("fetch", ("u",))
        | group(Signature("parse", (1,)), Signature("check") | Signature("fix", kwargs={"n": 2}))
        | Signature("total")
        | Signature("report", (9,), immutable=True).on_error(failed)
    )
    canvas.link(C)

    assert shown(canvas) == [
        "chain of 2 steps",
        "├─ 1. fetch('u')",
        "├─ 2. chord",
        "│  ├─ header: group of 2",
        "│  │  ├─ parse(<result>, 1)",
        "│  │  └─ chain of 2 steps",
        "│  │     ├─ 1. check(<result>)",
        "│  │     └─ 2. fix(<result>, n=2)",
        "│  └─ body: chain of 2 steps",
        "│     ├─ 1. total(<2 results>)",
        "│     └─ 2. report(9)",
        "│        └─ on error: alarm()",
        "└─ then: c(<result>)",
    ]
    assert canvas.tree() == tree(canvas)


def test_options_that_matter_stand_behind_a_call() -> None:
    """Not those that say where it stands: the tree shows that itself."""
    sig = Signature("a").set(queue="fast", countdown=10, group_id="g", reply_to="me", expires=None)
    sig.set(task_id="x").stamp(customer="acme")

    assert shown(sig) == ["a()  [id=x, queue='fast', countdown=10, stamp customer='acme']"]


def test_options_of_a_header_are_shown() -> None:
    """A header may be a group that says more than its members."""
    assert shown(chord(group(A, queue="q"), B))[1] == "├─ header: group of 1  [queue='q']"


def test_of_many_the_first_few_are_shown() -> None:
    """So that a group of 50,000 is no longer to read than one of twenty."""
    lines = shown(group(Signature("a", (n,)) for n in range(50_000)))

    assert len(lines) == MOST + 2
    assert (lines[0], lines[-1]) == ("group of 50,000", "└─ … and 49,990 more")
    assert shown(chain(*[A] * 5000), most=2)[-1] == "└─ … and 4,998 more"
    assert shown(chord([A] * 20, B), most=1)[-1] == "└─ body: b(<20 results>)"


def test_long_arguments_are_shortened() -> None:
    """Each of them, and all together."""
    text = call_text(Signature("a", ("x" * 1000, *range(100)), {"key": "y" * 1000}))

    assert len(text) < CALL_LENGTH + 5
    assert "x" * ARGUMENT_LENGTH not in text
    assert call_text(Signature("a", range(12))).endswith("9, … and 2 more)")


def test_maps_and_chunks_say_how_many_items_they_have() -> None:
    """And how many of them travel together."""
    assert shown(xmap(A, [1])) == ["a(x) for each of 1 item, in one message"]
    assert shown(xstarmap(A, [(1, 2), (3, 4)])) == ["a(*x) for each of 2 items, in one message"]
    assert shown(chunks(A, [(1,)] * 1001, 10)) == [
        "a(*x) for each of 1,001 items, 10 in each message"
    ]
    assert shown(Signature("celery.map")) == ["celery.map()"]


@pytest.mark.parametrize(
    ("sig", "given"),
    [
        (A, "<result>"),
        (A | B, "<result>"),
        (group(A), "<1 result>"),
        (A | group(B, C), "<2 results>"),
        (chord([A, B], C), "<result>"),
        (chord([A, B, C]), "<3 results>"),
        (chord([A], group(B, C)), "<2 results>"),
        (chunks(A, [(1,)] * 25, 10), "<3 results>"),
        (chain(), "<result>"),
    ],
)
def test_who_follows_is_given_something(sig: Any, given: str) -> None:
    """One result, or as many as there are."""
    assert gives(sig) == given


def test_the_data_of_a_signature_is_shown_like_itself() -> None:
    """As it stands in a message."""
    canvas: Any = A | group(B, C.clone().on_error(A)) | A
    canvas.link(chord([A], B))

    assert tree(json.loads(json.dumps(canvas))) == canvas.tree()


def test_the_rest_of_a_chain_stands_below_the_step_that_carries_it() -> None:
    """In a message the last step comes first."""
    assert shown(Signature("a", options={"chain": [dict(C), dict(B)]})) == [
        "a()",
        "├─ and then: b(<result>)",
        "└─ and then: c(<result>)",
    ]


def test_links_are_shown_in_their_order() -> None:
    """Those for a failure get it; of many the first few are shown."""
    sig = Signature("a")
    for number in range(12):
        sig.link(Signature("then", (number,)))
    sig.link_error(dict(B))

    assert shown(sig, most=1) == [
        "a()",
        "├─ then: then(<result>, 0)",
        "├─ … and 11 more",
        "└─ on error: b(<what failed>)",
    ]


def test_a_tree_of_any_depth_is_shown() -> None:
    """Deeper than Python calls."""
    sig: dict[str, Any] = dict(A)
    for _ in range(5000):
        sig = {"task": "celery.group", "subtask_type": "group", "kwargs": {"tasks": [sig]}}

    assert len(shown(sig)) == 5001


def test_an_excerpt_is_short() -> None:
    """For messages of errors, however broad and deep the workflow is."""
    sig = A
    for _ in range(4):
        sig = group([sig] * 5)

    lines = excerpt(sig).splitlines()
    assert (len(lines), lines[0]) == (21, "group of 5")
    assert lines[-1] == "… and 141 more lines"
    assert excerpt(A) == "a()"


leaf = st.builds(Signature, st.sampled_from("abc"), st.lists(st.integers(), max_size=2))


def nested(inner: Any) -> Any:
    some = st.lists(inner, min_size=1, max_size=3)
    return some.map(group) | some.map(lambda each: chain(*each)) | st.builds(chord, some, inner)


@given(st.recursive(leaf, nested, max_leaves=12), st.integers(1, 3))
def test_every_line_is_a_line(sig: Any, most: int) -> None:
    """Any canvas has a tree; each line stands deeper by one step at most, and nothing is lost."""
    lines = shown(sig, most=most)
    depths = [(len(line) - len(line.lstrip("│├└─ "))) // 3 for line in lines]

    assert depths[0] == 0
    assert all(after <= before + 1 for before, after in pairwise(depths))
    assert all(line.strip("│├└─ ") for line in lines)
