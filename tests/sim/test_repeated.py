"""``worker_deduplicate_successful_tasks``: a late task that has succeeded is not run once more."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from taskq import TaskQ, chord
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from tests.sim.every_step import every_step

Make = Callable[..., World]
SEEDS = range(3)


@pytest.mark.parametrize("store", ["counting", "asked"])
@pytest.mark.parametrize("acks_late", [True, False])
@pytest.mark.parametrize("wanted", [True, False])
def test_a_success_that_was_not_acknowledged(
    app: TaskQ, taskq_world: Make, store: str, acks_late: bool, wanted: bool
) -> None:
    """Wherever its worker dies: a task whose result is stored runs again only if that is wanted."""
    app.conf.worker_deduplicate_successful_tasks = wanted

    charged: list[float] = []

    @app.task(acks_late=acks_late)
    def charge() -> str:
        time.sleep(1)
        charged.append(time.time())
        return "charged"

    results: list[Any] = []

    def begin(seed: int) -> World:
        charged.clear()
        world = taskq_world(app, broker="rabbitmq", store=store, seed=seed)
        world.start_worker("w1")
        results.append(charge.delay())
        return world

    ran_again = repeated = 0
    for world, told in every_step(begin, SEEDS):
        had_succeeded = results[-1].state == "SUCCESS"
        world.kill("w1")
        world.start_worker("w2")
        world.run_until_quiet()
        assert run_checks(world) == [], told
        if acks_late:
            assert results[-1].get() == "charged", told
        if had_succeeded:
            assert results[-1].get() == "charged", told
            repeated += world.trace.count("worker.say", line="task repeated")
            ran_again += len(charged) - 1
            assert not (wanted and len(charged) > 1), told

    assert (ran_again > 0) == (acks_late and not wanted)
    assert (repeated > 0) == (acks_late and wanted)


def test_a_chord_whose_member_comes_again_ends(app: TaskQ, taskq_world: Make) -> None:
    """A member that is not run again is still counted, if it was not: its chord has its body."""
    app.conf.worker_deduplicate_successful_tasks = True
    bodies: list[list[int]] = []

    @app.task(acks_late=True)
    def double(number: int) -> int:
        return 2 * number

    @app.task(acks_late=True)
    def collect(numbers: list[int]) -> list[int]:
        bodies.append(numbers)
        return numbers

    results: list[Any] = []

    def begin(seed: int) -> World:
        bodies.clear()
        world = taskq_world(app, broker="rabbitmq", seed=seed)
        world.start_worker("w1", slots=1)
        results.append(chord([double.s(1), double.s(2)], collect.s()).delay())
        return world

    repeated = 0
    for world, told in every_step(begin, SEEDS):
        world.kill("w1")
        world.start_worker("w2")
        world.run_until_quiet()
        repeated += world.trace.count("worker.say", line="task repeated")
        assert bodies[0] == [2, 4], told
        assert results[-1].get() == [2, 4], told
        assert run_checks(world) == [], told

    assert repeated
