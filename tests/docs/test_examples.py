"""What README and docs show as an example runs as it stands there."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, Block, blocks, example, examples
from tests.real.workers import worker

# These need a server or a worker beside them, and have tests of their own below.
BY_HAND = {"first-worker"}


def run(folder: Path, *command: str) -> str:
    """Run a command in a folder; returns what it wrote."""
    line = [sys.executable, "-W", "error", *command]
    done = subprocess.run(
        line, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "block",
    [block for block in examples() if block.name not in BY_HAND],
    ids=lambda block: str(block.name),
)
def test_an_example_runs(block: Block, tmp_path: Path) -> None:
    """A test passes under pytest with the plugin, a scenario holds, a program ends well."""
    if block.language == "yaml":
        (tmp_path / "shown.scenario.yaml").write_text(block.text)
        assert "all promises held" in run(tmp_path, "-m", "taskq_testing", "replay", ".")
    elif "def test_" in block.text:
        (tmp_path / "test_shown.py").write_text(block.text)
        assert " passed" in run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    else:
        (tmp_path / "shown.py").write_text(block.text)
        run(tmp_path, "shown.py")


def test_the_first_worker_answers_what_the_readme_says(redis_url: str, tmp_path: Path) -> None:
    """Its ``tasks.py`` is run by a real worker, and what is typed after it answers as shown."""
    shown = example("first-worker")
    typed = next(
        block
        for block in blocks(shown.page)
        if block.language == "pycon" and block.line > shown.line
    )
    assert shown.text.count('"redis://localhost"') == 2
    (tmp_path / "tasks.py").write_text(shown.text.replace("redis://localhost", redis_url))
    (tmp_path / "typed.txt").write_text(typed.text)

    with worker(tmp_path, app="tasks", cwd=tmp_path):
        run(tmp_path, "-m", "doctest", "typed.txt")  # silent, and 0, when all is as shown


def test_every_example_has_a_name_of_its_own() -> None:
    """So that a test that fails says which one it is."""
    names = Counter(block.name for block in examples())

    assert [name for name, count in names.items() if count > 1] == []
    assert set(names) >= {"first-test", "first-worker", *BY_HAND}


def test_every_program_of_the_readme_is_an_example() -> None:
    """What a newcomer copies first is run here before."""
    [readme] = [page for page in PAGES if page.name == "README.md" and page.parent == ROOT]
    unmarked = [str(b) for b in blocks(readme) if b.language == "python" and b.kind != "example"]

    assert unmarked == []
