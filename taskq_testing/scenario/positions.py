"""Reads YAML and keeps where each value stood.

A subset of YAML 1.2: mappings, lists, text, numbers, ``true``, ``false``, ``null``.  No tags, no
anchors, and ``on`` and ``no`` are words (YAML 1.1 would make booleans of them).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import yaml

from taskq_testing.nearest import nearest

# Levels of mappings and lists in each other.  A canvas nested to this depth is past reading.
MOST_DEEP: Final = 100


class ScenarioError(Exception):
    """A scenario file says something that has no meaning."""

    def __init__(self, file: str, line: int, key: str, problem: str) -> None:
        super().__init__(file, line, key, problem)
        self.file, self.line, self.key, self.problem = file, line, key, problem

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}"
        return f"{where}: {self.key}: {self.problem}" if self.key else f"{where}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Spot:
    """A value, and where it stood.  Mappings hold spots, and so do lists."""

    value: Any
    file: str
    line: int
    key: str  # the way to it: ``steps.0.send``

    def error(self, problem: str) -> ScenarioError:
        """Say what is wrong here."""
        return ScenarioError(self.file, self.line, self.key, problem)

    def unknown(
        self, what: str, word: str, allowed: Iterable[str], *, listed: bool = True
    ) -> ScenarioError:
        """Say that a word is not one of those that are allowed; ``listed`` names them all."""
        return self.error(f"no {what} is called {word!r}{nearest(word, allowed, listed=listed)}")

    def at(self, *path: str | int) -> Spot:
        """Go down to a value; where a part of the way was not said, stay above it."""
        spot = self
        for part in path:
            inside = spot.value
            if isinstance(inside, list):
                inside = dict(enumerate(inside))
            if not isinstance(inside, dict) or part not in inside:
                break
            spot = inside[part]
        return spot

    def plain(self) -> Any:
        """The value without positions."""
        if isinstance(self.value, dict):
            return {name: spot.plain() for name, spot in self.value.items()}
        if isinstance(self.value, list):
            return [spot.plain() for spot in self.value]
        return self.value

    def shown(self) -> str:
        """The value as a message shows it."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        return repr(self.value)


def read(text: str, file: str) -> Spot:
    """Read one document."""
    try:
        node = yaml.compose(text, Loader=_PlainLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ScenarioError(file, line, "", f"this is no YAML: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        told = f"this is no YAML: the character {text[error.position]!r} is not allowed"
        raise ScenarioError(file, line, "", told) from error
    if node is None:
        raise ScenarioError(file, 1, "", "the file is empty; begin with `scenario: 1`")
    return _spot(node, file, "")


class _PlainLoader(yaml.SafeLoader):
    """YAML without what makes one place of a file depend on another."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse anchors, aliases and tags where they stand."""
        event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's types leave it out
        for what in ("anchor", "tag"):
            if getattr(event, what, None) is not None:
                told = f"{what}s and aliases have no meaning in a scenario"
                raise yaml.composer.ComposerError(None, None, told, event.start_mark)
        self._depth = getattr(self, "_depth", 0) + 1
        if self._depth > MOST_DEEP:
            told = f"this is nested too deeply; {MOST_DEEP} levels are allowed"
            raise yaml.composer.ComposerError(None, None, told, event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _spot(node: yaml.Node, file: str, key: str) -> Spot:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return Spot(_mapping(node, file, key), file, line, key)
    if isinstance(node, yaml.SequenceNode):
        items = [_spot(child, file, _join(key, str(n))) for n, child in enumerate(node.value)]
        return Spot(items, file, line, key)
    assert isinstance(node, yaml.ScalarNode)
    return Spot(_scalar(node), file, line, key)


def _mapping(node: yaml.MappingNode, file: str, key: str) -> dict[str, Spot]:
    found: dict[str, Spot] = {}
    for name_node, child in node.value:
        name = str(name_node.value)
        if name in found:
            line = name_node.start_mark.line + 1
            raise ScenarioError(file, line, _join(key, name), "this key is here twice")
        found[name] = _spot(child, file, _join(key, name))
    return found


_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None, "~": None, "": None}
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_FLOAT: Final = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][-+]?[0-9]+)?")


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    if node.style is not None:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
