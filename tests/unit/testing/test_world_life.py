"""A world is opened once and closed once, whoever does it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from taskq_testing.world import World


def hours_between(app: Any, world: World) -> float:
    """Run a body that sleeps for two hours; returns what its clock saw of them."""

    def nap() -> float:
        began = time.monotonic()
        time.sleep(7200)
        return (time.monotonic() - began) / 3600

    task = app.task(name="nap")(nap)
    world.start_worker("w1")
    return float(task.delay().get())


def test_a_world_of_the_fixture_is_open_at_once(taskq_world: Any, taskq_app: Any) -> None:
    """``world = taskq_world(app)`` may be used as it is."""
    assert hours_between(taskq_app, taskq_world(taskq_app)) == 2


def test_a_world_of_the_fixture_may_stand_in_a_with(taskq_world: Any, taskq_app: Any) -> None:
    """``with taskq_world(app) as world`` is the same world, closed at the end of the block."""
    with taskq_world(taskq_app) as world:
        assert hours_between(taskq_app, world) == 2

    with taskq_world(taskq_app, broker="rabbitmq") as world:
        assert hours_between(taskq_app, world) == 2


def test_two_worlds_cannot_be_open_at_once(taskq_world: Any, taskq_app: Any) -> None:
    """The second one says that the first one is to be closed; nothing of it stays."""
    taskq_world(taskq_app).close()
    first = taskq_world(taskq_app)

    with pytest.raises(RuntimeError, match="another world is active; close it first"):
        taskq_world(taskq_app)
    assert hours_between(taskq_app, first) == 2


def test_a_closed_world_stays_closed(taskq_app: Any) -> None:
    """It cannot be opened again, and closing it twice is nothing."""
    world = World(taskq_app)
    with world:
        pass
    world.close()

    with pytest.raises(RuntimeError, match="this world is closed"):
        world.open()


def test_a_world_that_was_never_opened_can_be_closed(taskq_app: Any) -> None:
    """It has nothing to give back, and the next one opens."""
    World(taskq_app).close()

    with World(taskq_app) as world:
        assert hours_between(taskq_app, world) == 2
