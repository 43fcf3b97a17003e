"""``taskq logtool`` reads the logs of taskq and of Celery."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from taskq.cli.context import CLIContext
from taskq.cli.logtool import command

LOG = """\
[2026-01-01 10:00:00,000: INFO/MainProcess] Task mail[1] received
[2026-01-01 10:00:00,001: INFO/MainProcess] Task mail[1] succeeded in 0.1 s: None
[2026-01-01 10:00:00,000: INFO/MainProcess] Task mail[2] received
[2026-01-01 10:00:00,000: ERROR/MainProcess] Task mail[2] failed after 0.1 s: KeyError()
    Traceback (most recent call last):
      File "x"
    KeyError
[2026-01-01 10:00:00,000: INFO/MainProcess] Task sum[3] received
[2026-01-01 10:00:00,000: INFO/MainProcess] Task sum[3] will be tried again: Retry()
[2026-01-01 10:00:00,000: INFO/MainProcess] Task sum[3] received
[2026-01-01 10:00:00,000: INFO/MainProcess] Task slow[4] received
[2026-01-01 10:00:00,000: ERROR/MainProcess] Hard time limit (1s) exceeded for slow[4]; it was ended
[2026-01-01 10:00:00,000: DEBUG/MainProcess] something small
"""
CELERYS = """\
[2026-01-01 10:00:00,000: INFO/MainProcess] Task mail[5] received
[2026-01-01 10:00:00,000: INFO/ForkPoolWorker-1] Task mail[5] succeeded in 0.1s: None
[2026-01-01 10:00:00,000: INFO/MainProcess] Task mail[6] received
[2026-01-01 10:00:00,000: ERROR/ForkPoolWorker-1] Task mail[6] raised unexpected: KeyError()
Traceback (most recent call last):
KeyError
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "a.log").write_text(LOG)
    (tmp_path / "b.log").write_text(CELERYS)
    return [str(tmp_path / "a.log"), str(tmp_path / "b.log")]


def said(*words: str, given: str | None = None) -> str:
    done = CliRunner().invoke(command, list(words), obj=CLIContext(no_color=True), input=given)
    assert done.exit_code == 0, done.output
    return done.output


def test_tasks_are_counted(files: list[str]) -> None:
    """How many came, how they ended, and of which names they were; of several logs together."""
    assert json.loads(said("stats", "--json", *files)) == {
        "received": 7,
        "succeeded": 2,
        "failed": 3,
        "retried": 1,
        "incomplete": 1,
        "tracebacks": 2,
        "tasks": {"mail": 4, "sum": 2, "slow": 1},
    }


def test_what_has_not_ended_is_named(files: list[str]) -> None:
    """A task that came again after a retry, and did not end, is incomplete."""
    assert said("incomplete", *files) == "did not end: sum[3]\n"


def test_entries_are_shown_whole(files: list[str]) -> None:
    """Errors and tracebacks come with the lines that belong to them."""
    assert said("traces", files[0]).splitlines()[-1] == "    KeyError"
    assert said("errors", *files).count("ERROR") == 3
    assert said("debug", *files).count("\n") == 1


def test_standard_input_is_read() -> None:
    """A log may come by a pipe."""
    assert "succeeded   1" in said("stats", given=CELERYS)
