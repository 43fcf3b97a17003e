"""The words after ``taskq multi COMMAND`` -> nodes, and the command line of each.

Pure: it reads no file and starts nothing.  ``multi.py`` does.

    taskq multi start 3 -c 2 -c:1 8 -Q:2-3 images    celery1 to celery3, with options of their own
    taskq multi start web mail -c:web 4              named ones
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from taskq.errors import TaskqError
from taskq.wiring.nodenames import expand

__all__ = ["Node", "Nodes", "NodesError", "read_words"]

RANGE_PREFIX: Final = "celery"
PIDFILE: Final = "%n.pid"
LOGFILE: Final = "%n%I.log"
# More than that is a slip of the pen.
MOST_NODES: Final = 10_000
# Options of the program, which stand before the command.
OF_PROGRAM: Final = frozenset(
    {
        *("-A", "--app", "-b", "--broker", "--result-backend", "--loader", "--config"),
        *("--workdir", "-C", "--no-color", "-q", "--quiet", "--skip-checks"),
    }
)
# Short options that stand alone; each other one has a value behind it.
FLAGS: Final = frozenset({"-E", "-B", "-D", "-C", "-q"})
# Options of ``multi`` itself.
OWN: Final = frozenset(
    {
        *("--prefix", "--suffix", "--range-prefix", "--hostname", "--cmd", "--append"),
        *("--executable", "--pidfile", "--logfile", "-n", "-p", "-f"),
    }
)
_RANGE: Final = re.compile(r"^(\d+)-(\d+)$")


class NodesError(TaskqError):
    """The words make no sense."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of workers: of all, or of those that are named behind its colon."""

    name: str
    value: str | None = None
    only: str = ""

    def words(self) -> Iterator[str]:
        """Return it as it is written."""
        if self.value is None:
            yield self.name
        elif self.name.startswith("--"):
            yield f"{self.name}={self.value}"
        else:
            yield from (self.name, self.value)


@dataclass(slots=True)
class Words:
    """What was said: names, options, and what stands behind ``--``."""

    names: list[str] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)
    signal: str | None = None  # -9, -TERM: what ``stop`` sends

    def take(self, *names: str) -> str | None:
        """Return the value of an option that is not of a worker, and take it out."""
        found = [option for option in self.options if option.name in names and not option.only]
        self.options = [option for option in self.options if option not in found]
        return found[-1].value if found else None

    def has(self, *names: str) -> bool:
        """Say whether an option without a value was said, and take it out."""
        there = any(option.name in names for option in self.options)
        self.options = [option for option in self.options if option.name not in names]
        return there


_SIGNAL: Final = re.compile(r"^-(?:SIG)?([A-Z]{2,}\d?|\d+)$")


def read_words(words: Sequence[str]) -> Words:
    """Tell names and options apart."""
    said, todo = Words(), list(words)
    while todo:
        word = todo.pop(0)
        if word == "--":
            said.rest = ["--", *todo]
            break
        if not word.startswith("-") or word == "-":
            said.names.append(word)
        elif word.startswith("--"):
            said.options.append(_long(word))
        elif found := _SIGNAL.match(word):
            said.signal = found[1]
        else:
            said.options.append(_short(word, todo))
    return said


def _long(word: str) -> Option:
    name, equals, value = word.partition("=")
    name, _, only = name.partition(":")
    return Option(name, value if equals else None, only)


def _short(word: str, todo: list[str]) -> Option:
    name, _, only = word.partition(":")
    if len(name) > 2:  # noqa: PLR2004 - its value is written together with it: -lINFO
        return Option(name[:2], name[2:], only)
    if name in FLAGS or not todo or todo[0].startswith("-"):
        return Option(name, None, only)
    return Option(name, todo.pop(0), only)


@dataclass(frozen=True, slots=True)
class Node:
    """One worker."""

    name: str  # the whole name: celery1@host
    index: int  # its place, from 1
    pidfile: str
    logfile: str
    words: tuple[str, ...]  # its command line

    def expand(self, pattern: str) -> str:
        """Return a pattern with the node's parts filled in."""
        number = pattern.replace("%N", self.name.partition("@")[0])
        return expand(number, self.name)


class Nodes:
    """All workers of one call."""

    def __init__(self, said: Words, *, python: str, host: str) -> None:
        self._said = said
        self._prefix = said.take("--prefix") or ""
        self._suffix = said.take("--suffix") or ""
        self._range_prefix = said.take("--range-prefix") or RANGE_PREFIX
        self._host = said.take("--hostname", "-n") or host
        self._command = said.take("--cmd") or ""
        self._append = said.take("--append") or ""
        self._python = said.take("--executable") or python
        self._pidfile = said.take("--pidfile", "-p") or PIDFILE
        self._logfile = said.take("--logfile", "-f") or LOGFILE
        self._names = self._expanded(said.names)
        self._check_options()

    def __iter__(self) -> Iterator[Node]:
        for index, name in enumerate(self._names, start=1):
            yield self._node(index, name)

    def __len__(self) -> int:
        return len(self._names)

    def _expanded(self, names: Sequence[str]) -> list[str]:
        if len(names) == 1 and names[0].isdigit():
            count = int(names[0])
            if not 0 < count <= MOST_NODES:
                raise NodesError(f"{count} nodes: say a number from 1 to {MOST_NODES}")
            return [f"{self._range_prefix}{number}" for number in range(1, count + 1)]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise NodesError(f"{twice!r} is named twice; each node needs a name of its own")
        return list(names)

    def _check_options(self) -> None:
        """Refuse options for nodes that are not there."""
        for option in self._said.options:
            for word in filter(None, option.only.split(",")):
                if not any(
                    _is_meant(word, index, name) for index, name in enumerate(self._names, start=1)
                ):
                    raise NodesError(
                        f"{option.name}:{option.only}: there is no node {word!r} among"
                        f" {', '.join(self._names) or 'none'}"
                    )

    def _node(self, index: int, short: str) -> Node:
        inner = f"{self._prefix}{short}{self._suffix}"
        name = inner if "@" in inner else f"{inner}@{self._host}"
        name = expand(name, f"{inner.partition('@')[0]}@{self._host}")
        options = self._options_of(index, short)
        pidfile = expand(str(options.pop("--pidfile", None) or self._pidfile), name)
        logfile = str(options.pop("--logfile", None) or self._logfile)
        words = self._line(name, options, pidfile, expand_name(logfile, name))
        return Node(name, index, pidfile, expand_name(logfile, name), words)

    def _options_of(self, index: int, short: str) -> dict[str, str | None]:
        """Return what this one is told; what is said of it counts more than what is said of all."""
        found: dict[str, str | None] = {
            option.name: option.value for option in self._said.options if not option.only
        }
        for option in self._said.options:
            if any(_is_meant(word, index, short) for word in option.only.split(",") if word):
                found[option.name] = option.value
        return found

    def _line(
        self, name: str, options: Mapping[str, str | None], pidfile: str, logfile: str
    ) -> tuple[str, ...]:
        said = [Option(option, value) for option, value in options.items()]
        of_program = [one for one in said if one.name in OF_PROGRAM]
        of_worker = [one for one in said if one.name not in OF_PROGRAM]
        begin = self._command.split() or [self._python, "-m", "taskq"]
        return (
            *begin,
            *(word for one in of_program for word in one.words()),
            *("worker", "--detach"),
            *(word for one in of_worker for word in one.words()),
            *("-n", name, f"--pidfile={pidfile}", f"--logfile={logfile}"),
            f"--executable={self._python}",
            *self._append.split(),
            *self._said.rest,
        )


def expand_name(pattern: str, node: str) -> str:
    """Return a pattern with the node's name filled in; what differs by process stays."""
    kept = pattern.replace("%I", "%%I").replace("%i", "%%i")
    return expand(kept, node)


def _is_meant(word: str, index: int, name: str) -> bool:
    """Whether ``1``, ``1-3`` or a name means a node."""
    if found := _RANGE.match(word):
        return int(found[1]) <= index <= int(found[2])
    return word == name or (word.isdigit() and int(word) == index)
