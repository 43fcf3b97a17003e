"""A task is asked to end, and ends at the next place where it looks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from taskq import TaskQ
from taskq.contrib.abortable import ABORTED, AbortableAsyncResult, AbortableTask


@pytest.fixture
def app() -> Iterator[TaskQ]:
    app = TaskQ("abortable", broker="memory://", backend="cache+memory://", set_as_current=False)
    yield app
    app.close()


def test_a_call_gives_a_result_that_can_be_aborted(app: TaskQ) -> None:
    """What ``delay`` returns has ``abort``; the task sees it, by its id as well."""
    task = app.task(base=AbortableTask, bind=True, name="t")(lambda self: self.is_aborted())

    result = task.delay()
    before = task.is_aborted(task_id=result.id)
    result.abort()

    assert isinstance(result, AbortableAsyncResult)
    assert (before, task.is_aborted(task_id=result.id)) == (False, True)
    assert (result.state, result.is_aborted()) == (ABORTED, True)


def test_a_task_that_has_ended_is_left_as_it_is(app: TaskQ) -> None:
    """An abort that comes too late does not take a result away."""
    task = app.task(base=AbortableTask, bind=True, name="t")(lambda _self: 5)
    result = task.AsyncResult("the-id")
    app.backend.store_result("the-id", 5, "SUCCESS")

    result.abort()

    assert (result.state, result.get(timeout=1)) == ("SUCCESS", 5)
