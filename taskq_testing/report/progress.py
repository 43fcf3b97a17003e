"""A bar on a terminal while many seeds run; nothing anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

import click

from taskq_testing.report.text import cut
from taskq_testing.stopwatch import Stopwatch

T = TypeVar("T")

WIDTH: Final = 20
# A terminal that is drawn more often than this costs more than what it shows.
PAUSE_S: Final = 0.1
_CLEAR_LINE: Final = "\r\x1b[K"


def with_bar(items: Iterable[T], name: str, columns: int) -> Iterator[T]:
    """Go through items, and show on a terminal how far it is.  The bar is gone afterwards."""
    todo = list(items)
    if len(todo) == 1 or not sys.stdout.isatty():
        yield from todo
        return
    watch, shown_s = Stopwatch(), 0.0
    try:
        for done, item in enumerate(todo):
            if watch.seconds - shown_s >= PAUSE_S:
                shown_s = watch.seconds
                click.echo(_CLEAR_LINE + bar_line(name, done, len(todo), columns), nl=False)
            yield item
    finally:
        if shown_s:
            click.echo(_CLEAR_LINE, nl=False)


def bar_line(name: str, done: int, total: int, columns: int) -> str:
    """One line that is no longer than the terminal is wide."""
    filled = WIDTH * done // total
    drawn = f"{'#' * filled}{'-' * (WIDTH - filled)}"
    count = f"{done:>{len(str(total))}}/{total}"
    # The last column stays free: writing into it would begin a new line on some terminals.
    return cut(f"      [{drawn}] {count}  {name}", columns - 1)
