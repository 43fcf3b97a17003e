"""What stood before a result, and what its task led to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from taskq.app.graph import DependencyGraph
from taskq.app.result_base import ResultBase
from taskq.errors import IncompleteStream

__all__ = ["Related", "parents", "read_at_once", "tasks_before", "way_to"]

_NO_HANDLE: Final = object()
# Each is a question to the store.
MOST_STEPS_BACK: Final = 1000


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


def read_at_once(results: Iterable[Any]) -> dict[str, str]:
    """Read those of which no end is known in one round trip; return their states."""
    asked: dict[str, list[Any]] = {}
    for each in results:
        # Only what stands for one task keeps what was read.
        if getattr(each, "_cache", _NO_HANDLE) is None:
            asked.setdefault(each.id, []).append(each)
    if not asked:
        return {}
    [first, *_] = next(iter(asked.values()))
    metas = dict(zip(asked, first.backend.get_many_metas(list(asked)), strict=True))
    for task_id, handles in asked.items():
        for each in handles:
            each._maybe_set_cache(metas[task_id])  # noqa: SLF001 - of this package
    return {task_id: meta["status"] for task_id, meta in metas.items()}


def way_to(result: Any) -> list[Any]:
    """Return the results that stand before one, the first one first, and itself.

    What a handle does not know itself is asked of the store: who sent whom.
    """
    way = {result.id: result}
    while len(way) < MOST_STEPS_BACK:
        before = result.parent
        if before is None and hasattr(result, "_get_task_meta"):
            parent_id = result._get_task_meta().get("parent_id")  # noqa: SLF001 - of this package
            before = None if parent_id is None else result.app.AsyncResult(parent_id)
        if before is None or before.id in way:
            break
        way[before.id] = result = before
    return list(reversed(way.values()))


class Related(ResultBase):
    """The part of results that walks from one to others."""

    id: Any

    def iterdeps(self, intermediate: bool = False) -> Iterator[tuple[Any, Any]]:
        """Walk over what the task sent, and what that sent, as pairs of parent and child."""
        level: list[tuple[Any, Any]] = [(None, self)]
        is_incomplete = False
        while level:
            read_at_once(node for _, node in level)
            below: list[tuple[Any, Any]] = []
            for parent, node in level:
                yield parent, node
                # A group's members are known from the start.  Tasks are asked afterwards: whoever
                # was given one may have waited for it.
                if getattr(node, "results", None) is not None or node.ready():
                    below.extend((node, child) for child in node.children or ())
                else:
                    is_incomplete = True
            level = below
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
