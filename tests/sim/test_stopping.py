"""However and whenever a worker is stopped: nothing is lost, nothing that ended runs again."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pytest

from taskq import TaskQ
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from tests.sim.every_step import every_step

Make = Callable[..., World]
BROKERS = ["redis", "rabbitmq"]


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("acks_late", [False, True])
@pytest.mark.parametrize("how", ["warm", "soft", "cold", "immediate"])
def test_at_every_step(
    app: TaskQ, taskq_world: Make, broker: str, acks_late: bool, how: str
) -> None:
    """What has ended is done with; the rest ends elsewhere, or says that it was cut off."""
    app.conf.worker_soft_shutdown_timeout = 0.5

    @app.task(acks_late=acks_late)
    def add(x: int, y: int) -> int:
        time.sleep(1)
        return x + y

    def begin(seed: int) -> World:
        world = taskq_world(app, broker=broker, seed=seed)
        world.start_worker("w1", slots=2)
        for number in range(5):
            countdown = 30 if number == 4 else None
            add.apply_async((number, number), task_id=f"{number}", countdown=countdown)
        return world

    tried = 0
    for world, told in every_step(begin, range(2)):
        if "w1" not in world.workers:
            continue
        world.stop_worker("w1", how)
        world.start_worker("w2", slots=2)
        world.run_until_quiet()
        ended = {record.task_id for record in world.trace.find("result.store", state="SUCCESS")}
        for number in range(5):
            result = app.AsyncResult(f"{number}")
            starts = world.trace.count("task.start", id=result.id)
            if how == "warm":
                assert (result.state, starts) == ("SUCCESS", 1), f"{told}: {number}"
            elif acks_late:
                assert result.state == "SUCCESS", f"{told}: {number}"
                assert 1 <= starts <= 2, f"{told}: {number}"
            else:
                assert starts <= 1, f"{told}: {number}"
                assert result.id in ended or starts == 1, f"{told}: {number}"
        assert not world.trace.find("worker.exit", node="w1") or "w1" not in world.workers
        assert run_checks(world) == [], told
        tried += 1
    assert tried > 60


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("how", ["warm", "soft", "cold"])
def test_what_is_held_goes_back_at_once(
    app: TaskQ, taskq_world: Make, broker: str, how: str
) -> None:
    """Another worker begins it in the same moment, not when a lease is over."""
    app.conf.worker_soft_shutdown_timeout = 20

    @app.task(acks_late=True)
    def nap() -> None:
        time.sleep(10)

    world = taskq_world(app, broker=broker)
    world.start_worker("w1", slots=1)
    for _ in range(4):
        nap.delay()
    nap.apply_async(countdown=3600)
    world.run_for(1)
    world.start_worker("w2", slots=4)
    world.run_for(1)
    world.stop_worker("w1", how)
    world.run_for(0.5)

    begun_by_others = world.trace.count("task.start", node="w2")
    assert begun_by_others == (4 if how == "cold" else 3)
    world.run_until_quiet()
    assert world.trace.count("task.start") == (6 if how == "cold" else 5)
    assert run_checks(world) == []


@pytest.mark.parametrize("acks_late", [False, True])
def test_a_soft_stop_gives_bodies_their_time(
    app: TaskQ, taskq_world: Make, acks_late: bool
) -> None:
    """What ends within it counts; what does not is cut off, and comes again under late acks."""
    app.conf.worker_soft_shutdown_timeout = 30

    @app.task(acks_late=acks_late)
    def nap(seconds: int) -> int:
        time.sleep(seconds)
        return seconds

    world = taskq_world(app)
    world.start_worker("w1")
    quick, slow = nap.delay(20), nap.delay(100)
    world.run_for(5)
    world.stop_worker("w1", "soft")
    world.run_for(29)
    still_there = "w1" in world.workers
    world.run_for(2)
    gone = "w1" not in world.workers
    world.start_worker("w2")
    world.run_until_quiet()

    assert (still_there, gone) == (True, True)
    assert quick.get() == 20
    assert world.trace.count("task.start", id=slow.id) == (2 if acks_late else 1)
    assert (slow.state == "SUCCESS") == acks_late
    assert run_checks(world) == []


@pytest.mark.parametrize("on_idle", [False, True])
def test_an_idle_worker_waits_softly_only_if_it_should(
    app: TaskQ, taskq_world: Make, on_idle: bool
) -> None:
    """``worker_enable_soft_shutdown_on_idle``."""
    app.conf.worker_soft_shutdown_timeout = 30
    app.conf.worker_enable_soft_shutdown_on_idle = on_idle
    world = taskq_world(app)
    world.start_worker("w1")
    world.run_for(5)
    world.stop_worker("w1", "soft")
    world.run_for(10)

    assert ("w1" in world.workers) == on_idle
    world.run_until_quiet()
    assert not world.workers


def test_signals_are_steps(app: TaskQ, taskq_world: Make) -> None:
    """TERM is warm, QUIT is not; a second INT is impatient."""

    @app.task(acks_late=True)
    def nap() -> None:
        time.sleep(100)

    def end(*signals: str) -> tuple[float, int]:
        with taskq_world(app) as world:
            world.start_worker("w1")
            nap.delay()
            world.run_for(1)
            for each in signals:
                world.signal("w1", each)
                world.run_for(1)
            world.run_until_quiet()
            [exit_] = world.trace.find("worker.exit")
            return exit_.at_s, exit_.facts["code"]

    assert end("TERM") == (100, 0)
    assert end("TERM", "TERM") == (100, 0)
    assert end("INT")[0] == 100
    assert end("INT", "INT")[0] <= 3
    assert end("QUIT")[0] <= 2


def test_term_may_be_remapped(app: TaskQ, taskq_world: Make) -> None:
    """For platforms that send nothing else."""

    @app.task(acks_late=True)
    def nap() -> None:
        time.sleep(100)

    world = taskq_world(app)
    world.start_worker("w1", environment={"REMAP_SIGTERM": "SIGQUIT"})
    nap.delay()
    world.run_for(1)
    world.signal("w1", "TERM")
    world.run_for(1)

    assert not world.workers


def test_hup_begins_anew(app: TaskQ, taskq_world: Make) -> None:
    """The worker ends warm, and the same worker begins."""

    @app.task
    def nap() -> str:
        time.sleep(10)
        return "rested"

    world = taskq_world(app)
    world.start_worker("w1", slots=1)
    results = [nap.delay() for _ in range(3)]
    world.run_for(1)
    world.signal("w1", "HUP")
    world.run_until_quiet()

    assert [each.get() for each in results] == ["rested"] * 3
    assert world.trace.count("worker.start") == 2
    assert world.trace.count("task.start") == 3
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("seed", range(3))
def test_rolling_restarts_under_load(app: TaskQ, taskq_world: Make, broker: str, seed: int) -> None:
    """Twenty of them: nothing is lost, and nothing runs twice."""

    @app.task(acks_late=True)
    def add(x: int, y: int) -> int:
        time.sleep(1.5)
        return x + y

    world = taskq_world(app, broker=broker, seed=seed)
    world.start_worker("w0")
    for number in range(60):
        world.at(number, partial(add.apply_async, (number, 1), task_id=f"{number}"))
    for number in range(20):
        world.run_for(3)
        world.start_worker(f"w{number + 1}")
        world.signal(f"w{number}", "TERM")
    world.run_until_quiet()

    assert [app.AsyncResult(f"{n}").get() for n in range(60)] == [n + 1 for n in range(60)]
    assert world.trace.count("task.start") == 60
    assert run_checks(world) == []


def test_a_worker_cut_off_from_the_broker_can_be_stopped(app: TaskQ, taskq_world: Make) -> None:
    """It does not wait for ever for a broker that does not come back."""
    world = taskq_world(app)
    world.start_worker("w1")
    world.run_for(5)
    world.cut("w1", for_s=86400)
    world.run_for(5)
    world.signal("w1", "TERM")
    world.run_for(120)

    assert not world.workers
