"""Runs a scenario twice with one seed: the same seed must give the same history.

A second history that differs is a finding like any other, with the first place where the two part.
What makes them part: something that a body keeps between runs (a counter in a module), reads from
outside (a file, a socket), or that the harness forgot to take from the seed.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import Any

from taskq_testing.checks.finding import Finding
from taskq_testing.scenario.run import Outcome, run_scenario
from taskq_testing.scenario.schema import Scenario
from taskq_testing.sim.trace import Record, Trace

CHECK = "one-seed-one-history"


def run_twice(scenario: Scenario, seed: int, app: Any) -> Outcome:
    """Run one file with one seed, and once more to compare; ``app`` is used for both."""
    first = run_scenario(scenario, seed, app=app)
    second = run_scenario(scenario, seed, app=app)
    if first.trace.hash() == second.trace.hash():
        return first
    return replace(first, findings=(*first.findings, difference(first.trace, second.trace)))


def difference(first: Trace, second: Trace) -> Finding:
    """Where two histories of one seed part."""
    for one, other in zip_longest(first, second):
        if one != other:
            told = f"run twice, the histories part here: {_shown(one)}, then {_shown(other)}"
            return Finding(CHECK, told, tuple(each for each in (one, other) if each is not None))
    told = f"run twice, {len(first.choices)} choices were drawn, then {len(second.choices)}"
    return Finding(CHECK, told)


def _shown(record: Record | None) -> str:
    return "the end" if record is None else f"{record.what} on {record.node}"
