"""The graph of what a task led to."""

from __future__ import annotations

import io

from taskq.app.graph import DependencyGraph


def test_a_graph_is_its_nodes_and_edges() -> None:
    """Nodes are known once, however often they are named."""
    graph = DependencyGraph([("body", ["first", "second"])])
    graph.add_edge("first", "root")
    graph.add_arc("first")

    assert list(graph) == ["body", "first", "root"]
    assert (len(graph), "root" in graph, "other" in graph) == (3, True, False)
    assert graph["body"] == ["first", "second"]
    assert graph.edges() == ["body", "first"]
    assert dict(graph.items()) == dict(graph.iteritems())
    assert repr(graph) == "body(2)\nfirst(1)\nroot(0)"


def test_nodes_come_after_those_that_they_depend_on() -> None:
    """The order in which they can be done."""
    graph = DependencyGraph([("c", ["b"]), ("b", ["a"]), ("a", [])])

    assert graph.topsort() == ["a", "b", "c"]


def test_a_graph_can_be_drawn() -> None:
    """In the language of graphviz, with labels of one's own."""
    graph = DependencyGraph([("b", ["a"])], formatter=str.upper)
    drawn, lower = io.StringIO(), io.StringIO()
    graph.to_dot(drawn)
    graph.to_dot(lower, formatter=str)

    assert drawn.getvalue() == 'digraph dependencies {\n  "B"\n  "B" -> "A"\n}\n'
    assert '"b" -> "a"' in lower.getvalue()
