"""``taskq-sim``: readable results, and an exit code that says which kind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from taskq_testing.cli import main
from taskq_testing.report.progress import bar_line
from taskq_testing.report.text import Table, Tally, span_text
from taskq_testing.scenario.twice import difference
from taskq_testing.sim.trace import Trace

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
    assert "1 scenario, 1 run, each made twice and compared: all promises held" in done.output


def test_a_folder_is_searched(file: Path) -> None:
    """All scenario files below it."""
    (file.parent / "deep").mkdir()
    (file.parent / "deep" / "other.scenario.yaml").write_text(GOOD)
    done = run("replay", file.parent, "--seeds", "0..4")

    assert done.exit_code == 0
    assert "2 scenarios, 10 runs, each made twice" in done.output


def test_a_file_that_does_not_hold(file: Path) -> None:
    """The broken check with its line, the last events, the command that repeats it; exit 1."""
    file.write_text(GOOD.replace("value: 3", "value: 4"))
    done = run("replay", file, "--seed", "7")

    assert done.exit_code == 1
    assert f"{file}:6: expect.0: three returned 3, not 4" in done.output
    assert "task.end" in done.output
    assert f"repeat with: taskq-sim replay {file} --seed 7 -v" in done.output


COUNTING = """\
from taskq import TaskQ
app = TaskQ("counting")
calls = []
@app.task(name="add")
def add(*numbers):
    calls.append(numbers)
    return sum(numbers) + (len(calls) > 1)
"""


def test_histories_that_differ_are_a_finding(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that remembers the run before makes another history; ``--once`` does not look."""
    monkeypatch.syspath_prepend(str(file.parent))
    (file.parent / "an_app_that_counts.py").write_text(COUNTING)
    tasks = "tasks: {add: {takes: 1h, returns: sum($args)}}"
    file.write_text(GOOD.replace(tasks, "app: {target: an_app_that_counts}"))
    once, twice = run("replay", file, "--once"), run("replay", file)

    assert once.exit_code == 0
    assert "1 scenario, 1 run: all promises held" in once.output
    assert twice.exit_code == 1


def test_the_place_where_histories_part_is_told() -> None:
    """Both events, what they are and where."""
    first, second = Trace(), Trace()
    for trace, word in ((first, "task.start"), (second, "task.end")):
        trace.add(0.0, "w1", "worker.start", {})
        trace.add(1.0, "w1", word, {"id": "a"})
    found = difference(first, second)

    assert "the histories part here: task.start on w1, then task.end on w1" in found.sentence
    assert [record.what for record in found.records] == ["task.start", "task.end"]
    assert "the end, then worker.start" in difference(Trace(), second).sentence
    assert "0 choices were drawn, then 0" in difference(first, first).sentence


@pytest.mark.parametrize("command", ["replay", "explore", "doctor"])
def test_a_file_without_meaning(command: str, file: Path) -> None:
    """Where, and what instead; exit 2."""
    file.write_text(GOOD.replace("steps", "stepps"))
    done = run(command, file)

    assert done.exit_code == 2
    assert "no key is called 'stepps'; did you mean 'steps'?" in done.output


@pytest.mark.parametrize(
    "arguments", [["replay"], ["replay", "."], ["replay", ".", "--seeds", "9..1"]]
)
def test_a_command_without_meaning(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2, as with every command line."""
    monkeypatch.chdir(tmp_path)

    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("command", ["replay", "explore", "doctor"])
def test_a_path_that_is_not_there(command: str, file: Path) -> None:
    """One line with the nearest name beside it; exit 2."""
    done = run(command, file.parent / "smal.scenario.yaml")

    assert done.exit_code == 2
    assert done.output.count("\n") == 1
    assert "no such file or folder; did you mean 'small.scenario.yaml'?" in done.output


def test_a_file_that_is_no_text(file: Path) -> None:
    """One line, no traceback; nothing is run before all files were read."""
    (file.parent / "zebra.scenario.yaml").write_bytes(b"\xff\xfe\x00")
    done = run("replay", file.parent)

    assert done.exit_code == 2
    assert done.output.count("\n") == 1
    assert "zebra.scenario.yaml:1: this is no text in UTF-8" in done.output


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.04, "0s"),
        (1.5, "1.5s"),
        (59.96, "1m00s"),
        (125, "2m05s"),
        (3599.7, "1h00m"),
        (3 * 3600, "3h00m"),
        (9 * 86400 + 4 * 3600, "9d04h"),
    ],
)
def test_spans_of_time_are_short(seconds: float, text: str) -> None:
    """Two units at most."""
    assert span_text(seconds) == text


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_line_fits_the_terminal(columns: int) -> None:
    """Long names are cut, numbers are not; lines stand under each other."""
    tally = Tally("a name that goes on " * 9, 1000, 1234567, 86400 * 99, 12.345)
    table = Table([tally.name, "short"], columns)

    assert len(table.line(tally)) == len(table.head()) <= columns
    assert table.line(tally).endswith(".. " + " 1000   99d00h  1234567 12345 ms")
    assert all(len(bar_line(tally.name, done, 250, columns)) < columns for done in (0, 7, 249, 250))


def test_a_bar_shows_how_far_it_is() -> None:
    """Out of how many, and of what."""
    assert bar_line("naps", 50, 100, 80) == "      [##########----------]  50/100  naps"


def test_events_of_a_failure_are_few(file: Path) -> None:
    """A promise that is broken by a thousand tasks does not fill a thousand lines."""
    steps = "steps: [{send: {add: [1, 2]}, id: three, times: 50}]"
    file.write_text(
        GOOD.replace("steps: [{send: {add: [1, 2]}, id: three}]", steps).replace(
            "expect: [", "expect: [{count: {event: task.start}, equals: 1}, "
        )
    )
    done = run("replay", file)

    assert "task.start happened 50 times, not 1" in done.output
    assert "... and 38 more" in done.output


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


@pytest.mark.parametrize("module", ["yaml", "greenlet"])
def test_a_missing_extra_is_named(module: str) -> None:
    """One line that says what to install; exit 2."""
    program = f"import sys; sys.modules[{module!r}] = None; import taskq_testing.cli"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert done.stderr == f"taskq-sim needs {module}: pip install 'taskq[testing]'\n"


def test_the_faults_are_listed() -> None:
    """By family, with values and defaults; for programs as JSON."""
    shown, data = run("faults"), run("faults", "--json")
    [half_open] = [one for one in json.loads(data.output) if one["name"] == "network.half_open"]

    assert "network.half_open  node notice=20s for=5s" in shown.output
    assert half_open["family"] == "network"
    assert [value["name"] for value in half_open["values"]] == ["node", "notice", "for"]
    assert half_open["values"][1]["default"] == 20.0
