"""Chains, groups and chords in a simulated world."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from taskq.canvas import chain, chord, group
from taskq_testing import World
from taskq_testing.checks.registry import run_checks


@pytest.fixture
def tasks(app: Any) -> Any:
    @app.task(acks_late=True)
    def add(x: int, y: int) -> int:
        time.sleep(1)
        return x + y

    @app.task(acks_late=True)
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    return app


def test_a_chain_hands_on_results(tasks: Any, taskq_world: Callable[..., World]) -> None:
    """Each step gets what the one before it returned."""
    add = tasks.tasks["tests.sim.test_canvas.add"]
    world = taskq_world(tasks)
    world.start_worker("w1")

    assert chain(add.s(1, 2), add.s(10), add.s(100))().get() == 113
    assert run_checks(world) == []


def test_a_group_runs_side_by_side(tasks: Any, taskq_world: Callable[..., World]) -> None:
    """Its members take as long as one, and their results keep their order."""
    add = tasks.tasks["tests.sim.test_canvas.add"]
    world = taskq_world(tasks)
    world.start_worker("w1", slots=5)

    assert group(add.s(n, n) for n in range(5))().get() == [0, 2, 4, 6, 8]
    assert world.now_s == pytest.approx(1)
    assert run_checks(world) == []


def test_a_chord_runs_its_body_once(tasks: Any, taskq_world: Callable[..., World]) -> None:
    """With all results, after the last of them."""
    add, total = (tasks.tasks[f"tests.sim.test_canvas.{name}"] for name in ("add", "total"))
    world = taskq_world(tasks)
    world.start_worker("w1")
    world.start_worker("w2")

    assert chord([add.s(n, n) for n in range(5)])(total.s()).get() == 20
    world.run_until_quiet()
    assert world.trace.count("task.start", task=total.name) == 1
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_a_chord_survives_death_at_any_step(
    tasks: Any, taskq_world: Callable[..., World], broker: str
) -> None:
    """Wherever a worker dies, the body's result comes, and it is right."""
    add, total = (tasks.tasks[f"tests.sim.test_canvas.{name}"] for name in ("add", "total"))
    tried = 0
    for steps in range(1, 1000):
        world = taskq_world(tasks, broker=broker, seed=steps)
        world.start_worker("w1")
        world.start_worker("w2")
        result = chord([add.s(1, 1), add.s(2, 2)])(total.s())
        if not all(world.step() for _ in range(steps)):
            world.close()
            break
        world.kill("w1")
        world.run_until_quiet()
        state, value, findings = result.state, result.result, run_checks(world)
        world.close()
        tried += 1

        assert (state, value) == ("SUCCESS", 6), f"killed after {steps} steps"
        assert findings == [], f"killed after {steps} steps"
    assert tried > 30
