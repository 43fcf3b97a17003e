"""Chains whose steps are taken, and claimed, by the commit of the step before: killed anywhere."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from taskq import TaskQ
from taskq.canvas import chain
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from tests.sim.every_step import every_step

STEPS = 5
BROKERS = pytest.mark.parametrize("broker", ["redis", "rabbitmq"])


def begin(
    app: TaskQ, taskq_world: Callable[..., World], seed: int, broker: str, **options: Any
) -> tuple[World, Any]:
    """A world with one worker, and a chain under way."""

    @app.task(name="add", **options)
    def add(x: int, y: int) -> int:
        time.sleep(0.1)
        return x + y

    world = taskq_world(app, broker=broker, seed=seed)
    world.start_worker("w1", slots=2)
    return world, chain(add.s(0, 1), *[add.s(1) for _ in range(STEPS - 1)])()


def starts(world: World) -> Counter[str]:
    return Counter(str(one.task_id) for one in world.trace.find("task.start"))


def test_a_step_is_claimed_as_it_is_taken(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """Between its beginning and the end of the step before nobody else can come."""
    world, result = begin(app, taskq_world, 1, "redis")
    world.run_until_quiet()
    told = [
        one.what
        for one in world.trace.records
        if one.what in {"broker.send", "broker.ack", "broker.deliver", "broker.claim", "task.start"}
    ]

    assert result.get() == STEPS
    assert (
        "".join(
            {"broker.ack": "a", "broker.deliver": "d", "broker.claim": "c", "task.start": "s"}.get(
                what, ""
            )
            for what in told
        )
        == "dcs" + "adcs" * 4 + "a"
    )


@BROKERS
def test_whenever_a_worker_dies_no_early_step_begins_twice(
    app: TaskQ, taskq_world: Callable[..., World], broker: str
) -> None:
    """Where the broker keeps claims, the chain comes to an end; a step that was lost says so."""
    worlds: list[tuple[World, Any]] = []

    def make(seed: int) -> World:
        worlds.append(begin(app, taskq_world, seed, broker))
        return worlds[-1][0]

    seen = Counter[str]()
    for world, told in every_step(make, range(2)):
        result = worlds[-1][1]
        world.kill("w1")
        world.start_worker("w2", slots=2)
        world.run_until_quiet()
        assert max(starts(world).values(), default=0) <= 1, told
        assert run_checks(world) == [], told
        if result.state == "SUCCESS":
            assert result.result == STEPS, told
        seen[last_state(result)] += 1

    assert seen["SUCCESS"] > 3
    assert seen["FAILURE"] > 3 or broker == "rabbitmq"
    assert not seen["PENDING"] or broker == "rabbitmq"


def last_state(result: Any) -> str:
    """How far a chain came: the state of its last step, or of the one that failed."""
    states = [one.state for one in itertools.chain([result], parents(result))]
    return "FAILURE" if "FAILURE" in states else str(states[0])


def parents(result: Any) -> list[Any]:
    found = []
    while (result := result.parent) is not None:
        found.append(result)
    return found


@BROKERS
def test_whenever_a_worker_dies_late_steps_come_again(
    app: TaskQ, taskq_world: Callable[..., World], broker: str
) -> None:
    """They come along as well, and are not claimed."""
    worlds: list[tuple[World, Any]] = []

    def make(seed: int) -> World:
        worlds.append(begin(app, taskq_world, seed, broker, acks_late=True))
        return worlds[-1][0]

    tried = 0
    for world, told in every_step(make, range(2)):
        world.kill("w1")
        world.start_worker("w2", slots=2)
        world.run_until_quiet()
        result = worlds[-1][1]
        assert (result.state, result.result) == ("SUCCESS", STEPS), told
        assert run_checks(world) == [], told
        tried += 1
    assert tried > 40


@pytest.mark.parametrize("acks_late", [False, True])
def test_whenever_a_worker_is_stopped_or_cut_off_no_step_is_lost(
    app: TaskQ, taskq_world: Callable[..., World], acks_late: bool
) -> None:
    """What came along and was not begun goes back, or is remembered."""
    worlds: list[tuple[World, Any]] = []

    def make(seed: int) -> World:
        worlds.append(begin(app, taskq_world, seed, "redis", acks_late=acks_late))
        return worlds[-1][0]

    for number, (world, told) in enumerate(every_step(make, range(2))):
        if number % 2:
            world.stop_worker("w1")
        else:
            world.cut("w1", for_s=3)
        world.start_worker("w2", slots=2)
        world.run_until_quiet()
        result = worlds[-1][1]
        assert (result.state, result.result) == ("SUCCESS", STEPS), told
        if not acks_late:
            assert max(starts(world).values(), default=0) <= 1, told
        assert run_checks(world) == [], told
