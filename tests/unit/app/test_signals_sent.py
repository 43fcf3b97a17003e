"""Signals that an app and its work send, beside those that test_work and test_sending have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from taskq import signals
from taskq.app.work import Work
from taskq.signals import Signal
from tests.unit.app.fakes import LabApp, job_of


@contextmanager
def heard(*watched: Signal, sender: Any = None) -> Iterator[list[dict[str, Any]]]:
    told: list[dict[str, Any]] = []

    def hear(**named: Any) -> None:
        told.append({**named, "signal": named["signal"].name})

    for each in watched:
        each.connect(hear, sender=sender)
    try:
        yield told
    finally:
        for each in watched:
            each.disconnect(hear, sender=sender)


def test_a_process_of_a_pool_tells_its_begin_and_its_end(app: LabApp, work: Work) -> None:
    """Receivers may choose the node: it is the sender of both."""
    watched = (signals.worker_process_init, signals.worker_process_shutdown)

    with heard(*watched, sender="w1@host") as told:
        work.begin_process()
        work.end_process(3)

    pid = app.ports.place.pid
    assert told == [
        {"signal": "worker_process_init", "sender": "w1@host"},
        {"signal": "worker_process_shutdown", "sender": "w1@host", "pid": pid, "exitcode": 3},
    ]


def test_a_retry_is_told(app: LabApp, work: Work) -> None:
    """With the request, the reason, and the traceback of what it is tried again for."""

    @app.task(bind=True)
    def again(self: Any) -> None:
        raise self.retry(exc=ValueError("later"))

    result = again.delay()
    (sent,) = app.lab_broker.take()
    with heard(signals.task_retry) as told:
        work(job_of(sent))

    [one] = told
    assert one["sender"].name == again.name
    assert one["request"].id == result.id
    assert str(one["reason"].exc) == "later"
    assert "ValueError" in str(one["einfo"])
