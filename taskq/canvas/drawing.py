"""Nodes and arrows, and how DOT and Mermaid write them.

Knows neither signatures nor results: who draws something says what the nodes are
(``picture.py``, ``app.graph``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

__all__ = ["FORMATS", "Arrow", "Drawing", "Node", "dot", "dot_text", "mermaid"]


@dataclass(frozen=True, slots=True)
class Node:
    """Something that is called, or where several meet."""

    label: str
    is_joint: bool = False  # where results meet: no task of its own


@dataclass(frozen=True, slots=True)
class Arrow:
    """A result that goes from one node to another, by their numbers."""

    start: int
    end: int
    label: str = ""
    is_dashed: bool = False


@dataclass(slots=True)
class Drawing:
    """What is drawn; nodes are numbered as they are added."""

    nodes: list[Node] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)

    def add(self, label: str, *, is_joint: bool = False) -> int:
        """Add a node; return its number."""
        self.nodes.append(Node(label, is_joint))
        return len(self.nodes) - 1

    def join(self, start: int, end: int, label: str = "", *, is_dashed: bool = False) -> None:
        """Add an arrow."""
        self.arrows.append(Arrow(start, end, label, is_dashed))


def dot(drawing: Drawing) -> str:
    """Write it in the language of graphviz."""
    return "\n".join(("digraph workflow {", *_dot_lines(drawing), "}"))


def _dot_lines(drawing: Drawing) -> Iterator[str]:
    yield "  node [shape=box];"
    for number, node in enumerate(drawing.nodes):
        shape = ", shape=circle" if node.is_joint else ""
        yield f"  n{number} [label={dot_text(node.label)}{shape}];"
    for arrow in drawing.arrows:
        said = [f"label={dot_text(arrow.label)}"] if arrow.label else []
        said += ["style=dashed"] if arrow.is_dashed else []
        looks = f" [{', '.join(said)}]" if said else ""
        yield f"  n{arrow.start} -> n{arrow.end}{looks};"


def dot_text(text: str) -> str:
    """Quote a text for graphviz."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def mermaid(drawing: Drawing) -> str:
    """Write it as a Mermaid flowchart, which many wikis and code hosts draw."""
    return "\n".join(("flowchart TD", *_mermaid_lines(drawing)))


def _mermaid_lines(drawing: Drawing) -> Iterator[str]:
    for number, node in enumerate(drawing.nodes):
        start, end = ("((", "))") if node.is_joint else ("[", "]")
        yield f"  n{number}{start}{_mermaid_text(node.label)}{end}"
    for arrow in drawing.arrows:
        line = "-.->" if arrow.is_dashed else "-->"
        label = f"|{_mermaid_text(arrow.label)}|" if arrow.label else ""
        yield f"  n{arrow.start} {line}{label} n{arrow.end}"


def _mermaid_text(text: str) -> str:
    # Inside of quotes all is text but these; a number sign begins an entity.
    escaped = text.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;")
    return '"{}"'.format(escaped.replace(">", "#gt;").replace("\n", "<br/>"))


FORMATS: Final[Mapping[str, Callable[[Drawing], str]]] = MappingProxyType(
    {"dot": dot, "mermaid": mermaid}
)
