"""A directed graph of who led to whom, as ``AsyncResult.graph`` returns it."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import TopologicalSorter
from typing import Any, TextIO

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
        label = formatter or self.formatter or str
        print("digraph dependencies {", file=fh)
        for node, others in self.adjacent.items():
            print(f'  "{label(node)}"', file=fh)
            for other in others:
                print(f'  "{label(node)}" -> "{label(other)}"', file=fh)
        print("}", file=fh)

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
