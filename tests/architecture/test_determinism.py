"""One seed, one history: in one process, and in processes with different hash seeds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from taskq_testing.scenario.load import load
from taskq_testing.scenario.run import make_app, run_scenario

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("*.scenario.yaml"))
PROGRAM = """
import sys
from taskq_testing.scenario.load import load
from taskq_testing.scenario.run import run_scenario
for path in sys.argv[1:]:
    for seed in (1, 2):
        print(run_scenario(load(path), seed).trace.hash())
"""


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name.split(".")[0])
def test_a_seed_is_a_history(path: Path) -> None:
    """The same seed gives the same choices, events and bytes; so does the list of choices."""
    scenario = load(path)
    first = run_scenario(scenario, 1).trace
    again = run_scenario(scenario, 1).trace
    replayed = run_scenario(scenario, 1, choices=list(first.choices)).trace

    assert first.text() == again.text() == replayed.text()
    assert first.hash() == again.hash() == replayed.hash()


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name.split(".")[0])
def test_an_app_keeps_nothing_of_a_run(path: Path) -> None:
    """Runs one after the other on one application are as if each had its own."""
    scenario = load(path)
    app = make_app(scenario)
    shared = [run_scenario(scenario, seed, app=app).trace.hash() for seed in range(3)]

    assert shared == [run_scenario(scenario, seed).trace.hash() for seed in range(3)]


def test_seeds_make_different_histories() -> None:
    """Else nothing would be explored."""
    scenario = load(next(path for path in SCENARIOS if "two_workers" in path.name))

    assert len({run_scenario(scenario, seed).trace.hash() for seed in range(10)}) == 10


def test_a_history_does_not_depend_on_the_hash_seed() -> None:
    """Two processes with different PYTHONHASHSEED see the same."""
    outputs = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM, *map(str, SCENARIOS)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]

    assert outputs[0] == outputs[1]
    assert len(set(outputs[0].split())) == 2 * len(SCENARIOS)
