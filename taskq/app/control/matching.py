"""Which workers a command means: all, those that it names, or those whose names fit a pattern."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final

from taskq.protocol.control import Command

GLOB: Final = "glob"
# Longer than this is no pattern of node names; a regular expression may take long to fail.
LONGEST_PATTERN: Final = 1024


class UnknownMatcherError(ValueError):
    """A command says in a way that is not known which workers it means."""

    def __init__(self, matcher: str) -> None:
        super().__init__(matcher)
        self.matcher = matcher

    def __str__(self) -> str:
        return f"no matcher is called {self.matcher!r}; there are {', '.join(sorted(MATCHERS))}"


def _pcre(name: str, pattern: str) -> bool:
    return re.match(pattern, name) is not None


MATCHERS: Final[Mapping[str, Callable[[str, str], bool]]] = MappingProxyType(
    {GLOB: fnmatchcase, "pcre": _pcre}
)


def is_meant(hostname: str, command: Command) -> bool:
    """Whether a worker is meant.  Raises ``ValueError`` if the pattern cannot be used."""
    if command.destination and hostname in command.destination:
        return True
    if command.pattern:
        return _fits(hostname, command.pattern, command.matcher or GLOB)
    return not command.destination


def _fits(hostname: str, pattern: str, matcher: str) -> bool:
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"a pattern of {len(pattern)} characters is too long for node names")
    fits = MATCHERS.get(matcher)
    if fits is None:
        raise UnknownMatcherError(matcher)
    try:
        return fits(hostname, pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
