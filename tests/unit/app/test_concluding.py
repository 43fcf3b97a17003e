"""Endings that a worker makes of what its core says: too slow but tried again, given up, lost."""

from __future__ import annotations

from typing import Any

import pytest

from taskq import signals
from taskq.app.work import Work
from taskq.ports import EndingKind, Job
from tests.unit.app.fakes import LabApp, RecordingBroker, job_of, meta_of


@pytest.fixture
def called(app: LabApp) -> list[Any]:
    """Who was told, of a task ``t`` with all that may follow from its failure."""
    told: list[Any] = []

    class Watched(app.Task):  # type: ignore[misc, name-defined]
        def on_failure(self, exc: Any, *_: Any) -> None:
            told.append(("handler", type(exc).__name__))

    app.task(name="t", base=Watched, retry_on_worker_lost=True)(lambda: None)
    app.task(name="old")(lambda task_id: None)
    app.task(name="body")(lambda results: None)

    @app.task(name="new")
    def new(request: Any, exc: Any, traceback: Any) -> None:
        told.append(("errback", type(exc).__name__))

    return told


def sent(app: LabApp, broker: RecordingBroker) -> Job:
    """A member of a chord with errbacks of both styles, and with a step after it."""
    task = app.tasks["t"]
    chain = [app.signature("t", options={"task_id": "next"})]
    task.apply_async(
        task_id="i",
        link_error=[app.signature("old"), app.signature("new")],
        chain=chain,
        chord=app.signature("body"),
        group_id="g",
        group_index=0,
    )
    return job_of(broker.take()[0])


def test_what_was_too_slow_and_comes_again_has_failed_this_time_only(
    app: LabApp, work: Work, broker: RecordingBroker, called: list[Any]
) -> None:
    """The failure is stored and handlers hear of it; errbacks, chord and next steps do not."""
    job = sent(app, broker)

    again = work.conclude(job, EndingKind.TIMED_OUT, "over 3 s", {"again": True})

    assert again.kind is EndingKind.TIMED_OUT
    assert again.result is not None
    assert meta_of(again.result)["status"] == "FAILURE"
    assert (again.follow_ups, again.chord) == ((), None)
    assert called == [("handler", "TimeLimitExceeded")]
    assert app.lab_store.records == {}


def test_what_was_too_slow_for_the_last_time_tells_everybody(
    app: LabApp, work: Work, broker: RecordingBroker, called: list[Any]
) -> None:
    """Once, now."""
    job = sent(app, broker)

    last = work.conclude(job, EndingKind.TIMED_OUT, "over 3 s", {"again": False})

    assert [message.message.headers["task"] for message in last.follow_ups] == ["old"]
    assert last.chord is not None
    assert called == [("errback", "TimeLimitExceeded"), ("handler", "TimeLimitExceeded")]
    assert list(app.lab_store.records) == ["next"]


def test_what_is_given_up_is_not_tried_again(
    app: LabApp, work: Work, broker: RecordingBroker, called: list[Any]
) -> None:
    """It was tried often enough, whatever ``retry_on_worker_lost`` says; its chord is told."""
    job = sent(app, broker)
    reason = "given out 20 times, and its process was lost each time"

    tried = work.conclude(job, EndingKind.LOST, "exitcode 9", {})
    given_up = work.conclude(job, EndingKind.LOST, reason, {"given_up": True})

    assert tried.kind is EndingKind.RETRIED
    assert given_up.kind is EndingKind.LOST
    assert given_up.result is not None
    assert meta_of(given_up.result)["result"]["exc_type"] == "WorkerLostError"
    assert reason in given_up.summary
    assert given_up.chord is not None
    assert ("errback", "WorkerLostError") in called


def test_receivers_are_told_how_a_task_was_revoked(app: LabApp, work: Work) -> None:
    """The core says it in facts, not in the words of the reason."""
    app.task(name="t")(lambda: None)
    told = []

    def hear(**named: Any) -> None:
        told.append((named["terminated"], named["signum"], named["expired"]))

    job = Job(7, {"task": "t", "id": "i"}, b"[[], {}, {}]", "application/json", "utf-8", {}, {})
    with_facts = {"terminated": True, "signum": 9}
    signals.task_revoked.connect(hear)
    try:
        work.conclude(job, EndingKind.REVOKED, "terminated", with_facts)
        work.conclude(job, EndingKind.REVOKED, "expired", {"expired": True})
        work.conclude(job, EndingKind.REVOKED, "revoked", {})
    finally:
        signals.task_revoked.disconnect(hear)

    assert told == [(True, 9, False), (False, None, True), (False, None, False)]
