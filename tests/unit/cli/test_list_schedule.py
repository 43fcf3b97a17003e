"""``taskq list schedule``: what beat sends when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from taskq import TaskQ
from taskq.cli.context import CLIContext
from taskq.cli.list import command
from taskq.schedules import crontab


@pytest.fixture
def app(tmp_path: Path) -> Iterator[TaskQ]:
    """An app with two entries, of which one never ran."""
    with TaskQ("listed", broker="memory://", set_as_current=False) as made:
        made.conf.timezone = "Europe/Berlin"
        made.conf.beat_schedule_filename = str(tmp_path / "schedule")
        made.conf.beat_schedule = {
            "nightly": {"task": "clean", "schedule": crontab(hour=2, minute=30), "args": ("x",)},
            "yearly": {"task": "close", "schedule": crontab("0", "0", "*", "31", "12")},
        }
        row = {"last_run_at": "2026-01-10T01:30:00+00:00", "total_run_count": 7, "sending": None}
        kept = {"format": "taskq schedule", "version": 1, "entries": {"nightly": row}}
        (tmp_path / "schedule").write_text(json.dumps(kept))
        yield made


def run(app: TaskQ, *argv: str) -> Result:
    context = CLIContext(app=app, no_color=True)
    return CliRunner().invoke(command, ["schedule", *argv], obj=context, catch_exceptions=False)


def test_a_person_sees_what_comes_next(app: TaskQ) -> None:
    """In the zone of the app, with what ran last."""
    lines = run(app).output.splitlines()

    assert lines[0].startswith("Times are in Europe/Berlin; now it is ")
    assert "nightly: clean, 30 2 * * * (m/h/dM/MY/d)" in lines
    assert "  last  2026-01-10 02:30:00 CET (7 runs)" in lines
    assert "  last  never (0 runs)" in lines
    assert sum(line.startswith("  next  ") and line.count(",") == 2 for line in lines) == 2


def test_a_program_gets_json(app: TaskQ) -> None:
    """The next first, with as many times as it asks for."""
    told: Any = json.loads(run(app, "--json", "--count", "5").output)

    assert told["zone"] == "Europe/Berlin"
    nightly, yearly = told["entries"]
    assert (nightly["name"], nightly["task"], nightly["args"]) == ("nightly", "clean", ["x"])
    assert nightly["last_run_at"] == "2026-01-10T02:30:00+01:00"
    assert nightly["total_run_count"] == 7
    assert len(nightly["next"]) == 5
    assert yearly["last_run_at"] is None
    assert all("-12-31T00:00:00+01:00" in at for at in yearly["next"])


def test_no_entries_is_said(app: TaskQ) -> None:
    """With the setting that has them."""
    app.conf.beat_schedule = {}

    assert "`beat_schedule`" in run(app).output
