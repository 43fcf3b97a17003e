"""A body that runs too long is told so, or ended, and nothing else suffers from it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from taskq import TaskQ
from taskq.errors import SoftTimeLimitExceeded, TimeLimitExceeded
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from tests.sim.tasks import make

Make = Callable[..., World]
BROKERS = ["redis", "rabbitmq"]
# Pools that can end any body, and those that can only tell it.
ENDING = ["prefork", "threads", "asyncio", "gevent", "eventlet"]
TELLING = [*ENDING, "solo"]


def given(yes: bool, **options: Any) -> dict[str, Any]:
    """Options, or none."""
    return options if yes else {}


@pytest.mark.parametrize("pool", TELLING)
@pytest.mark.parametrize("where", ["task", "call", "worker"])
def test_a_soft_limit_is_raised_in_the_body(
    app: TaskQ, taskq_world: Make, pool: str, where: str
) -> None:
    """Whether the task, the call or the worker sets it."""

    @app.task(soft_time_limit=30 if where == "task" else None)
    def slow() -> None:
        time.sleep(3600)

    world = taskq_world(app)
    world.start_worker("w1", pool=pool, **given(where == "worker", soft_time_limit=30))
    result = slow.apply_async(**given(where == "call", soft_time_limit=30))
    world.run_until_quiet()

    with pytest.raises(SoftTimeLimitExceeded):
        result.get()
    assert world.trace.find("task.end")[0].at_s == 30
    assert run_checks(world) == []


@pytest.mark.parametrize("pool", TELLING)
def test_a_body_may_catch_its_soft_limit(app: TaskQ, taskq_world: Make, pool: str) -> None:
    """It puts things away, and ends well."""

    @app.task(soft_time_limit=30)
    def careful() -> str:
        try:
            time.sleep(3600)
        except SoftTimeLimitExceeded:
            time.sleep(5)
        return "put away"

    world = taskq_world(app)
    world.start_worker("w1", pool=pool)

    assert careful.delay().get() == "put away"
    assert world.now_s == pytest.approx(35, abs=0.1)


@pytest.mark.parametrize("pool", TELLING)
def test_a_coroutine_is_told_where_it_waits(app: TaskQ, taskq_world: Make, pool: str) -> None:
    """At its next await."""

    @app.task(soft_time_limit=30)
    async def slow() -> str:
        try:
            await asyncio.sleep(3600)
        except SoftTimeLimitExceeded:
            return "told"
        return "never"

    world = taskq_world(app)
    world.start_worker("w1", pool=pool)

    assert slow.delay().get() == "told"
    assert world.now_s == pytest.approx(30, abs=0.1)


@pytest.mark.parametrize("pool", ENDING)
@pytest.mark.parametrize("where", ["task", "call", "worker"])
def test_a_hard_limit_ends_the_body(app: TaskQ, taskq_world: Make, pool: str, where: str) -> None:
    """It fails, its slot is replaced, and the next task runs there."""

    @app.task(time_limit=60 if where == "task" else None)
    def endless() -> None:
        while True:
            time.sleep(1)

    quick = make(app, lambda: "quick", name="quick")
    world = taskq_world(app)
    options = given(where == "worker", time_limit=60)
    node = world.start_worker("w1", slots=1, pool=pool, **options)
    result = endless.apply_async(**given(where == "call", time_limit=60))
    world.run_for(120)
    after = quick.delay()

    assert after.get() == "quick"
    with pytest.raises(TimeLimitExceeded):
        result.get()
    assert world.trace.count("task.start", id=result.id) == 1
    assert len(node.pool.slots) == 1


def test_a_body_that_ignores_its_soft_limit_meets_the_hard_one(
    app: TaskQ, taskq_world: Make
) -> None:
    """``except Exception: continue`` goes on until it is ended."""

    @app.task(soft_time_limit=10, time_limit=60)
    def deaf() -> None:
        while True:
            try:
                time.sleep(3600)
            except Exception:
                continue

    world = taskq_world(app)
    world.start_worker("w1")
    result = deaf.delay()
    world.run_until_quiet()

    with pytest.raises(TimeLimitExceeded):
        result.get()
    assert world.now_s == pytest.approx(60, abs=1)
    assert run_checks(world) == []


def test_a_child_that_froze_before_it_began_is_ended_too(app: TaskQ, taskq_world: Make) -> None:
    """The limit counts from when the job was handed out."""
    work = make(app, lambda: None, name="work", time_limit=30)
    world = taskq_world(app)
    node = world.start_worker("w1", slots=1)
    world.run_until_quiet()
    world.freeze_child("w1", for_s=86400)
    result = work.delay()
    after = work.delay()
    world.run_for(60)

    # Their bodies had not begun, so they begin in the child that takes its place.
    assert (result.state, after.state) == ("SUCCESS", "SUCCESS")
    assert [record.at_s for record in world.trace.find("task.start")] == [30, 30]
    assert len(node.pool.slots) == 1


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize(
    ("acks_late", "acks_on_timeout", "starts"),
    [(False, True, 1), (False, False, 1), (True, True, 1), (True, False, 3)],
)
def test_what_a_hard_limit_means_for_the_message(  # noqa: PLR0917 - a row of the matrix
    app: TaskQ,
    taskq_world: Make,
    broker: str,
    acks_late: bool,
    acks_on_timeout: bool,
    starts: int,
) -> None:
    """Under late acks it may be given out again, as often as the delivery limit says."""
    app.conf.taskq_delivery_limit = 3

    @app.task(time_limit=10, acks_late=acks_late, acks_on_timeout=acks_on_timeout)
    def endless() -> None:
        time.sleep(3600)

    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    result = endless.delay()
    world.run_until_quiet()

    assert world.trace.count("task.start") == starts
    assert len(world.dead_letters()) == (starts == 3)
    assert result.state == "FAILURE"
    assert run_checks(world) == []


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_whenever_it_is_raised_the_task_ends_once(app: TaskQ, taskq_world: Make, pool: str) -> None:
    """At its end or just before: success and a callback, or failure and none of it."""
    called: list[str] = []

    @app.task
    def callback(value: str) -> None:
        called.append(value)

    @app.task(track_started=True)
    def work() -> str:
        time.sleep(1)
        time.sleep(1)
        return "done"

    for seed in range(3):
        for limit_s in (0.5, 1.0, 1.5, 1.999999, 2.0, 2.000001, 2.5):
            called.clear()
            with taskq_world(app, seed=seed) as world:
                world.start_worker("w1", pool=pool)
                result = work.apply_async(soft_time_limit=limit_s, link=callback.s())
                world.run_until_quiet()
                told = f"seed {seed}, limit {limit_s}: {result.state}, {called}"
                well = result.state == "SUCCESS"
                assert called == (["done"] if well else []), told
                assert well == (limit_s >= 2.0 if limit_s != 2.0 else well), told
                assert run_checks(world) == [], told


def other_tasks(app: TaskQ) -> Any:
    """Tasks beside the one that is ended."""

    @app.task
    def nap(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    return nap


@pytest.mark.parametrize("pool", ENDING)
def test_others_do_not_suffer(app: TaskQ, taskq_world: Make, pool: str) -> None:
    """Bodies in other slots, and what waits behind the one that is ended, run once and end."""

    @app.task(time_limit=5)
    def endless() -> None:
        time.sleep(3600)

    nap = other_tasks(app)
    world = taskq_world(app)
    world.start_worker("w1", slots=2, pool=pool)
    ended = [endless.delay() for _ in range(3)]
    naps = [nap.delay(3) for _ in range(10)]
    world.run_until_quiet()

    assert [each.state for each in ended] == ["FAILURE"] * 3
    assert [each.get() for each in naps] == [3] * 10
    assert world.trace.count("task.start") == 13
    assert run_checks(world) == []
