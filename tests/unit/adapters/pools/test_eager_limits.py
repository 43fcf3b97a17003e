"""Time limits of eager calls, by the clock of the machine."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from typing import Any

import pytest

from taskq import TaskQ
from taskq.adapters.pools.limits import INTERRUPT

# Longer than any test may take: what sleeps so long was ended.
LONG_S = 60.0


@pytest.fixture
def app() -> Any:
    app = TaskQ("limits", set_as_current=False)
    app.conf.task_always_eager = True
    yield app
    app.close()


def test_a_hard_limit_ends_a_body(app: TaskQ) -> None:
    """Also one that waits in C, in the main thread; and the signal means nothing after it."""
    before = signal.getsignal(INTERRUPT)
    slow = app.task(name="slow", time_limit=0.05)(lambda: time.sleep(LONG_S))

    error = slow.delay().result

    assert repr(error) == "TimeLimitExceeded(0.05)"
    assert signal.getsignal(INTERRUPT) == before


def test_a_soft_limit_is_raised_in_a_body(app: TaskQ) -> None:
    """It may clean up; the hard one does not wait for that for ever."""

    @app.task(name="slow", soft_time_limit=0.05, time_limit=0.2)
    def slow(stays: bool) -> str:
        try:
            time.sleep(LONG_S)
        except Exception as error:
            if stays:
                time.sleep(LONG_S)
            return type(error).__name__
        return "never"

    assert slow.delay(False).get() == "SoftTimeLimitExceeded"
    assert repr(slow.delay(True).result) == "TimeLimitExceeded(0.2)"


def test_limits_hold_in_other_threads(app: TaskQ) -> None:
    """There they come at the next step of the body."""
    found: list[str] = []

    def wait() -> None:
        until_s = time.monotonic() + LONG_S
        while time.monotonic() < until_s:
            time.sleep(0.001)

    hard = app.task(name="hard", time_limit=0.05)(wait)
    soft = app.task(name="soft", soft_time_limit=0.05)(wait)
    thread = threading.Thread(
        target=lambda: found.extend(type(each.delay().result).__name__ for each in (hard, soft))
    )
    thread.start()
    thread.join()

    assert found == ["TimeLimitExceeded", "SoftTimeLimitExceeded"]


def test_limits_of_coroutines(app: TaskQ) -> None:
    """A hard limit cancels, a soft one is raised at an await."""

    async def wait() -> None:
        await asyncio.sleep(LONG_S)

    hard = app.task(name="hard", time_limit=0.05)(wait)
    soft = app.task(name="soft", soft_time_limit=0.05)(wait)

    names = [type(each.delay().result).__name__ for each in (hard, soft)]
    assert names == ["TimeLimitExceeded", "SoftTimeLimitExceeded"]


def test_a_body_that_stands_in_another_has_limits_of_its_own(app: TaskQ) -> None:
    """The outer one hears of its own when the inner one has ended."""
    done: list[str] = []

    @app.task(name="inner", soft_time_limit=LONG_S)
    def inner() -> None:
        until_s = time.monotonic() + 0.2
        while time.monotonic() < until_s:
            time.sleep(0.001)
        done.append("inner")

    @app.task(name="outer", soft_time_limit=0.05)
    def outer() -> None:
        inner.delay()
        time.sleep(LONG_S)

    assert type(outer.delay().result).__name__ == "SoftTimeLimitExceeded"
    assert done == ["inner"]


def test_a_cancellation_of_its_own_is_no_limit(app: TaskQ) -> None:
    """A coroutine that raises it has failed."""

    @app.task(name="cancelled", time_limit=LONG_S)
    async def cancelled() -> None:
        raise asyncio.CancelledError

    assert cancelled.delay().state == "FAILURE"
