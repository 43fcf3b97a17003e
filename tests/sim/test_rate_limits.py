"""No more bodies begin in any window than the rate allows, and nothing else is slowed down."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from taskq import TaskQ
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from tests.sim.tasks import make

Make = Callable[..., World]


def starts_s(world: World, task: str) -> list[float]:
    """When bodies of a task began."""
    return [record.at_s for record in world.trace.find("task.start", task=task)]


def assert_rate(moments_s: Sequence[float], per_s: float, *, burst: int = 1) -> None:
    """In every window that begins with a start there are at most rate x window + burst."""
    for place, first_s in enumerate(moments_s):
        for count, last_s in enumerate(moments_s[place:], start=1):
            allowed = per_s * (last_s - first_s) + burst + 1e-6
            assert count <= allowed, f"{count} starts in {last_s - first_s:g}s from {first_s:g}s"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("rate", "per_s", "count"),
    [("10/s", 10, 100), ("100/m", 100 / 60, 50), ("5/h", 5 / 3600, 12), (2, 2, 20), (0.5, 0.5, 9)],
)
def test_a_rate_is_kept(  # noqa: PLR0917 - a row and its world
    app: TaskQ, taskq_world: Make, seed: int, rate: Any, per_s: float, count: int
) -> None:
    """Per second, minute or hour; a plain number is per second."""
    work = make(app, lambda: None, name="work", rate_limit=rate)
    world = taskq_world(app, seed=seed)
    world.start_worker("w1", slots=4)
    for _ in range(count):
        work.delay()
    world.run_until_quiet()
    begun = starts_s(world, "work")

    assert len(begun) == count
    assert_rate(begun, per_s)
    assert begun[-1] - begun[0] <= (count - 1) / per_s * 1.1 + 1
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_others_are_not_slowed_down(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """Though a hundred limited ones came first."""
    app.conf.worker_prefetch_multiplier = 1
    limited = make(app, lambda: None, name="limited", rate_limit="1/m")
    free = make(app, lambda: None, name="free")
    world = taskq_world(app, broker=broker)
    world.start_worker("w1", slots=1)
    for _ in range(100):
        limited.delay()
    world.run_for(5)
    for _ in range(10):
        free.delay()
    world.run_for(1)

    assert world.trace.count("task.start", task="free") == 10
    assert world.trace.count("task.start", task="limited") == 1


def test_a_rate_can_be_changed(app: TaskQ, taskq_world: Make) -> None:
    """By command, for a worker that runs; ``None`` lifts it."""
    work = make(app, lambda: None, name="work", rate_limit="2/s")
    world = taskq_world(app)
    world.start_worker("w1")
    for _ in range(15):
        work.delay()
    world.run_for(2.1)
    app.control.rate_limit("work", "1/s")
    began_s = world.now_s
    world.run_for(5)
    slower = [at_s for at_s in starts_s(world, "work") if at_s > began_s]
    app.control.rate_limit("work", None)
    world.run_for(1)

    assert 4 <= len(slower) <= 6
    assert_rate(slower, 1)
    assert len(starts_s(world, "work")) == 15


def test_a_long_line_hears_of_a_new_rate_within_minutes(app: TaskQ, taskq_world: Make) -> None:
    """What a worker cannot start soon waits on the broker, and comes back after five minutes."""
    work = make(app, lambda: None, name="work", rate_limit="1/m")
    world = taskq_world(app)
    world.start_worker("w1")
    for _ in range(40):
        work.delay()
    world.run_for(61)
    app.control.rate_limit("work", None)
    world.run_for(300)

    assert len(starts_s(world, "work")) == 40


@pytest.mark.parametrize("seed", range(3))
def test_a_rate_can_be_the_whole_clusters(app: TaskQ, taskq_world: Make, seed: int) -> None:
    """Four workers keep it together; each has its share of it."""
    app.conf.taskq_rate_limit_scope = "cluster"
    work = make(app, lambda: None, name="work", rate_limit="10/s")
    world = taskq_world(app, seed=seed)
    for number in range(4):
        world.start_worker(f"w{number}", heartbeat_interval=2)
    world.run_for(10)
    for _ in range(1000):
        work.delay()
    world.run_for(60)
    begun = starts_s(world, "work")

    assert_rate(begun, 10, burst=4)
    assert len(begun) >= 570  # no share is wasted while there is work


def test_each_worker_has_its_own_unless_told_otherwise(app: TaskQ, taskq_world: Make) -> None:
    """As Celery's workers do."""
    work = make(app, lambda: None, name="work", rate_limit="1/s")
    world = taskq_world(app)
    for number in range(2):
        world.start_worker(f"w{number}")
    for _ in range(40):
        work.delay()
    world.run_for(10)

    for number in range(2):
        mine = [r.at_s for r in world.trace.find("task.start", node=f"w{number}")]
        assert_rate(mine, 1)
        assert len(mine) >= 9


def test_limits_can_be_turned_off(app: TaskQ, taskq_world: Make) -> None:
    """For all tasks of a worker."""
    app.conf.worker_disable_rate_limits = True
    work = make(app, lambda: None, name="work", rate_limit="1/h")
    world = taskq_world(app)
    world.start_worker("w1")
    for _ in range(20):
        work.delay()
    world.run_for(1)

    assert len(starts_s(world, "work")) == 20


@pytest.mark.parametrize("how", ["warm", "cold"])
def test_a_worker_that_stops_gives_back_what_waits_for_its_rate(
    app: TaskQ, taskq_world: Make, how: str
) -> None:
    """Nothing is lost, nothing runs twice."""

    @app.task(rate_limit="1/s")
    def work() -> None:
        time.sleep(0.1)

    world = taskq_world(app)
    world.start_worker("w1")
    results = [work.delay() for _ in range(20)]
    world.run_for(5.05)
    world.stop_worker("w1", how)
    world.start_worker("w2")
    world.run_until_quiet()

    assert all(world.trace.count("task.start", id=each.id) >= 1 for each in results)
    assert run_checks(world) == []
