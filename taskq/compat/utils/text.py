"""``celery.utils.text``: shortening, filling and formatting."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pprint import pformat
from typing import Any, Final

__all__ = [
    "abbr",
    "abbrtask",
    "dedent",
    "dedent_initial",
    "ensure_newlines",
    "ensure_sep",
    "fill_paragraphs",
    "indent",
    "join",
    "pluralize",
    "pretty",
    "simple_format",
    "str_to_list",
    "truncate",
]

DOTS: Final = "..."
CUT: Final = "[.]"  # stands for what was cut out of the name of a task
_FORMAT: Final = re.compile(r"%(\w|%)")


def str_to_list(s: Any) -> Any:
    """Split text at commas; anything else is a list already."""
    return s.split(",") if isinstance(s, str) else s


def dedent_initial(s: str, n: int = 4) -> str:
    """Take ``n`` blanks from the first line."""
    return s[n:] if s.startswith(" " * n) else s


def dedent(s: str, sep: str = "\n") -> str:
    """Take four blanks from the beginning of each line."""
    return sep.join(dedent_initial(line) for line in s.splitlines())


def fill_paragraphs(s: str, width: int, sep: str = "\n") -> str:
    """Break each paragraph into lines of at most ``width``."""
    return sep.join(textwrap.fill(paragraph, width) for paragraph in s.split(sep))


def join(l: Iterable[str | None], sep: str = "\n") -> str:  # noqa: E741 - Celery's name
    """Join what is not empty."""
    return sep.join(filter(None, l))


def ensure_sep(sep: str, s: str, n: int = 2) -> str:
    """Let text end with at least ``n`` separators."""
    return s + sep * (n - s.count(sep))


ensure_newlines = partial(ensure_sep, "\n")


def abbr(S: str, max: int, ellipsis: str | bool = DOTS) -> str:  # noqa: A002, N803 - Celery's names
    """Cut text to a length, and show that it was cut."""
    if len(S) <= max:
        return S
    return (
        S[: max - len(ellipsis)] + ellipsis if isinstance(ellipsis, str) and ellipsis else S[:max]
    )


def abbrtask(S: str, max: int) -> str:  # noqa: A002, N803 - Celery's names
    """Cut the name of a task: the beginning of its module and the whole of its last part stay."""
    if len(S) <= max:
        return S
    module, _, name = S.rpartition(".")
    return f"{abbr(module, max - len(name) - len(CUT), False)}{CUT}{name}"


def indent(t: str, indent: int = 0, sep: str = "\n") -> str:
    """Put blanks before each line."""
    return sep.join(" " * indent + line for line in t.split(sep))


def truncate(s: str, maxlen: int = 128, suffix: str = DOTS) -> str:
    """Cut text at a word, to at most ``maxlen`` before the suffix."""
    return s if len(s) <= maxlen else s[:maxlen].rsplit(" ", 1)[0] + suffix


def pluralize(n: float, text: str, suffix: str = "s") -> str:
    """Say that there are several, or none."""
    return text if n == 1 else text + suffix


def pretty(value: object, width: int = 80, nl_width: int = 80, sep: str = "\n", **kw: Any) -> str:
    """Return what ``pprint`` makes of a value; a dict begins on a line of its own."""
    if isinstance(value, dict):
        return f"{sep} {pformat(value, 4, nl_width)[1:]}"
    return pformat(value, width=width, **kw)


def simple_format(
    s: str,
    keys: Mapping[str, str | Callable[[], str]],
    pattern: re.Pattern[str] = _FORMAT,
    expand: str = r"\1",
) -> str:
    """Put values in the place of ``%x``; two percent signs are one."""
    if not s:
        return s
    known: dict[str, str | Callable[[], str]] = {**keys, "%": "%"}

    def value(match: re.Match[str]) -> str:
        name = match.expand(expand)
        if name not in known:
            raise ValueError(
                f"there is no format %{name} in {s!r}; write %%{name} if the sign itself is meant"
            )
        found = known[name]
        return found() if callable(found) else found

    return pattern.sub(value, s)
