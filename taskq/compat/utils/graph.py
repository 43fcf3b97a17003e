"""``celery.utils.graph``: a graph of what depends on what, and its picture for graphviz."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError as _CycleError
from graphlib import TopologicalSorter
from types import MappingProxyType
from typing import Any, Final, TextIO

from taskq.app.graph import DependencyGraph as _Graph

__all__ = ["DOT", "CycleError", "DependencyGraph", "GraphFormatter"]


class CycleError(Exception):
    """Something depends on itself."""


class DOT:
    """The words of graphviz."""

    HEAD = "{IN}{type} {id} {{\n{INp}graph [{attrs}]"
    ATTR = "{name}={value}"
    NODE = '{INp}"{0}" [{attrs}]'
    EDGE = '{INp}"{0}" {dir} "{1}" [{attrs}]'
    ATTRSEP = ", "
    DIRS: Final = MappingProxyType({"graph": "--", "digraph": "->"})
    TAIL = "{IN}}}"


class GraphFormatter:
    """How a graph looks."""

    _attr = DOT.ATTR.strip()
    _node = DOT.NODE.strip()
    _edge = DOT.EDGE.strip()
    _head = DOT.HEAD.strip()
    _tail = DOT.TAIL.strip()
    _attrsep = DOT.ATTRSEP
    _dirs = DOT.DIRS

    scheme: Any = {  # noqa: RUF012 - Celery's class attributes, copied for each object
        "shape": "box",
        "arrowhead": "vee",
        "style": "filled",
        "fontname": "HelveticaNeue",
    }
    edge_scheme: Any = {"color": "darkseagreen4", "arrowcolor": "black", "arrowsize": 0.7}  # noqa: RUF012
    node_scheme: Any = {"fillcolor": "palegreen3", "color": "palegreen4"}  # noqa: RUF012
    term_scheme: Any = {"fillcolor": "palegreen1", "color": "palegreen2"}  # noqa: RUF012
    graph_scheme: Any = {"bgcolor": "mintcream"}  # noqa: RUF012

    def __init__(
        self,
        root: Any = None,
        type: str | None = None,  # noqa: A002 - Celery's name
        id: str | None = None,  # noqa: A002 - Celery's name
        indent: int = 0,
        inw: str = " " * 4,
        **scheme: Any,
    ) -> None:
        self.id = id or "dependencies"
        self.root = root
        self.type = type or "digraph"
        self.direction = self._dirs[self.type]
        self.IN = inw * (indent or 0)
        self.INp = self.IN + inw
        self.scheme = {**self.scheme, **scheme}
        self.graph_scheme = {**self.graph_scheme, "root": self.label(root)}

    def attr(self, name: str, value: Any) -> bytes:
        """Return one attribute."""
        return self.FMT(self._attr, name=name, value=f'"{value}"')

    def attrs(self, d: dict[str, Any] | None, scheme: dict[str, Any] | None = None) -> str:
        """Return attributes over those of a scheme."""
        all_of_them = {**self.scheme, **(scheme or {}), **(d or {})}
        return self._attrsep.join(
            self.attr(name, value).decode() for name, value in all_of_them.items()
        )

    def head(self, **attrs: Any) -> bytes:
        """Return the beginning."""
        shown = self.attrs(attrs, self.graph_scheme)
        return self.FMT(self._head, id=self.id, type=self.type, attrs=shown)

    def tail(self) -> bytes:
        """Return the end."""
        return self.FMT(self._tail)

    def label(self, obj: Any) -> str:
        """Return the text of a node."""
        return str(obj)

    def node(self, obj: Any, **attrs: Any) -> bytes:
        """Return a node."""
        return self.draw_node(obj, self.node_scheme, attrs)

    def terminal_node(self, obj: Any, **attrs: Any) -> bytes:
        """Return a node that depends on nothing."""
        return self.draw_node(obj, self.term_scheme, attrs)

    def edge(self, a: Any, b: Any, **attrs: Any) -> bytes:
        """Return an edge."""
        return self.draw_edge(a, b, **attrs)

    def FMT(self, fmt: str, *args: Any, **kwargs: Any) -> bytes:  # noqa: N802 - Celery's name
        """Fill in a form."""
        return fmt.format(*args, IN=self.IN, INp=self.INp, **kwargs).encode()

    def draw_edge(
        self, a: Any, b: Any, scheme: dict[str, Any] | None = None, attrs: Any = None
    ) -> bytes:
        """Return an edge in a scheme."""
        return self.FMT(
            f"{self.INp}{self._edge.removeprefix('{INp}')}",
            self.label(a),
            self.label(b),
            dir=self.direction,
            attrs=self.attrs(attrs, scheme or self.edge_scheme),
        )

    def draw_node(self, obj: Any, scheme: dict[str, Any] | None = None, attrs: Any = None) -> bytes:
        """Return a node in a scheme."""
        return self.FMT(
            self._node, self.label(obj), attrs=self.attrs(attrs, scheme or self.node_scheme)
        )


class DependencyGraph(_Graph):
    """The graph that ``AsyncResult.graph`` is, with what outside programs do to it."""

    def __init__(self, it: Any = None, formatter: Any = None) -> None:
        super().__init__(None, formatter or GraphFormatter())
        if it is not None:
            self.update(it)

    def update(self, it: Any) -> None:
        """Add nodes, each with those that it depends on."""
        pairs = [(node, list(others)) for node, others in it]
        for node, _ in pairs:
            self.add_arc(node)
        for node, others in pairs:
            for other in others:
                self.add_edge(node, other)

    def connect(self, graph: Any) -> None:
        """Add another graph."""
        self.adjacent.update(graph.adjacent)

    def topsort(self) -> list[Any]:
        """Return the nodes, each after those that it depends on; raises ``CycleError``."""
        try:
            return list(TopologicalSorter(self.adjacent).static_order())
        except _CycleError as error:
            around = " -> ".join(map(str, error.args[1]))
            raise CycleError(f"there is no order: {around}") from error

    def valency_of(self, obj: Any) -> int:
        """Return how many nodes there are on the ways from this one, and itself."""
        total, seen, todo = 0, Counter[Any](), [obj]
        while todo:
            node = todo.pop()
            if node not in self.adjacent or seen[node]:
                continue
            seen[node] += 1
            total += len(self.adjacent[node])
            todo.extend(self.adjacent[node])
        return total

    def edges(self) -> Any:
        """Return the nodes that depend on others."""
        return (node for node, others in self.adjacent.items() if others)

    def items(self) -> Iterator[tuple[Any, list[Any]]]:
        """Return each node with those that it depends on."""
        return iter(self.adjacent.items())

    iteritems = items

    def format(self, obj: Any) -> Any:
        """Return the text of a node."""
        return self.formatter.label(obj) if self.formatter else obj

    def repr_node(self, obj: Any, level: int = 1, fmt: str = "{0}({1})") -> str:
        """Return a node, and below it those that it depends on."""
        return "\n".join(self._tree(obj, level, fmt, (obj,)))

    def _tree(self, obj: Any, level: int, fmt: str, above: tuple[Any, ...]) -> Iterator[str]:
        yield fmt.format(obj, self.valency_of(obj))
        for other in self.adjacent.get(obj, ()):
            indent = " " * 4 * level
            if other in above:
                yield f"{indent}{other} (again)"
                continue
            below = self._tree(other, level + 1, fmt, (*above, other))
            yield indent + next(below)
            yield from below

    def to_dot(self, fh: TextIO | None, formatter: Any = None) -> None:
        """Write the graph in the language of graphviz."""
        draw = formatter or self.formatter
        out = fh or sys.stdout
        drawn = set()

        def node(obj: Any) -> None:
            if obj not in drawn:
                drawn.add(obj)
                end = not self.adjacent.get(obj)
                print((draw.terminal_node if end else draw.node)(obj).decode(), file=out)

        print(draw.head().decode(), file=out)
        for obj, others in self.items():
            node(obj)
            for other in others:
                node(other)
                print(draw.edge(obj, other).decode(), file=out)
        print(draw.tail().decode(), file=out)

    def __repr__(self) -> str:
        return "\n".join(self.repr_node(node) for node in self)
