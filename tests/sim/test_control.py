"""Commands reach simulated workers, and their replies reach the test, in virtual time."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from taskq import TaskQ
from taskq_testing import World

Make = Callable[..., World]


@pytest.fixture(params=["redis", "rabbitmq"])
def world(app: TaskQ, taskq_world: Make, request: pytest.FixtureRequest) -> World:
    """Two workers that take from one queue."""
    world = taskq_world(app, broker=request.param)
    world.start_worker("w1")
    world.start_worker("w2")
    world.run_until_quiet()
    return world


def test_every_worker_answers(app: TaskQ, world: World) -> None:
    """The test itself asks, and waits as a client does."""
    began_s = world.now_s

    assert app.control.inspect(timeout=5).ping() == {
        "celery@w1": {"ok": "pong"},
        "celery@w2": {"ok": "pong"},
    }
    assert world.now_s - began_s <= 5


def test_one_worker_can_be_asked(app: TaskQ, world: World) -> None:
    """By its name."""
    replies = app.control.ping(destination=["celery@w2"], timeout=1)

    assert replies == [{"celery@w2": {"ok": "pong"}}]


def test_nobody_answers_for_a_worker_that_is_dead(app: TaskQ, world: World) -> None:
    """Whoever asks waits as long as it said, and not longer."""
    world.kill("w1")
    began_s = world.now_s

    assert app.control.inspect(timeout=3).ping() == {"celery@w2": {"ok": "pong"}}
    assert world.now_s - began_s == pytest.approx(3, abs=0.1)


def test_a_body_can_ask_as_well(app: TaskQ, world: World) -> None:
    """It waits in its own process; its worker goes on meanwhile, and answers."""

    @app.task
    def census() -> list[str]:
        return sorted(app.control.inspect(timeout=2).ping())

    assert census.delay().get() == ["celery@w1", "celery@w2"]


def test_what_runs_can_be_seen(app: TaskQ, world: World) -> None:
    """``active``, ``reserved``, ``scheduled``."""

    @app.task
    def nap() -> None:
        time.sleep(100)

    running = nap.delay()
    later = nap.apply_async(countdown=3600)
    world.run_for(1)
    inspect = app.control.inspect(timeout=1)
    active = [each["id"] for tasks in inspect.active().values() for each in tasks]
    scheduled = {each["request"]["id"] for tasks in inspect.scheduled().values() for each in tasks}

    assert active == [running.id]
    assert later.id in scheduled or world.broker.profile.name == "rabbitmq"


@pytest.mark.parametrize("crash", [False, True])
def test_asking_leaves_nothing_behind(app: TaskQ, world: World, crash: bool) -> None:
    """The queues for the replies go with whoever asked, or by their own time."""
    before = set(world.broker.topology.queues)
    if crash:

        @app.task(acks_late=True)
        def ask() -> None:
            app.control.inspect(timeout=60).ping(destination=["nobody"])

        ask.delay()
        world.run_for(10)
        for name in list(world.workers):
            world.kill(name)
            world.start_worker(name)
        world.run_for(7200)
    for _ in range(100):
        app.control.inspect(timeout=0.1).ping()

    assert set(world.broker.topology.queues) == before


def test_a_worker_that_lost_the_broker_hears_again(app: TaskQ, world: World) -> None:
    """Its ear is opened again with its connection."""
    world.cut("w1", for_s=30)
    world.run_for(120)

    assert sorted(app.control.inspect(timeout=5).ping()) == ["celery@w1", "celery@w2"]


def test_a_worker_can_be_told_to_end(app: TaskQ, world: World) -> None:
    """``shutdown`` is a warm stop."""

    @app.task
    def nap() -> str:
        time.sleep(100)
        return "rested"

    result = nap.delay()
    world.run_for(1)
    app.control.shutdown()
    world.run_until_quiet()

    assert not world.workers
    assert result.get() == "rested"
