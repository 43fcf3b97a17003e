"""Workflows as nodes and arrows, and how graphviz and Mermaid are told of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.canvas import Signature, chain, chord, group
from taskq.canvas.drawing import Drawing, dot, mermaid
from taskq.canvas.picture import draw
from tests.unit.canvas.test_showing import leaf, nested

A, B, C, D = (Signature(name) for name in "abcd")


def arrows(sig: Any, **options: Any) -> list[str]:
    drawing = draw(sig, **options)
    names = [node.label.removesuffix("()") for node in drawing.nodes]
    return sorted(
        f"{names[each.start]}{' -- ' if each.is_dashed else ' -> '}{names[each.end]}"
        for each in drawing.arrows
    )


@pytest.mark.parametrize(
    ("sig", "drawn"),
    [
        (A, []),
        (A | B | C, ["a -> b", "b -> c"]),
        (group(A, B), []),
        (A | group(B, C), ["a -> b", "a -> c"]),
        (chord([A], B), ["a -> b"]),
        (chord([A, B], C), ["a -> all 2", "all 2 -> c", "b -> all 2"]),
        (chord([A | B, C]), ["a -> b"]),
        (chord([], A), []),
        (
            group(A, B) | group(C, D),
            ["a -> all 2", "all 2 -> c", "all 2 -> d", "b -> all 2"],
        ),
        (chain(), []),
        (chain(A, chain(), B), ["a -> b"]),
    ],
)
def test_results_are_arrows(sig: Any, drawn: list[str]) -> None:
    """From each task to those that get its result; those of a header meet first."""
    assert arrows(sig) == drawn


def test_links_are_arrows_too() -> None:
    """Dashed for what happens after a failure."""
    sig: Any = chain(A, B)
    sig.link(C)
    sig.tasks[0].link_error(D)

    assert arrows(sig) == ["a -- d", "a -> b", "b -> c"]
    assert [each.label for each in draw(sig).arrows] == ["on error", "", "then"]


def test_the_rest_of_a_chain_follows_the_step_that_carries_it() -> None:
    """As in a message: the last step comes first."""
    assert arrows(Signature("a", options={"chain": [C, B]})) == ["a -> b", "b -> c"]


def test_many_to_many_meet_in_the_middle() -> None:
    """Data from elsewhere may have a group before a group in a chain."""
    odd = {"subtask_type": "chain", "kwargs": {"tasks": [group(A, B), group(C, D)]}}

    assert arrows(odd) == ["a -> all", "all -> c", "all -> d", "b -> all"]


def test_of_many_the_first_few_are_drawn() -> None:
    """And one node stands for the others."""
    drawing = draw(chord([A] * 50_000, B), most=2)

    assert [node.label for node in drawing.nodes] == [
        "a()",
        "a()",
        "… and 49,998 more",
        "all 50,000",
        "b()",
    ]
    assert arrows(chain(A, B, C, D), most=2) == ["a -> b", "b -> … and 2 more"]


def small() -> Drawing:
    drawing = Drawing()
    first = drawing.add('say("hi" #1)\n<b>')
    joint = drawing.add("all", is_joint=True)
    drawing.join(first, joint, 'on "x"', is_dashed=True)
    drawing.join(joint, first)
    return drawing


def test_graphviz_is_told_in_dot() -> None:
    """Quotes, backslashes and newlines in labels do no harm."""
    assert dot(small()).splitlines() == [
        "digraph workflow {",
        "  node [shape=box];",
        r'  n0 [label="say(\"hi\" #1)\n<b>"];',
        '  n1 [label="all", shape=circle];',
        r'  n0 -> n1 [label="on \"x\"", style=dashed];',
        "  n1 -> n0;",
        "}",
    ]


def test_mermaid_is_told_in_its_words() -> None:
    """What would be markup or the end of a text is written as an entity."""
    assert mermaid(small()).splitlines() == [
        "flowchart TD",
        '  n0["say(#quot;hi#quot; #35;1)<br/>#lt;b#gt;"]',
        '  n1(("all"))',
        '  n0 -.->|"on #quot;x#quot;"| n1',
        "  n1 --> n0",
    ]


@given(st.recursive(leaf, nested, max_leaves=12))
def test_any_canvas_can_be_drawn(sig: Any) -> None:
    """Each arrow leads from a node to another one, and nothing runs in a circle."""
    drawing = draw(sig, most=100)
    count = len(drawing.nodes)
    before: dict[int, set[int]] = {number: set() for number in range(count)}
    for arrow in drawing.arrows:
        assert arrow.start != arrow.end
        before[arrow.end].add(arrow.start)
    done: set[int] = set()
    while len(done) < count:
        free = {number for number, needs in before.items() if needs <= done} - done
        assert free, "a circle"
        done |= free
    assert dot(drawing).count("\n") == count + len(drawing.arrows) + 2
