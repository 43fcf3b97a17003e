"""Finds out whether runs are reproducible on this machine.

Each scenario is run twice here and once in a process with another hash seed; the fingerprints of
choices, events and payloads must be the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import greenlet

from taskq_testing.scenario.load import load, loads
from taskq_testing.scenario.run import run_scenario
from taskq_testing.scenario.schema import Scenario

_SMALL = """
scenario: 1
name: two workers share ten tasks
workers: [{name: w1}, {name: w2}]
tasks: {nap: {takes: {uniform: [1s, 9s]}, returns: $args.0}}
steps: [{send: {nap: [1]}, times: 10}]
expect: [{count: {event: task.end}, equals: 10}]
"""


def examine(files: Sequence[Path] | None) -> Iterator[tuple[str, bool]]:
    """Say line by line what was looked at, and whether it is well."""
    yield f"Python {sys.version.split()[0]}, greenlet {greenlet.__version__}", True
    if files is None:
        yield from _examine(loads(_SMALL, "a scenario of its own"), None)
        return
    for file in files:
        yield from _examine(load(file), file)


def _examine(scenario: Scenario, file: Path | None) -> Iterator[tuple[str, bool]]:
    first, second = run_scenario(scenario).trace.hash(), run_scenario(scenario).trace.hash()
    yield f"{scenario.file}: twice in this process: {first}", first == second
    elsewhere = _hash_elsewhere(file)
    yield f"{scenario.file}: with another hash seed: {elsewhere}", first == elsewhere


def _hash_elsewhere(file: Path | None) -> str:
    own = os.environ.get("PYTHONHASHSEED", "random")
    environment = {**os.environ, "PYTHONHASHSEED": "1" if own != "1" else "2"}
    command = [sys.executable, "-m", "taskq_testing.doctor", *([str(file)] if file else [])]
    done = subprocess.run(  # noqa: S603 - this very module, with a path that the user gave
        command, env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or done.stderr.strip()[-200:]


if __name__ == "__main__":
    scenario_ = load(sys.argv[1]) if len(sys.argv) > 1 else loads(_SMALL, "a scenario of its own")
    sys.stdout.write(run_scenario(scenario_).trace.hash())
