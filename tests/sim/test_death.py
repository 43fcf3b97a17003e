"""Workers and their processes die, at any moment; what was promised holds."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest

from taskq import TaskQ
from taskq_testing import World
from taskq_testing.checks.registry import run_checks

BROKERS = ["redis", "rabbitmq"]


@pytest.mark.parametrize("broker", BROKERS)
def test_a_late_task_of_a_killed_worker_ends_elsewhere(
    app: TaskQ, taskq_world: Callable[..., World], broker: str
) -> None:
    """Under late acks the broker gives the message to another worker."""

    @app.task(acks_late=True)
    def charge() -> str:
        time.sleep(10)
        return "charged"

    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    result = charge.delay()
    world.run_until(lambda: world.trace.count("task.start"))
    world.start_worker("w2")
    world.kill("w1")
    world.run_until_quiet()

    assert result.get() == "charged"
    assert [record.node for record in world.trace.find("task.start")] == ["w1", "w2"]
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
def test_an_early_task_never_begins_twice(
    app: TaskQ, taskq_world: Callable[..., World], broker: str
) -> None:
    """Under early acks, wherever the worker dies, a body begins at most once."""
    begun: list[int] = []

    @app.task
    def early(number: int) -> None:
        begun.append(number)
        time.sleep(10)

    tried = 0
    for seed, steps in itertools.product(range(4), range(1, 100)):
        begun.clear()
        world = taskq_world(app, broker=broker, seed=seed)
        world.start_worker("w1")
        early.delay(1)
        early.delay(2)
        if all(world.step() for _ in range(steps)):
            world.kill("w1")
            world.start_worker("w2")
            world.run_until_quiet()
            assert len(begun) == len(set(begun)), f"seed {seed}, killed after {steps} steps"
            assert run_checks(world) == [], f"seed {seed}, killed after {steps} steps"
            tried += 1
        world.close()
    assert tried > 40


@pytest.mark.parametrize("broker", BROKERS)
def test_killed_at_any_step_nothing_is_lost(
    app: TaskQ, taskq_world: Callable[..., World], broker: str
) -> None:
    """Under late acks, wherever in the run the worker dies, every task ends with its result."""

    @app.task(acks_late=True)
    def add(x: int, y: int) -> int:
        time.sleep(1)
        return x + y

    @app.task(acks_late=True, bind=True)
    def flaky(self: Any) -> str:
        if self.request.retries == 0:
            raise self.retry(countdown=5)
        return "second time"

    tried = 0
    for seed, steps in itertools.product(range(4), range(1, 100)):
        world = taskq_world(app, broker=broker, seed=seed)
        world.start_worker("w1")
        results: list[Any] = [add.delay(1, 1), add.delay(2, 2), flaky.delay()]
        alive = all(world.step() for _ in range(steps))
        if alive:
            world.kill("w1")
            world.start_worker("w2")
            world.run_until_quiet()
            told = f"seed {seed}, killed after {steps} steps"
            assert [result.get() for result in results] == [2, 4, "second time"], told
            assert run_checks(world) == [], told
            tried += 1
        world.close()
    assert tried > 80


def test_finally_does_not_run_on_a_kill(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """A killed process runs nothing more: no ``finally``, no ``with``, not even when collected."""
    seen: list[str] = []

    @app.task(acks_late=True)
    def careful() -> None:
        try:
            time.sleep(10)
            seen.append("slept")
        finally:
            seen.append("finally")

    world = taskq_world(app)
    world.start_worker("w1")
    careful.delay()
    world.run_for(5)
    world.kill("w1")
    gc.collect()
    world.run_until_quiet()
    assert seen == []
    world.close()
    gc.collect()

    assert seen == []


def test_a_killed_process_is_noticed(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """The worker lives on: late tasks come again, early ones end as failed."""

    @app.task(acks_late=True)
    def late() -> str:
        time.sleep(10)
        return "done"

    @app.task
    def early() -> None:
        time.sleep(10)

    world = taskq_world(app)
    world.start_worker("w1", slots=2)
    again, lost = late.delay(), early.delay()
    world.run_for(5)
    world.kill_process_of(again.id)
    world.kill_process_of(lost.id)
    world.run_until_quiet()

    assert again.get() == "done"
    assert lost.state == "FAILURE"
    assert type(lost.result).__name__ == "WorkerLostError"
    assert run_checks(world) == []


def test_a_body_that_exits_takes_its_process_with_it(
    app: TaskQ, taskq_world: Callable[..., World]
) -> None:
    """``os._exit`` and the like are a lost process to the worker."""

    @app.task(bind=True, acks_late=True, max_retries=0)
    def quits(self: Any) -> str:
        if not self.request.delivery_info["redelivered"]:
            world.kill_process_of(self.request.id)
        return "second time"

    world = taskq_world(app)
    world.start_worker("w1")

    assert quits.delay().get() == "second time"


def test_a_node_may_die_by_its_own_hand(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """A body that kills its machine does nothing after it."""
    seen: list[str] = []

    @app.task(acks_late=True)
    def bomb() -> None:
        if "w1" in world.workers:
            world.kill("w1")
        seen.append("lived")

    world = taskq_world(app)
    world.start_worker("w1")
    world.start_worker("w2", queues=["other"])
    bomb.delay()
    world.run_for(5)
    assert seen == []
    world.start_worker("w3")
    world.run_until_quiet()

    assert seen == ["lived"]
