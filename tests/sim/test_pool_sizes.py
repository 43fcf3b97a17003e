"""A pool grows, shrinks, and replaces its children; no task is lost or doubled by it."""

from __future__ import annotations

import random
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
    """A task that takes a while."""

    def nap(number: int) -> int:
        time.sleep(1 + number % 3)
        return number

    return make(app, nap, name="nap", **options)


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("acks_late", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_it_is_resized_at_any_time(
    app: TaskQ, taskq_world: Make, broker: str, acks_late: bool, seed: int
) -> None:
    """Thirty times in a minute, by command."""
    app.conf.worker_pool_restarts = True
    task = nap(app, acks_late=acks_late)
    world = taskq_world(app, broker=broker, seed=seed)
    node = world.start_worker("w1", slots=3)
    draw = random.Random(seed)
    results = [task.delay(number) for number in range(80)]
    for _ in range(30):
        world.run_for(draw.uniform(0, 2))
        deed = draw.choice(["pool_grow", "pool_shrink", "pool_restart"])
        if deed == "pool_shrink" and len(node.pool.slots) < 2:
            continue
        getattr(app.control, deed)()
    world.run_until_quiet()

    assert [each.get() for each in results] == list(range(80))
    assert world.trace.count("task.start") == 80
    assert run_checks(world) == []


@pytest.mark.parametrize("seed", range(4))
def test_autoscale_follows_the_load(app: TaskQ, taskq_world: Make, seed: int) -> None:
    """Up to its most with the work, down to its least without; nothing is lost on the way."""
    task = nap(app)
    world = taskq_world(app, seed=seed)
    node = world.start_worker("w1", autoscale="8,2")
    world.run_for(1)
    before = len(node.pool.slots)
    results = [task.delay(number) for number in range(200)]
    world.run_for(10)
    busy = len(node.pool.slots)
    values = [each.get() for each in results]
    world.run_for(600)

    assert (before, busy, len(node.pool.slots)) == (2, 8, 2)
    assert values == list(range(200))
    assert world.trace.count("task.start") == 200
    assert run_checks(world) == []


def test_an_idle_worker_with_autoscale_is_quiet(app: TaskQ, taskq_world: Make) -> None:
    """It has nothing to do, and a world with it comes to rest."""
    world = taskq_world(app)
    world.start_worker("w1", autoscale="4,1")
    world.run_until_quiet()

    assert world.now_s < 3600


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("start_s", [0.0, 3.0, 10.0])
@pytest.mark.parametrize("acks_late", [False, True])
def test_children_are_recycled(
    app: TaskQ, taskq_world: Make, broker: str, start_s: float, acks_late: bool
) -> None:
    """After so many tasks, however slowly the next one starts: each slot comes back."""
    task = nap(app, acks_late=acks_late)
    world = taskq_world(app, broker=broker)
    node = world.start_worker("w1", slots=3, max_tasks_per_child=2, child_start_s=start_s)
    results = [task.delay(number) for number in range(40)]
    world.run_until_quiet()
    pids = [record.facts["pid"] for record in world.trace.find("task.start")]

    assert [each.get() for each in results] == list(range(40))
    assert len(pids) == 40
    assert max(pids.count(pid) for pid in pids) == 2
    assert len(node.pool.slots) == 3
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("seed", range(4))
def test_children_die_all_the_time(app: TaskQ, taskq_world: Make, broker: str, seed: int) -> None:
    """At random, also before they are up; the pool keeps its size, and all tasks end."""
    task = nap(app, acks_late=True)
    world = taskq_world(app, broker=broker, seed=seed)
    node = world.start_worker("w1", slots=3, max_tasks_per_child=3, child_start_s=0.5)
    draw = random.Random(seed)
    results = [task.delay(number) for number in range(60)]
    for _ in range(15):
        world.run_for(draw.uniform(0, 3))
        if node.pool.slots:
            world.kill_child("w1")
    world.run_until_quiet()

    assert [each.get() for each in results] == list(range(60))
    assert len(node.pool.slots) == 3
    assert run_checks(world) == []


def test_a_restart_interrupts_nothing(app: TaskQ, taskq_world: Make) -> None:
    """Bodies that run end; what follows runs in new children."""
    app.conf.worker_pool_restarts = True
    task = nap(app)
    world = taskq_world(app)
    world.start_worker("w1", slots=2)
    results = [task.delay(number) for number in range(10)]
    world.run_for(0.5)
    app.control.pool_restart()
    world.run_until_quiet()
    pids = {record.facts["pid"] for record in world.trace.find("task.start")}

    assert [each.get() for each in results] == list(range(10))
    assert len(pids) == 4
    assert world.trace.count("task.start") == 10
    assert run_checks(world) == []
