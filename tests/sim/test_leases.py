"""A message is with one worker at a time, for as long as that worker lives."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from taskq import TaskQ
from taskq_testing import World
from taskq_testing.checks.registry import run_checks

Make = Callable[..., World]
BROKERS = ["redis", "rabbitmq"]
LEASE_S = 30.0


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("pool", ["prefork", "threads", "asyncio", "gevent", "solo"])
def test_a_body_may_take_a_hundred_leases(
    app: TaskQ, taskq_world: Make, broker: str, pool: str
) -> None:
    """Its worker lives, so nobody else begins it."""
    app.conf.taskq_lease_s = LEASE_S

    @app.task(acks_late=True)
    def long() -> str:
        time.sleep(100 * LEASE_S)
        return "done"

    world = taskq_world(app, broker=broker)
    world.start_worker("w1", slots=1, pool=pool)
    result = long.delay()
    world.run_for(1)
    world.start_worker("w2", slots=1)
    world.run_until_quiet()

    assert result.get() == "done"
    assert world.trace.count("task.start") == 1
    assert run_checks(world) == []


def test_a_frozen_worker_loses_its_message_and_its_result(app: TaskQ, taskq_world: Make) -> None:
    """Another begins it; what the first one says later does not count."""
    app.conf.taskq_lease_s = LEASE_S

    @app.task(acks_late=True, bind=True)
    def work(self: object) -> str:
        time.sleep(5)
        return str(self.request.hostname)  # type: ignore[attr-defined]  # a task, bound

    world = taskq_world(app)
    world.start_worker("w1", slots=1)
    result = work.delay()
    world.run_for(1)
    world.start_worker("w2", slots=1)
    world.freeze("w1", for_s=4 * LEASE_S)
    world.run_until_quiet()

    assert result.get() == "celery@w2"
    assert world.trace.count("task.start") == 2
    stored = [record.node for record in world.trace.find("result.store", state="SUCCESS")]
    assert stored == ["w2"]
    assert run_checks(world) == []


@pytest.mark.parametrize("pool", ["prefork", "threads", "asyncio"])
@pytest.mark.parametrize("seed", range(10))
def test_a_worker_that_wakes_up_tells_no_success_of_what_it_lost(
    app: TaskQ, taskq_world: Make, pool: str, seed: int
) -> None:
    """It looks after its lease before it tells what has ended meanwhile."""
    app.conf.taskq_lease_s = LEASE_S

    @app.task(acks_late=True)
    def work() -> None:
        time.sleep(5)

    world = taskq_world(app, seed=seed)
    world.start_worker("w1", slots=1, pool=pool)
    work.delay()
    world.run_for(1)
    world.start_worker("w2", slots=1)
    world.freeze("w1", for_s=4 * LEASE_S)
    world.run_until_quiet()

    def who_said(line: str) -> list[str | None]:
        return [record.node for record in world.trace.find("worker.say", line=line)]

    assert (who_said("task succeeded"), who_said("late result refused")) == (["w2"], ["w1"])


@pytest.mark.parametrize(("cut_s", "starts"), [(LEASE_S / 3, 1), (3 * LEASE_S, 2)])
def test_a_link_that_is_lost_for_less_than_a_lease_doubles_nothing(
    app: TaskQ, taskq_world: Make, cut_s: float, starts: int
) -> None:
    """For more than that, a second run is allowed, and one result counts."""
    app.conf.taskq_lease_s = LEASE_S

    @app.task(acks_late=True)
    def long() -> str:
        time.sleep(4 * LEASE_S)
        return "done"

    world = taskq_world(app)
    world.start_worker("w1", slots=1)
    result = long.delay()
    world.run_for(1)
    world.start_worker("w2", slots=1)
    world.cut("w1", for_s=cut_s)
    world.run_until_quiet()

    assert result.get() == "done"
    assert world.trace.count("task.start") == starts
    assert world.trace.count("result.store", state="SUCCESS") == 1
    assert run_checks(world) == []


@pytest.mark.parametrize("acks_late", [False, True])
def test_a_dead_worker_is_found_within_two_leases(
    app: TaskQ, taskq_world: Make, acks_late: bool
) -> None:
    """What it had begins elsewhere, or its end is told."""
    app.conf.taskq_lease_s = LEASE_S

    @app.task(acks_late=acks_late)
    def work() -> str:
        time.sleep(5)
        return "done"

    world = taskq_world(app)
    world.start_worker("w1", slots=1)
    world.start_worker("w2", slots=1)
    results = [work.delay() for _ in range(4)]
    world.run_for(2)
    world.kill("w1")
    killed_s = world.now_s
    world.run_until_quiet()

    assert all(each.ready() for each in results)
    assert world.now_s - killed_s <= 2 * LEASE_S + 15
    assert run_checks(world) == []


def test_whoever_finds_a_dead_worker_may_die_as_well(app: TaskQ, taskq_world: Make) -> None:
    """The end of an early task is told by the one that lives."""
    app.conf.taskq_lease_s = LEASE_S

    @app.task
    def charge() -> None:
        time.sleep(10)

    world = taskq_world(app)
    world.start_worker("w1")
    result = charge.delay()
    world.run_for(1)
    world.kill("w1")
    world.start_worker("w2")
    world.when("broker.find", lambda _: world.kill("w2"))
    world.run_for(2 * LEASE_S)
    world.start_worker("w3")
    world.run_until_quiet()

    assert result.state == "FAILURE"
    assert world.trace.count("broker.find") == 2
    assert world.trace.count("task.start") == 1
    assert len(world.dead_letters()) == 1
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("cancels", [False, True])
def test_late_bodies_may_be_cancelled_with_the_link(
    app: TaskQ, taskq_world: Make, broker: str, cancels: bool
) -> None:
    """``worker_cancel_long_running_tasks_on_connection_loss``: no second run beside the first."""
    app.conf.update(
        taskq_lease_s=LEASE_S, worker_cancel_long_running_tasks_on_connection_loss=cancels
    )
    ended: list[str] = []

    @app.task(acks_late=True)
    def long() -> str:
        time.sleep(100)
        ended.append("once")
        return "done"

    world = taskq_world(app, broker=broker)
    world.start_worker("w1", slots=1)
    result = long.delay()
    world.run_for(1)
    world.start_worker("w2", slots=1)
    world.cut("w1", for_s=5)
    world.run_until_quiet()

    assert result.get() == "done"
    # RabbitMQ gives the message to the other at once; a lease outlives a short cut.
    assert len(ended) == (2 if broker == "rabbitmq" and not cancels else 1)
    assert run_checks(world) == []
