"""The pytest plugin, in runs of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.unit.testing.test_command_line import GOOD


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=100
    )


def test_scenario_files_are_tests(tmp_path: Path) -> None:
    """Each seed of each file is one."""
    (tmp_path / "small.scenario.yaml").write_text(GOOD + "seeds: {count: 3}\n")
    (tmp_path / "broken.scenario.yaml").write_text(GOOD.replace("value: 3", "value: 4"))
    (tmp_path / "nonsense.scenario.yaml").write_text(GOOD.replace("name", "nmae", 1))
    done = run(tmp_path, "--continue-on-collection-errors")

    assert "3 passed" in done.stdout
    assert "1 failed" in done.stdout
    assert "three returned 3, not 4" in done.stdout
    assert "repeat with: taskq-sim replay" in done.stdout
    assert "nonsense.scenario.yaml:2: nmae: no key is called 'nmae'" in done.stdout


def test_a_failing_test_says_how_to_repeat_it(tmp_path: Path) -> None:
    """Its seed, the command, the last events."""
    (tmp_path / "test_it.py").write_text(
        "def test_it(taskq_world, taskq_app):\n"
        "    @taskq_app.task(name='nap')\n"
        "    def nap(): ...\n"
        "    world = taskq_world(taskq_app)\n"
        "    world.start_worker('w1')\n"
        "    nap.delay()\n"
        "    world.run_until_quiet()\n"
        "    assert world.trace.count('task.start') == 2\n"
    )
    done = run(tmp_path, "--taskq-seed", "5")

    assert "repeat with: pytest 'test_it.py::test_it' --taskq-seed 5" in done.stdout
    assert "task.start" in done.stdout


def test_the_plugin_costs_nothing_until_it_is_used() -> None:
    """Loading it loads neither taskq nor kombu nor greenlet."""
    program = (
        "import pytest, sys; before = set(sys.modules); import taskq_testing.plugin; "
        "print(sorted(m for m in set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "['taskq_testing', 'taskq_testing.plugin']"
