"""Monitors are told what happens, in the order in which it happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from taskq import TaskQ
from taskq_testing import World

Make = Callable[..., World]


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> str:
    """Each kind that is modelled."""
    return str(request.param)


def kinds(world: World, task_id: str) -> list[str]:
    """The kinds of events of one task."""
    return [event["type"] for event in world.events(uuid=task_id)]


def test_a_task_tells_of_itself(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """From the client that sent it to its end."""
    app.conf.task_send_sent_event = True

    @app.task(bind=True, name="flaky")
    def flaky(self: Any) -> str:
        if not self.request.retries:
            raise self.retry(countdown=5)
        return "well"

    broken = app.task(name="broken")(lambda: 1 / 0)
    world = taskq_world(app, broker=broker)
    world.start_worker("w1", task_events=True)
    first, second = flaky.delay(), broken.delay()
    world.run_until_quiet()

    # Events of one turn travel together, after what they tell of; those of a client at once.
    assert kinds(world, first.id).count("task-sent") == 2
    own = [kind for kind in kinds(world, first.id) if kind not in ("task-sent", "task-received")]
    assert own == ["task-started", "task-retried", "task-started", "task-succeeded"]
    own = [kind for kind in kinds(world, second.id) if kind != "task-sent"]
    assert own == ["task-received", "task-started", "task-failed"]
    [failed] = world.events("task-failed")
    assert "ZeroDivisionError" in failed["exception"]
    assert failed["hostname"] == "celery@w1"


def test_nobody_is_told_who_did_not_ask(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """Without ``-E`` a task costs no message beside its own; a command turns events on."""
    work = app.task(name="work")(lambda: None)
    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    work.delay()
    world.run_until_quiet()
    before = len(world.events())
    app.control.enable_events()
    world.run_for(1)
    result = work.delay()
    world.run_until_quiet()

    assert before == 0
    assert "task-succeeded" in kinds(world, result.id)


def test_a_worker_tells_that_it_is_there(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """When it comes, every two seconds, and when it goes."""
    world = taskq_world(app, broker=broker)
    world.start_worker("w1", heartbeat_interval=2)
    world.run_for(61)
    world.stop_worker("w1")
    world.run_until_quiet()
    told = [event["type"] for event in world.events(hostname="celery@w1")]

    assert told[0] == "worker-online"
    assert told[-1] == "worker-offline"
    assert told[1:-1] == ["worker-heartbeat"] * 30


def test_what_was_revoked_is_told(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """With what became of it."""

    @app.task
    def nap() -> None:
        time.sleep(10)

    world = taskq_world(app, broker=broker)
    world.start_worker("w1", slots=1, task_events=True)
    first, second = nap.delay(), nap.delay()
    world.run_for(1)
    app.control.revoke(second.id)
    app.control.revoke(first.id, terminate=True)
    world.run_until_quiet()

    terminated = {event["uuid"]: event["terminated"] for event in world.events("task-revoked")}
    assert terminated == {first.id: True, second.id: False}


def test_logical_clocks_go_forward(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """Each event of a node has a later time than the one before it."""
    work = app.task(name="work")(lambda: None)
    world = taskq_world(app, broker=broker)
    for name in ("w1", "w2"):
        world.start_worker(name, task_events=True, heartbeat_interval=2)
    for _ in range(20):
        work.delay()
    world.run_for(30)

    for name in ("w1", "w2"):
        clocks = [event["clock"] for event in world.events(hostname=f"celery@{name}")]
        assert clocks == sorted(clocks)
        assert len(clocks) > 20
