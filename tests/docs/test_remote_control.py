"""The page on remote control names what there is, and nothing else."""

from __future__ import annotations

import re

from taskq.app.control import Panel
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "remote-control.md").read_text(encoding="utf-8")
EVENTS = {
    *("task-sent", "task-received", "task-started", "task-succeeded", "task-failed"),
    *("task-retried", "task-rejected", "task-revoked"),
    *("worker-online", "worker-heartbeat", "worker-offline"),
}


def first_cells(heading: str) -> set[str]:
    """Names in the first column of the table under a heading."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}


def known(kind: str) -> set[str]:
    ours = {function.__name__ for function in Panel.data.values() if "taskq" in function.__module__}
    return {info.name for info in Panel.meta.values() if info.type == kind} & ours


def test_all_questions_and_commands_are_there() -> None:
    """Under the names by which they are asked."""
    assert first_cells("Questions") == known("inspect")
    assert first_cells("Commands") == known("control")


def test_all_events_are_there() -> None:
    """Each with what it says."""
    assert first_cells("Events") == EVENTS
