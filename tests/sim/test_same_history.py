"""One seed is one history, with everything in it that can happen to a worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pytest

from taskq import TaskQ
from taskq_testing import World

Make = Callable[..., World]


def busy(app: TaskQ, world: World) -> str:
    """A little of everything; returns the fingerprint of what happened."""
    tasks = app.tasks

    def later(at_s: float, name: str, task_id: str, **options: object) -> None:
        world.at(at_s, partial(tasks[name].apply_async, task_id=task_id, **options))

    world.start_worker("w1", autoscale="4,1", heartbeat_interval=2, max_tasks_per_child=3)
    world.start_worker("w2", pool="threads", slots=2, heartbeat_interval=2, task_events=True)
    for number in range(10):
        later(number, "nap", f"nap-{number}")
        later(number, "nap", f"late-{number}", countdown=30 + number)
        later(number, "limited", f"limited-{number}")
        later(number, "slow", f"slow-{number}")
    world.at(3, lambda: app.control.revoke(["nap-9", "late-3"]))
    world.at(5, lambda: app.control.inspect(timeout=1).active())
    world.at(6, lambda: world.kill_child("w1"))
    world.at(8, lambda: world.cut("w2", for_s=3))
    world.at(12, lambda: world.freeze("w1", for_s=100))
    world.at(20, lambda: world.stop_worker("w2", "soft"))
    world.at(25, lambda: world.start_worker("w3", mingle=True))
    world.run_for(300)
    return world.trace.hash()


@pytest.fixture
def busy_app(app: TaskQ) -> TaskQ:
    """Tasks of each kind."""
    app.conf.worker_soft_shutdown_timeout = 2
    app.task(name="nap", acks_late=True)(lambda: time.sleep(1.5))
    app.task(name="limited", rate_limit="1/s")(lambda: None)
    app.task(name="slow", soft_time_limit=2, time_limit=4)(lambda: time.sleep(3600))
    return app


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_the_same_seed_makes_the_same_history(
    busy_app: TaskQ, taskq_world: Make, broker: str
) -> None:
    """And another seed another one; a history can be made again from its choices."""

    def history(seed: int, choices: list[int] | None = None) -> tuple[str, list[int]]:
        with taskq_world(busy_app, broker=broker, seed=seed, choices=choices) as world:
            return busy(busy_app, world), world.describe_choices()

    first, choices = history(7)

    assert history(7)[0] == first
    assert history(8)[0] != first
    assert history(7, choices)[0] == first
