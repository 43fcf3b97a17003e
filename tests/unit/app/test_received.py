"""What receivers of ``task_received`` and ``task_rejected`` are given."""

from __future__ import annotations

from typing import Any

import pytest

from taskq import signals
from taskq.app.received import Request
from taskq.app.work import Work
from taskq.errors import DecodeError, TaskqError
from taskq.ports import Job
from tests.unit.app.fakes import LabApp, job_of


@pytest.fixture
def job(app: LabApp) -> Job:
    add = app.task(name="add")(lambda x, y: x + y)
    add.apply_async((1,), {"y": 2}, task_id="7", argsrepr="(**)", time_limit=5, countdown=60)
    (sent,) = app.lab_broker.take()
    return job_of(sent)


def test_a_request_has_the_names_that_receivers_know(work: Work, job: Job) -> None:
    """Those of Celery's request; the arguments are decoded when they are asked for."""
    request = Request(work.consumer, job)

    assert request.id == request.task_id == request.correlation_id == request.root_id == "7"
    assert request.name == request.task_name == request.type == request.task.name == "add"
    assert (request.args, request.kwargs) == ([1], {"y": 2})
    assert (request.argsrepr, request.kwargsrepr) == ("(**)", "{'y': 2}")
    assert (request.parent_id, request.group, request.expires) == (None, None, None)
    assert request.eta is not None
    assert request.hostname == "w1@host"
    assert request.app is work.app
    assert request.reply_to == job.properties["reply_to"]
    assert request.delivery_info == job.delivery_info
    assert request.time_limits == (job.time_limit_s, job.soft_time_limit_s)
    assert request.content_type == "application/json"
    assert request.body == job.body
    assert request.request_dict["task"] == "add"
    assert repr(request) == "<Request: add[7] (**) {'y': 2}>"


def test_a_body_that_cannot_be_read_is_an_error_of_who_asks(work: Work, job: Job) -> None:
    """All else is in the headers."""
    broken = Job(
        *(job.token, job.headers, b"\xff", job.content_type, job.content_encoding),
        *(job.properties, job.delivery_info),
    )
    request = Request(work.consumer, broken)

    assert request.humaninfo() == "add[7]"
    with pytest.raises(DecodeError):
        _ = request.args


def test_what_comes_in_is_told_by_who_takes_it(work: Work, job: Job) -> None:
    """The sender knows the app and the name of the node, as Celery's consumer does."""
    told: list[tuple[str, Any]] = []

    def hear(signal: Any, sender: Any, **named: Any) -> None:
        told.append((signal.name, (sender.app, sender.hostname, *named.values())))

    for signal in (signals.task_received, signals.task_rejected):
        signal.connect(hear)
    try:
        work.received(job)
        work.refused("it is no task", b"\xff")
    finally:
        for signal in (signals.task_received, signals.task_rejected):
            signal.disconnect(hear)

    (received, (app, hostname, request)), (rejected, (*_, message, error)) = told
    assert (received, rejected) == ("task_received", "task_rejected")
    assert (app, hostname, request.id) == (work.app, "w1@host", "7")
    assert message == b"\xff"
    assert isinstance(error, TaskqError)
    assert str(error) == "it is no task"
