"""A worker holds no more than it can use, and shares what it does not use."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from taskq import TaskQ
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from tests.sim.tasks import make

Make = Callable[..., World]
BROKERS = ["redis", "rabbitmq"]


def nap(app: TaskQ, **options: Any) -> Any:
    """A task that takes as long as it is told."""

    def nap(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    return make(app, nap, name="nap", **options)


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("acks_late", [False, True])
@pytest.mark.parametrize("how", [{"optimization": "fair"}, {"disable_prefetch": True}])
@pytest.mark.parametrize("seed", range(5))
def test_short_tasks_do_not_wait_behind_a_long_one(  # noqa: PLR0917 - a row and its world
    app: TaskQ, taskq_world: Make, broker: str, acks_late: bool, how: dict[str, Any], seed: int
) -> None:
    """Two workers with a slot each, one long task and nine short ones: the other does the nine."""
    task = nap(app, acks_late=acks_late)
    world = taskq_world(app, broker=broker, seed=seed)
    for name in ("w1", "w2"):
        world.start_worker(name, slots=1, **how)
    world.run_until_quiet()
    long = task.delay(1000)
    short = [task.delay(10) for _ in range(9)]
    world.run_for(91)

    assert [each.state for each in short] == ["SUCCESS"] * 9
    assert long.state == "PENDING"
    world.run_until_quiet()
    assert world.trace.count("task.start") == 10
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize(("multiplier", "most"), [(1, 2), (4, 8)])
def test_what_is_open_is_bounded(
    app: TaskQ, taskq_world: Make, broker: str, multiplier: int, most: int
) -> None:
    """By slots times the multiplier, from the first moment to the last."""
    task = nap(app, acks_late=True)
    world = taskq_world(app, broker=broker)
    world.start_worker("w1", slots=2, prefetch_multiplier=multiplier)
    for _ in range(50):
        task.delay(5)
    seen = 0
    while world.step():
        seen = max(seen, *(len(session.out) for session in world.broker.sessions), 0)

    assert seen == most
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("seed", range(5))
def test_after_a_reconnect_it_is_bounded_as_before(
    app: TaskQ, taskq_world: Make, broker: str, seed: int
) -> None:
    """Never more than that, and nothing lost, though what was held went back meanwhile."""
    task = nap(app, acks_late=True)
    world = taskq_world(app, broker=broker, seed=seed)
    world.start_worker("w1", slots=4, prefetch_multiplier=10)
    results = [task.delay(3) for _ in range(100)]
    for at_s in (4, 9, 14):
        world.at(at_s, lambda: world.cut("w1", for_s=2))
    seen = 0
    while world.step():
        seen = max(seen, *(len(session.out) for session in world.broker.sessions), 0)

    assert seen <= 40
    assert [each.state for each in results] == ["SUCCESS"] * 100
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
def test_what_is_urgent_comes_next(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """A hundred wait that are not: it takes the first slot that is free; given back, its place."""
    app.conf.update(task_queue_max_priority=9, worker_prefetch_multiplier=1)
    task = nap(app, acks_late=True)
    world = taskq_world(app, broker=broker)
    low, high = (9, 0) if broker == "redis" else (0, 9)
    world.start_worker("w1", slots=1, optimization="fair")
    for _ in range(100):
        task.apply_async((1,), priority=low)
    world.run_for(10.5)
    urgent = task.apply_async((1,), priority=high)
    world.run_for(2)

    [start] = world.trace.find("task.start", id=urgent.id)
    assert start.at_s <= 12
    assert world.trace.count("task.start") <= 13
