"""What receivers of signals are told is the same in a world as in production."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from taskq import TaskQ, signals
from taskq_testing import World

OF_A_TASK = (
    *("before_task_publish", "after_task_publish", "task_received", "task_prerun", "task_success"),
    *("task_failure", "task_retry", "task_postrun", "task_revoked", "task_unknown"),
)


@pytest.fixture
def told() -> Iterator[list[tuple[str, Any]]]:
    """Each signal of a task: its name, and the task."""
    seen: list[tuple[str, Any]] = []

    def hear(signal: Any, sender: Any, **named: Any) -> None:
        request = named.get("request")
        name = named.get("name") or getattr(request, "task", None) or sender
        seen.append((signal.name, getattr(name, "name", name)))

    for each in OF_A_TASK:
        signals.ALL[each].connect(hear, weak=False)
    yield seen
    for each in OF_A_TASK:
        signals.ALL[each].disconnect(hear)


def test_the_life_of_a_task_is_told_in_order(
    app: TaskQ, taskq_world: Callable[..., World], told: list[tuple[str, Any]]
) -> None:
    """From its publishing to its end."""

    @app.task(name="add")
    def add(x: int) -> int:
        return x

    world = taskq_world(app)
    world.start_worker("w1")
    add.delay(1)
    world.run_until_quiet()

    assert told == [
        ("before_task_publish", "add"),
        ("after_task_publish", "add"),
        ("task_received", "add"),
        ("task_prerun", "add"),
        ("task_success", "add"),
        ("task_postrun", "add"),
    ]


def test_what_ends_otherwise_is_told_as_what_it_is(
    app: TaskQ, taskq_world: Callable[..., World], told: list[tuple[str, Any]]
) -> None:
    """A retry, a failure, a task that is too late, one that is revoked, one that is not known."""

    @app.task(name="again", bind=True, max_retries=1)
    def again(self: Any) -> None:
        raise self.retry(countdown=5)

    @app.task(name="nap")
    def nap() -> None:
        time.sleep(60)

    world = taskq_world(app)
    again.delay()
    nap.apply_async(expires=-1)
    sleeping = nap.apply_async()
    app.send_task("nosuch")
    world.at(20, lambda: sleeping.revoke(terminate=True))
    world.start_worker("w1", slots=2)
    world.run_until_quiet()

    names = [name for name, task in told if task == "again" and "publish" not in name]
    assert names == [
        *("task_received", "task_prerun", "task_retry", "task_postrun"),
        *("task_received", "task_prerun", "task_failure", "task_postrun"),
    ]
    assert told.count(("task_revoked", "nap")) == 2
    assert told.count(("task_prerun", "nap")) == 1
    assert told.count(("task_unknown", "nosuch")) == 1
