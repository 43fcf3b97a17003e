"""``taskq-sim``: readable results, and an exit code that says which kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from taskq_testing.cli import main

GOOD = """\
scenario: 1
name: three is three
workers: [{name: w1}]
tasks: {add: {takes: 1h, returns: sum($args)}}
steps: [{send: {add: [1, 2]}, id: three}]
expect: [{result: three, value: 3}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.scenario.yaml"
    path.write_text(GOOD)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


def test_a_file_that_holds(file: Path) -> None:
    """One entry with its title, and a summary."""
    done = run("replay", file)

    assert done.exit_code == 0
    assert "ok    three is three" in done.output
    assert "1 scenario, 1 run: all promises held" in done.output


def test_a_folder_is_searched(file: Path) -> None:
    """All scenario files below it."""
    (file.parent / "deep").mkdir()
    (file.parent / "deep" / "other.scenario.yaml").write_text(GOOD)
    done = run("replay", file.parent, "--seeds", "0..4")

    assert done.exit_code == 0
    assert "2 scenarios, 10 runs: all promises held" in done.output


def test_a_file_that_does_not_hold(file: Path) -> None:
    """The broken check with its line, the last events, the command that repeats it; exit 1."""
    file.write_text(GOOD.replace("value: 3", "value: 4"))
    done = run("replay", file, "--seed", "7")

    assert done.exit_code == 1
    assert f"{file}:6: expect.0: three returned 3, not 4" in done.output
    assert "task.end" in done.output
    assert f"repeat with: taskq-sim replay {file} --seed 7 -v" in done.output


def test_a_file_without_meaning(file: Path) -> None:
    """Where, and what instead; exit 2."""
    file.write_text(GOOD.replace("steps", "stepps"))
    done = run("replay", file)

    assert done.exit_code == 2
    assert "no key is called 'stepps'; did you mean 'steps'?" in done.output


@pytest.mark.parametrize(
    "arguments", [["replay"], ["replay", "nowhere.yaml"], ["replay", ".", "--seeds", "9..1"]]
)
def test_a_command_without_meaning(arguments: list[str]) -> None:
    """Exit 2, as with every command line."""
    assert run(*arguments).exit_code == 2


def test_events_can_be_seen(file: Path) -> None:
    """``-v`` shows what happened, a line for each."""
    done = run("replay", file, "-v")

    assert "01:00:00.000 w1         task.end" in done.output


def test_explore_says_what_it_tried(file: Path) -> None:
    """How many seeds, how many different histories."""
    done = run("explore", file, "--runs", "5")

    assert done.exit_code == 0
    assert "5 seeds held" in done.output


def test_explore_finds_a_seed(file: Path) -> None:
    """A scenario that holds with some seeds only is broken by the first that does not."""
    racy = GOOD.replace(
        "steps: [{send: {add: [1, 2]}, id: three}]",
        "steps: [{send: {add: [1, 2]}, id: three}, {send: {add: [2, 2]}}]",
    ).replace(
        "expect: [", "expect: [{count: {event: task.start, id: three, pid: 1002}, equals: 1}, "
    )
    file.write_text(racy)
    done = run("explore", file, "--runs", "50")

    assert done.exit_code == 1
    assert "breaks it, after" in done.output
    assert "repeat with: taskq-sim replay" in done.output


def test_doctor_compares_processes(file: Path) -> None:
    """Twice here and once elsewhere, with another hash seed."""
    done = run("doctor", file)

    assert done.exit_code == 0
    assert "with another hash seed" in done.output
