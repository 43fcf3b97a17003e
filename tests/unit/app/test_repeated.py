"""When the store is asked whether a redelivered task has succeeded before, and what it says."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest

from taskq import states
from taskq.app.work import Work
from taskq.errors import OperationalError
from taskq.ports import Ending, EndingKind, ResultRecord
from tests.unit.app.fakes import DictStore, LabApp, job_of


def come_again(
    app: LabApp, work: Work, *, redelivered: bool = True, acks_late: bool = True
) -> Ending:
    """Send a task whose result is stored, and run its message."""
    app.conf.worker_deduplicate_successful_tasks = True
    add = app.task(name="add", acks_late=acks_late)(lambda x, y: x + y)
    result = add.delay(2, 3)
    app.backend.store_result(result.id, 5, states.SUCCESS)
    (sent,) = app.lab_broker.take()
    return work(job_of(sent, delivery_info={"redelivered": redelivered}))


def test_a_success_is_not_run_again(app: LabApp, work: Work) -> None:
    """Nothing is stored and nothing is sent; what it came to is known to the log."""
    ending = come_again(app, work)

    assert ending == Ending(1, EndingKind.REPEATED, summary="5")


@pytest.mark.parametrize("how", [{"redelivered": False}, {"acks_late": False}])
def test_only_late_tasks_that_come_again_are_asked_for(
    app: LabApp, work: Work, how: dict[str, Any]
) -> None:
    """A first delivery is run whatever is stored under its id; so is an early task."""
    assert come_again(app, work, **how).kind is EndingKind.SUCCEEDED


def test_a_store_that_keeps_nothing_is_not_asked(
    app: LabApp, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To read from the store of ``rpc://`` would be to wait for answers to oneself."""
    monkeypatch.setattr(DictStore, "keeps_nothing", True, raising=False)

    assert come_again(app, work).kind is EndingKind.SUCCEEDED


@pytest.mark.parametrize("error", [OperationalError("away"), OSError("away")])
def test_a_store_that_is_away_is_no_reason_not_to_run(
    app: LabApp,
    work: Work,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    """Then the task is run, and the log says that it may be once too often."""

    def load(store: DictStore, task_ids: Sequence[str]) -> list[ResultRecord | None]:
        raise error

    monkeypatch.setattr(DictStore, "load", load)
    with caplog.at_level(logging.WARNING):
        ending = come_again(app, work)

    assert ending.kind is EndingKind.SUCCEEDED
    assert "could not be asked: away" in caplog.text
