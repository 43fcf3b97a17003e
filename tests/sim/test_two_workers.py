"""Workers share a queue."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from taskq import TaskQ
from taskq_testing import World
from taskq_testing.checks.registry import run_checks


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_two_workers_share_a_queue(
    app: TaskQ, taskq_world: Callable[..., World], broker: str
) -> None:
    """Long tasks are spread over both, each runs once, and both are done at about the same time."""

    @app.task
    def nap(number: int) -> int:
        time.sleep(10)
        return number

    app.conf.worker_prefetch_multiplier = 1
    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    world.start_worker("w2")
    results = [nap.delay(number) for number in range(40)]
    world.run_until_quiet()

    assert [result.get() for result in results] == list(range(40))
    shares = [world.trace.count("task.start", node=name) for name in ("w1", "w2")]
    assert sum(shares) == 40
    assert min(shares) >= 15
    assert world.now_s <= 110
    assert run_checks(world) == []


def test_workers_take_from_their_queues(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """Each from those that it was given, and from no other."""

    @app.task
    def work() -> None:
        """Do nothing."""

    world = taskq_world(app)
    world.start_worker("fast", queues=["fast"])
    world.start_worker("slow", queues=["slow"])
    for queue in ("fast", "slow", "fast"):
        work.apply_async(queue=queue)
    world.run_until_quiet()

    assert world.trace.count("task.start", node="fast") == 2
    assert world.trace.count("task.start", node="slow") == 1


def test_a_worker_that_stops_gives_back_what_waits(
    app: TaskQ, taskq_world: Callable[..., World]
) -> None:
    """A warm stop lets what runs end; the rest goes to the other worker."""

    @app.task
    def nap() -> str:
        time.sleep(100)
        return "slept"

    world = taskq_world(app)
    world.start_worker("w1", slots=1)
    results = [nap.delay() for _ in range(3)]
    world.run_for(10)
    world.stop_worker("w1")
    world.start_worker("w2", slots=1)
    world.run_until_quiet()

    assert [result.get() for result in results] == ["slept"] * 3
    assert world.trace.count("task.start") == 3
    assert world.trace.count("worker.exit", node="w1") == 1
    assert run_checks(world) == []
