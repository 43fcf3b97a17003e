"""A directed graph of who led to whom, as ``AsyncResult.graph`` returns it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from typing import Any, TextIO

from taskq.canvas.drawing import Drawing, dot_text, mermaid

__all__ = ["DependencyGraph"]


class DependencyGraph:
    """Nodes, and edges from each to those that it depends on."""

    def __init__(self, it: Any = None, formatter: Any = None) -> None:
        self.formatter = formatter
        self.adjacent: dict[Any, list[Any]] = {}
        for node, others in it or ():
            self.add_arc(node)
            self.adjacent[node].extend(others)

    def add_arc(self, obj: Any) -> None:
        """Add a node."""
        self.adjacent.setdefault(obj, [])

    def add_edge(self, A: Any, B: Any) -> None:  # noqa: N803 - Celery's names
        """Say that ``A`` depends on ``B``."""
        self.add_arc(A)
        self.add_arc(B)
        self.adjacent[A].append(B)

    def topsort(self) -> list[Any]:
        """Return the nodes, each after those that it depends on."""
        return list(TopologicalSorter(self.adjacent).static_order())

    def edges(self) -> list[Any]:
        """Return the nodes that depend on others."""
        return [node for node, others in self.adjacent.items() if others]

    def items(self) -> Iterator[tuple[Any, list[Any]]]:
        """Return each node with those that it depends on."""
        return iter(self.adjacent.items())

    iteritems = items

    def to_dot(self, fh: TextIO, formatter: Any = None) -> None:
        """Write the graph in the language of graphviz."""
        label = self._label(formatter)
        print("digraph dependencies {", file=fh)
        for node, others in self.adjacent.items():
            print(f"  {dot_text(label(node))}", file=fh)
            for other in others:
                print(f"  {dot_text(label(node))} -> {dot_text(label(other))}", file=fh)
        print("}", file=fh)

    def to_mermaid(self, fh: TextIO, formatter: Any = None) -> None:
        """Write the graph as a Mermaid flowchart."""
        print(mermaid(self.drawing(formatter)), file=fh)

    def drawing(self, formatter: Any = None) -> Drawing:
        """Return the graph as nodes and arrows, to be written in any language."""
        label, drawing = self._label(formatter), Drawing()
        numbers = {node: drawing.add(label(node)) for node in self.adjacent}
        for node, others in self.adjacent.items():
            for other in others:
                # An edge may lead to what is no node of its own.
                if other not in numbers:
                    numbers[other] = drawing.add(label(other))
                drawing.join(numbers[node], numbers[other])
        return drawing

    def _label(self, formatter: Any) -> Callable[[Any], str]:
        """Say how nodes are written: by a function, or by a formatter in Celery's manner."""
        said = formatter or self.formatter or str
        found: Callable[[Any], str] = getattr(said, "label", said)
        return found

    def __iter__(self) -> Iterator[Any]:
        return iter(self.adjacent)

    def __len__(self) -> int:
        return len(self.adjacent)

    def __contains__(self, obj: object) -> bool:
        return obj in self.adjacent

    def __getitem__(self, node: Any) -> list[Any]:
        return self.adjacent[node]

    def __repr__(self) -> str:
        return "\n".join(f"{node}({len(others)})" for node, others in self.items())
