"""Hours of sleep, ETAs and retries cost no real time and happen at the right moment."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

import pytest

from taskq import TaskQ
from taskq_testing import World
from taskq_testing.checks.registry import run_checks


def test_machines_have_the_zone_of_their_world(
    app: TaskQ, taskq_world: Callable[..., World]
) -> None:
    """`zone=` is that of every machine's operating system; bodies see its time of day."""

    @app.task
    def local() -> list[str]:
        return [time.strftime("%H:%M"), str(dt.datetime.now())[11:16], str(dt.date.today())]  # noqa: DTZ005, DTZ011 - what is tested

    world = taskq_world(app, zone="Asia/Tokyo", start="2030-01-01T20:00:00Z")
    world.start_worker("w1")

    assert local.delay().get() == ["05:00", "05:00", "2030-01-02"]


def test_an_hour_of_sleep_costs_nothing(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """A hundred bodies that sleep an hour each are over in no time."""

    @app.task
    def sleep() -> str:
        time.sleep(3600)
        return dt.datetime.now(dt.UTC).isoformat()

    world = taskq_world(app, start="2030-06-01T12:00:00Z")
    world.start_worker("w1", slots=10)
    before = time.perf_counter()
    results = [sleep.delay() for _ in range(100)]
    world.run_until_quiet()

    assert world.now_s == pytest.approx(10 * 3600)
    assert time.perf_counter() - before < 5
    assert results[0].get().startswith("2030-06-01T13:00:00")


def test_an_eta_is_kept(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """A task does not begin before its ETA, and begins at it."""

    @app.task
    def note() -> None:
        """Do nothing."""

    world = taskq_world(app)
    world.start_worker("w1")
    note.apply_async(countdown=7200)
    note.apply_async(eta=dt.datetime(2030, 1, 1, 5, tzinfo=dt.UTC))
    note.delay()
    world.run_until_quiet()

    begins = [record.at_s for record in world.trace.find("task.start")]
    assert begins == pytest.approx([0.0, 7200.0, 5 * 3600.0], abs=1e-3)
    assert run_checks(world) == []


def test_retries_wait_in_virtual_time(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """Each retry comes after its countdown; the last result counts."""

    @app.task(bind=True, max_retries=5)
    def flaky(self: Any) -> int:
        if self.request.retries < 3:
            raise self.retry(countdown=600 * (self.request.retries + 1))
        return int(self.request.retries)

    world = taskq_world(app)
    world.start_worker("w1")
    result = flaky.delay()
    world.run_until_quiet()

    begins = [record.at_s for record in world.trace.find("task.start")]
    assert begins == pytest.approx([0, 600, 1800, 3600], abs=1e-3)
    assert result.get() == 3
    assert run_checks(world) == []


def test_each_node_has_a_clock(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """A body sees the wall clock of its worker, also when that one is wrong."""

    @app.task
    def now() -> float:
        return time.time()

    world = taskq_world(app)
    world.start_worker("w1")
    right = now.delay().get()
    world.jump_clock("w1", -3600)

    assert now.delay().get() == pytest.approx(right - 3600)


def test_a_soft_time_limit_reaches_the_body(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """It is raised in the body at its moment, and the body may answer."""
    from taskq.errors import SoftTimeLimitExceeded

    @app.task(soft_time_limit=60)
    def patient() -> str:
        try:
            time.sleep(3600)
        except SoftTimeLimitExceeded:
            return "gave up"
        return "slept"

    world = taskq_world(app)
    world.start_worker("w1")

    assert patient.delay().get() == "gave up"
    assert world.now_s == pytest.approx(60)
