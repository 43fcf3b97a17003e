"""Sphinx documents tasks by their functions."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from sphinx.application import Sphinx

MODULE = '''
from taskq import TaskQ

app = TaskQ("documented", set_as_current=False)


@app.task(bind=True)
def add(self, x: int, y: int = 2) -> int:
    """Add two numbers, far away."""
    return x + y
'''


def test_tasks_are_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``automodule`` and ``autotask`` show a task with its parameters and its text."""
    (tmp_path / "documented_tasks.py").write_text(MODULE)
    (tmp_path / "conf.py").write_text('extensions = ["taskq.contrib.sphinx"]\n')
    (tmp_path / "index.rst").write_text(
        "Tasks\n=====\n\n.. automodule:: documented_tasks\n   :members:\n\n"
        ".. autotask:: documented_tasks.add\n   :no-index:\n\n"
        ".. py:task:: by_hand(x)\n\n   Written by hand.\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    warnings = io.StringIO()

    built = Sphinx(
        *(tmp_path, tmp_path, tmp_path / "out", tmp_path / "trees", "text"),
        status=None,
        warning=warnings,
    )
    built.build()

    text = (tmp_path / "out" / "index.txt").read_text()
    assert warnings.getvalue() == ""
    assert text.count("Add two numbers, far away.") == 2
    assert text.count("documented_tasks.add(x: int, y: int = 2)") == 2
    assert "(task) documented_tasks.by_hand(x)" in text
    sys.modules.pop("documented_tasks", None)
