"""What stood before a result, and what its task led to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from taskq.app.graph import DependencyGraph
from taskq.app.result_base import ResultBase
from taskq.errors import IncompleteStream

__all__ = ["Related", "parents", "tasks_before"]


def parents(result: Any) -> Iterator[Any]:
    """Return what stands before a result, the last one first."""
    node = result.parent
    while node is not None:
        yield node
        node = node.parent


def tasks_before(result: Any) -> Iterator[Any]:
    """Return the results of single tasks that stand before a result, the first one first."""
    for node in reversed(list(parents(result))):
        yield from _tasks_of(node)


def _tasks_of(node: Any) -> Iterator[Any]:
    members = getattr(node, "results", None)
    if members is None:
        yield node
    else:
        for member in members:
            yield from _tasks_of(member)


class Related(ResultBase):
    """The part of ``AsyncResult`` that walks from one result to others."""

    id: str

    def iterdeps(self, intermediate: bool = False) -> Iterator[tuple[Any, Any]]:
        """Walk over what the task sent, and what that sent, as pairs of parent and child."""
        stack: deque[tuple[Any, Any]] = deque([(None, self)])
        is_incomplete = False
        while stack:
            parent, node = stack.popleft()
            yield parent, node
            if node.ready():
                stack.extend((node, child) for child in node.children or ())
            else:
                is_incomplete = True
        if is_incomplete and not intermediate:
            raise IncompleteStream(f"the tasks that {self.id} led to have not all ended")

    def collect(self, intermediate: bool = False, **kwargs: Any) -> Iterator[tuple[Any, Any]]:
        """Walk over what the task led to, waiting for each, with its value."""
        for _, node in self.iterdeps(intermediate=intermediate):
            yield node, node.get(**kwargs)

    def get_leaf(self) -> Any:
        """Wait for what the task led to at last, and return its value."""
        value = None
        for _, node in self.iterdeps():
            value = node.get()
        return value

    def build_graph(self, intermediate: bool = False, formatter: Any = None) -> DependencyGraph:
        """Return who sent whom, as a graph."""
        graph = DependencyGraph(formatter=formatter)
        for parent, node in self.iterdeps(intermediate=intermediate):
            graph.add_arc(node)
            if parent is not None:
                graph.add_edge(parent, node)
        return graph

    @property
    def graph(self) -> DependencyGraph:
        """Who sent whom."""
        return self.build_graph()

    def as_list(self) -> list[str]:
        """Return its id and those before it."""
        return [self.id, *(node.id for node in parents(self))]
