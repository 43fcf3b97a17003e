"""Quick tasks do not wait for the one of their batch that suddenly lasts."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from taskq import TaskQ
from taskq.app.result import AsyncResult
from taskq.app.task import Task
from taskq_testing import World
from taskq_testing.checks.registry import run_checks

HOUR_S = 3600
SOON_S = 3


def usually_quick(app: TaskQ, *, acks_late: bool) -> Task[[bool], str]:
    """Define a task that takes no time, but an hour where it misses its cache."""

    @app.task(acks_late=acks_late)
    def look_up(misses: bool) -> str:
        if misses:
            time.sleep(HOUR_S)
        return "found"

    return look_up


def one_miss_first(task: Task[[bool], str], others: int) -> list[AsyncResult[str]]:
    """Send one that misses, and many that do not, while no worker takes them."""
    return [task.delay(number == 0) for number in range(others + 1)]


def learn(world: World, task: Task[[bool], str]) -> None:
    """Let the workers see that the task is quick."""
    for _ in range(8):
        task.delay(False)
    world.run_until_quiet()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("acks_late", [False, True])
@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_those_behind_it_end_in_another_slot(
    app: TaskQ, taskq_world: Callable[..., World], broker: str, acks_late: bool, seed: int
) -> None:
    """They end within seconds though one slot sleeps for an hour, and each runs once."""
    look_up = usually_quick(app, acks_late=acks_late)
    world = taskq_world(app, broker=broker, seed=seed)
    world.start_worker("w1", slots=2)
    learn(world, look_up)
    long, *quick = one_miss_first(look_up, 20)
    world.run_for(SOON_S)

    assert [result.state for result in quick] == ["SUCCESS"] * len(quick)
    assert long.state == "PENDING"
    world.run_until_quiet()
    assert long.get() == "found"
    assert {world.trace.count("task.start", id=one.id) for one in (long, *quick)} == {1}
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_a_worker_that_stops_gives_them_back(
    app: TaskQ, taskq_world: Callable[..., World], broker: str
) -> None:
    """Under late acks they end within seconds on another worker; the long one ends where it is."""
    look_up = usually_quick(app, acks_late=True)
    world = taskq_world(app, broker=broker)
    world.start_worker("w1", slots=1)
    learn(world, look_up)
    long, *quick = one_miss_first(look_up, 20)
    world.run_until(lambda: world.trace.count("task.start", id=long.id))
    world.start_worker("w2", slots=1)
    world.stop_worker("w1")
    world.run_for(SOON_S)

    assert [result.state for result in quick] == ["SUCCESS"] * len(quick)
    world.run_until_quiet()
    assert long.get() == "found"
    assert world.trace.count("worker.exit", node="w1") == 1
    assert {world.trace.count("task.start", id=one.id) for one in (long, *quick)} == {1}
    assert run_checks(world) == []
