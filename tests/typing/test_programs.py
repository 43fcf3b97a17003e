"""Programs that use tasks, as mypy and pyright see them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mypy import api

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
RIGHT = HERE / "programs" / "right_calls.py"
WRONG = HERE / "programs" / "wrong_calls.py"


def marked_lines(program: Path) -> set[int]:
    lines = program.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}


@pytest.fixture(scope="module")
def mypy_lines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[int, str]]:
    """What mypy says of the programs, by file and line."""
    out, err, _ = api.run(
        [
            "--strict",
            "--no-error-summary",
            "--config-file",
            str(ROOT / "pyproject.toml"),
            "--cache-dir",
            str(tmp_path_factory.mktemp("mypy")),
            str(RIGHT),
            str(WRONG),
        ]
    )
    assert not err, err
    found: dict[str, dict[int, str]] = {RIGHT.name: {}, WRONG.name: {}}
    for line in out.splitlines():
        path, _, rest = line.partition(":")
        number, _, message = rest.partition(":")
        if Path(path).name in found and " error:" in message:
            found[Path(path).name][int(number)] = message
    return found


@pytest.fixture(scope="module")
def pyright_lines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[int, str]]:
    """What pyright says of the programs, by file and line.

    basedpyright is pyright with its program inside the wheel: nothing is fetched at run time.
    """
    ran = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--outputjson", str(RIGHT), str(WRONG)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=ROOT,
    )
    found: dict[str, dict[int, str]] = {RIGHT.name: {}, WRONG.name: {}}
    for each in json.loads(ran.stdout)["generalDiagnostics"]:
        if each["severity"] == "error":
            line = each["range"]["start"]["line"] + 1
            found[Path(each["file"]).name][line] = each["message"]
    return found


def test_mypy_sees_parameters_and_results(mypy_lines: dict[str, dict[int, str]]) -> None:
    """Under mypy the right calls are right, and their results have the types of the functions."""
    assert mypy_lines[RIGHT.name] == {}


def test_mypy_refuses_wrong_calls(mypy_lines: dict[str, dict[int, str]]) -> None:
    """Under mypy each wrong call is an error, and nothing else is."""
    assert set(mypy_lines[WRONG.name]) == marked_lines(WRONG)


def test_pyright_sees_parameters_and_results(pyright_lines: dict[str, dict[int, str]]) -> None:
    """Under pyright the right calls are right, and have the types of the functions."""
    assert pyright_lines[RIGHT.name] == {}


def test_pyright_refuses_wrong_calls(pyright_lines: dict[str, dict[int, str]]) -> None:
    """Under pyright each wrong call is an error, and nothing else is."""
    assert set(pyright_lines[WRONG.name]) == marked_lines(WRONG)
