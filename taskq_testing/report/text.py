"""Runs as text: a line for each file, and what there is to say of one that failed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from taskq_testing.scenario.run import Outcome
from taskq_testing.sim.trace import Record

LAST_EVENTS: Final = 30
# Records shown under one finding; a promise over thousands of tasks is broken by thousands.
FINDING_EVENTS: Final = 12
PROGRAM: Final = "taskq-sim"
# What stands before and behind the name in a line: the verdict and four columns of numbers.
_COLUMNS_FOR_NUMBERS: Final = 40
_SHORTEST_NAME: Final = 16


@dataclass(slots=True)
class Tally:
    """Many runs of one file.  Of those that held it keeps numbers only."""

    name: str
    runs: int = 0
    events: int = 0
    sim_s: float = 0.0
    real_s: float = 0.0
    broken: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one run."""
        self.runs += 1
        self.events += len(outcome.trace)
        self.sim_s += outcome.sim_s
        if not outcome.passed:
            self.broken.append(outcome)


class Table:
    """Lines of one replay, aligned; on a terminal they are no wider than it is."""

    def __init__(self, names: Iterable[str], columns: int | None) -> None:
        longest = max((len(name) for name in names), default=0)
        room = longest if columns is None else max(columns - _COLUMNS_FOR_NUMBERS, _SHORTEST_NAME)
        self._name = min(max(longest, _SHORTEST_NAME), room)

    def head(self) -> str:
        """Say what the columns are."""
        name = "scenario".ljust(self._name)
        return f"      {name} {'seeds':>5} {'virtual':>8} {'events':>8} {'real':>8}"

    def line(self, tally: Tally) -> str:
        """Say of one file whether it holds, over one seed or many."""
        mark = "FAIL" if tally.broken else "ok"
        name = cut(tally.name, self._name).ljust(self._name)
        real = f"{tally.real_s * 1000:.0f} ms"
        return (
            f"{mark:<4}  {name} {tally.runs:>5} {span_text(tally.sim_s):>8} {tally.events:>8} "
            f"{real:>8}"
        )


def failure_text(outcome: Outcome, program: str = PROGRAM, columns: int | None = None) -> str:
    """Say what was broken, with its events, and how to repeat it."""
    lines = [f"broken, with seed {outcome.seed}:"]
    for finding in outcome.findings:
        lines.append(_indent(f"{finding.check}: {finding.sentence}"))
        lines += _events(finding.records, FINDING_EVENTS, 4, columns)
    last = outcome.trace.records[-LAST_EVENTS:]
    lines += ["last events:", *_events(last, LAST_EVENTS, 2, columns)]
    lines.append(f"repeat with: {repeat_command(outcome, program)}")
    return "\n".join(lines)


def repeat_command(outcome: Outcome, program: str = PROGRAM) -> str:
    """The command that makes this run again."""
    return f"{program} replay {shlex.quote(outcome.scenario.file)} --seed {outcome.seed} -v"


def span_text(seconds: float) -> str:
    """Word a span of time in few characters: ``1.5s``, ``2m05s``, ``3h00m``, ``9d04h``."""
    tenths = round(seconds, 1)
    if tenths < _MINUTE_S:
        return f"{tenths:g}s"
    whole = round(seconds)
    for unit, size_s, smaller, part_s in _UNITS:
        if whole >= size_s:
            return f"{whole // size_s}{unit}{whole % size_s // part_s:02d}{smaller}"
    raise AssertionError(f"{seconds} s is a minute or more, and less than one")


_MINUTE_S: Final = 60
_UNITS: Final = (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", _MINUTE_S, "s", 1))


def cut(text: str, columns: int) -> str:
    """Shorten a text to so many characters; dots show that something is missing."""
    return text if len(text) <= columns else f"{text[: max(columns - 2, 0)]}.."


def _events(records: Sequence[Record], most: int, indent: int, columns: int | None) -> list[str]:
    lines = [f"{' ' * indent}{record}" for record in records[:most]]
    if len(records) > most:
        lines.append(f"{' ' * indent}... and {len(records) - most} more")
    return [cut(line, columns) for line in lines] if columns else lines


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
