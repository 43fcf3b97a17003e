"""``taskq_eager``: calls of an app run where they are made, and a test sees what came of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from taskq import TaskQ
from taskq.app.eager.intake import EndlessError
from taskq.errors import SoftTimeLimitExceeded, TaskRevokedError, TimeLimitExceeded
from taskq.errors import TimeoutError as ResultTimeoutError
from taskq_testing.eager import Eager

OpenEager = Callable[..., Eager]


def test_a_countdown_is_leapt_over(taskq_eager: OpenEager, taskq_app: TaskQ) -> None:
    """A call returns when its task has run, and says when that was."""
    eager = taskq_eager(taskq_app)
    began = eager.now
    when = taskq_app.task(name="when")(lambda: taskq_app.now().timestamp())

    ran_at_s = when.apply_async(countdown=3 * 86400).get()

    assert ran_at_s - began.timestamp() >= 3 * 86400
    assert eager.now - began >= timedelta(days=3)
    assert eager.elapsed_s == pytest.approx(3 * 86400)


def test_time_can_be_let_pass(taskq_eager: OpenEager, taskq_app: TaskQ) -> None:
    """So what was to begin before a moment has expired."""
    eager = taskq_eager(taskq_app)
    noop = taskq_app.task(name="noop")(lambda: None)
    expires = eager.now + timedelta(hours=1)

    eager.advance(7200)

    with pytest.raises(TaskRevokedError, match="expired"):
        noop.apply_async(expires=expires).get()


def test_all_that_was_sent_can_be_seen(taskq_eager: OpenEager, taskq_app: TaskQ) -> None:
    """By the test, by bodies, and what followed: retries, steps of chains."""

    @taskq_app.task(name="flaky", bind=True)
    def flaky(self: Any, x: int) -> int:
        if not self.request.retries:
            raise self.retry(countdown=60)
        return x

    @taskq_app.task(name="outer")
    def outer(x: int) -> int:
        taskq_app.send_task("flaky", (7,), queue="slow")
        return x

    eager = taskq_eager(taskq_app)
    (outer.s(1) | flaky.s()).delay()

    assert [(each.task, each.args, each.retries) for each in eager.sent] == [
        ("outer", (1,), 0),
        ("flaky", (7,), 0),
        ("flaky", (7,), 1),
        ("flaky", (1,), 0),
        ("flaky", (1,), 1),
    ]
    assert [each.queue for each in eager.sent_of(flaky)] == ["slow", "slow", "celery", "celery"]
    assert eager.sent_of("outer")[0].eta is None
    assert eager.sent_of(flaky)[1].eta is not None


def test_results_can_be_read_until_the_test_ends(taskq_eager: OpenEager, taskq_app: TaskQ) -> None:
    """By id, as from a store."""
    taskq_eager(taskq_app)
    double = taskq_app.task(name="double")(lambda x: 2 * x)

    double.apply_async((4,), task_id="mine")

    assert taskq_app.AsyncResult("mine").get(timeout=1) == 8
    with pytest.raises(ResultTimeoutError):
        taskq_app.AsyncResult("another").get(timeout=1)


def test_sleeping_costs_no_time_and_limits_count_it(
    taskq_eager: OpenEager, taskq_app: TaskQ
) -> None:
    """Soft limits are raised in the body, hard ones end it, in the time of the clock."""
    eager = taskq_eager(taskq_app)

    @taskq_app.task(name="long", soft_time_limit=600, time_limit=900)
    def long(patience_s: float) -> str:
        try:
            time.sleep(3600)
        except SoftTimeLimitExceeded:
            time.sleep(patience_s)
            return "cleaned up"
        return "never"

    assert long.delay(60).get() == "cleaned up"
    assert eager.elapsed_s == pytest.approx(660)
    with pytest.raises(TimeLimitExceeded):
        long.delay(3600).get()


def test_limits_of_the_caller_wait_for_the_task_that_it_calls(
    taskq_eager: OpenEager, taskq_app: TaskQ
) -> None:
    """A body that stands in another one is not ended by the limit of that one."""
    taskq_eager(taskq_app)
    inner = taskq_app.task(name="inner")(lambda: time.sleep(3600))

    @taskq_app.task(name="outer", time_limit=60)
    def outer() -> str:
        return str(inner.delay().state)

    assert outer.delay().get() == "SUCCESS"


def test_other_threads_sleep_as_ever(taskq_eager: OpenEager, taskq_app: TaskQ) -> None:
    """Virtual is the time of the test and of its bodies alone."""
    eager = taskq_eager(taskq_app)
    thread = threading.Thread(target=time.sleep, args=(0.001,))
    thread.start()
    thread.join()

    assert eager.elapsed_s == 0
    time.sleep(5)
    assert eager.elapsed_s == 5


def test_failures_are_raised_where_that_is_asked_for(
    taskq_eager: OpenEager, taskq_app: TaskQ
) -> None:
    """Else they are in the result, as the settings of the app say."""
    fail = taskq_app.task(name="fail")(lambda: 1 / 0)

    taskq_eager(taskq_app)
    assert fail.delay().state == "FAILURE"
    taskq_eager(taskq_app, propagates=True)
    with pytest.raises(ZeroDivisionError):
        fail.delay()


def test_the_app_is_left_as_it_was(taskq_app: TaskQ) -> None:
    """Settings, ports and the clock of the process."""
    before = taskq_app.conf.task_always_eager, taskq_app.ports, time.sleep

    with Eager(taskq_app, propagates=True):
        assert taskq_app.ports is not before[1]

    assert (taskq_app.conf.task_always_eager, taskq_app.ports, time.sleep) == before
    assert not taskq_app.conf.task_eager_propagates


def test_a_task_that_never_ends_is_given_up(taskq_eager: OpenEager, taskq_app: TaskQ) -> None:
    """Instead of a test that hangs there is an error that names it."""
    taskq_eager(taskq_app)

    @taskq_app.task(name="forever", bind=True, max_retries=None)
    def forever(self: Any) -> None:
        raise self.retry(countdown=1)

    with pytest.raises(EndlessError, match=r"forever\[mine\] was sent 2,000 times"):
        forever.apply_async(task_id="mine")


def test_it_says_that_it_is_not_open(taskq_app: TaskQ) -> None:
    """What it has to say it knows only while it is open."""
    with pytest.raises(RuntimeError, match="call open"):
        Eager(taskq_app).now  # noqa: B018 - it raises
