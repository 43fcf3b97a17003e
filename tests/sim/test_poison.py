"""A task that kills whatever runs it is given up after a while, and everybody is told."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from taskq import TaskQ, chord
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from tests.sim.tasks import make

Make = Callable[..., World]
BROKERS = ["redis", "rabbitmq"]
LIMIT = 4


def poison(app: TaskQ) -> Any:
    """A task that ends its process."""
    app.conf.taskq_delivery_limit = LIMIT

    @app.task(acks_late=True, name="poison")
    def poison() -> None:
        raise SystemExit(-signal.SIGKILL)

    return poison


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("seed", range(5))
def test_it_begins_as_often_as_the_limit_says(
    app: TaskQ, taskq_world: Make, broker: str, seed: int
) -> None:
    """Then it lies in the dead letters with a reason, and has failed."""
    task = poison(app)
    world = taskq_world(app, broker=broker, seed=seed)
    world.start_worker("w1")
    world.start_worker("w2")
    result = task.delay()
    world.run_until_quiet()

    assert world.trace.count("task.start") == LIMIT
    assert result.state == "FAILURE"
    [letter] = world.dead_letters()
    assert letter.message is not None
    assert letter.message.headers["id"] == result.id
    assert str(LIMIT) in letter.reason
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
def test_others_end_meanwhile(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """A hundred good ones on two slots."""

    @app.task(acks_late=True)
    def good(number: int) -> int:
        time.sleep(0.1)
        return number

    task = poison(app)
    world = taskq_world(app, broker=broker)
    world.start_worker("w1", slots=2)
    bad = [task.delay() for _ in range(5)]
    results = [good.delay(number) for number in range(100)]
    world.run_until_quiet()

    assert [each.get() for each in results] == list(range(100))
    assert all(world.trace.count("task.start", id=each.id) == 1 for each in results)
    assert [each.state for each in bad] == ["FAILURE"] * 5
    assert len(world.dead_letters()) == 5
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
def test_its_chord_and_its_errback_are_told(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """Nobody waits for ever for what will never come."""
    told: list[str] = []

    @app.task
    def errback(request: Any, error: Any, traceback: Any) -> None:
        del error, traceback
        told.append(request.id)

    total = make(app, len, name="total")
    fine = make(app, lambda: 1, name="fine")
    task = poison(app)
    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    alone = task.apply_async(link_error=errback.s())
    whole = chord([fine.s(), task.s()])(total.s())
    world.run_until_quiet()

    assert told == [alone.id]
    assert whole.state == "FAILURE"
    assert world.trace.count("task.start", task="total") == 0
    assert run_checks(world) == []


def test_it_is_counted_by_the_broker(app: TaskQ, taskq_world: Make) -> None:
    """Whole workers die of it, one after the other; the count does not die with them."""
    task = poison(app)
    del task

    @app.task(acks_late=True)
    def bomb() -> None:
        time.sleep(3600)

    world = taskq_world(app)
    result = bomb.delay()
    for number in range(LIMIT + 2):
        name = f"w{number}"
        world.start_worker(name)
        world.run_for(200)
        if not world.trace.find("task.start", node=name):
            break
        world.kill(name)
    world.start_worker("last")
    world.run_until_quiet()

    assert world.trace.count("task.start") == LIMIT
    assert len(world.dead_letters()) == 1
    assert result.state == "FAILURE"
    assert run_checks(world) == []


def test_a_dead_letter_can_be_sent_again(app: TaskQ, taskq_world: Make) -> None:
    """After its cause is gone it runs, and its attempts are counted anew."""
    cured: list[bool] = []
    app.conf.taskq_delivery_limit = LIMIT

    @app.task(acks_late=True)
    def ill() -> str:
        if not cured:
            os._exit  # noqa: B018 - named, never called
            raise SystemExit(9)
        return "well"

    world = taskq_world(app)
    world.start_worker("w1")
    result = ill.delay()
    world.run_until_quiet()
    before = result.state
    cured.append(True)
    broker: Any = world.ports("client").broker
    replayed = broker.replay_dead_letters(None)
    world.run_until_quiet()

    assert (before, replayed, world.dead_letters()) == ("FAILURE", 1, [])
    assert world.trace.count("task.end", id=result.id, how="succeeded") == 1
    assert run_checks(world, ["nothing-lost", "duplicates-bounded", "drained"]) == []
