"""When a message is done with: the matrix of settings against deaths of children and workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from taskq import TaskQ
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from tests.sim.every_step import every_step
from tests.sim.tasks import make

Make = Callable[..., World]
BROKERS = ["redis", "rabbitmq"]


@dataclass(frozen=True)
class Row:
    """Options of a task, and what becomes of it when its child dies in the first attempt."""

    options: Mapping[str, Any]
    state: str
    starts: int
    known: dict[str, Any] = field(default_factory=dict)


CHILD_DIES = [
    Row({}, "FAILURE", 1),
    Row({"reject_on_worker_lost": True}, "FAILURE", 1),  # early acks: it was acknowledged
    Row({"acks_late": True}, "SUCCESS", 2),
    Row({"acks_late": True, "reject_on_worker_lost": True}, "SUCCESS", 2),
    Row({"acks_late": True, "reject_on_worker_lost": False}, "FAILURE", 1),
    Row({"acks_late": True, "acks_on_failure": False}, "SUCCESS", 2),
]


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("row", CHILD_DIES, ids=lambda row: "-".join(row.options) or "early")
def test_a_child_dies(app: TaskQ, taskq_world: Make, broker: str, row: Row) -> None:
    """The worker lives on, and knows what to do."""

    def charge() -> str:
        time.sleep(10)
        return "charged"

    charge_task = make(app, charge, **row.options)

    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    result = charge_task.delay()
    world.run_until(lambda: world.trace.count("task.start"))
    world.kill_child("w1")
    world.run_until_quiet()

    assert (result.state, world.trace.count("task.start")) == (row.state, row.starts)
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("reject", [None, False, True])
@pytest.mark.parametrize("acks_late", [False, True])
def test_a_whole_worker_dies(
    app: TaskQ, taskq_world: Make, broker: str, acks_late: bool, reject: bool | None
) -> None:
    """Then the broker decides: late acks come again, early ones never."""

    @app.task(acks_late=acks_late, reject_on_worker_lost=reject)
    def charge() -> str:
        time.sleep(10)
        return "charged"

    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    result = charge.delay()
    world.run_until(lambda: world.trace.count("task.start"))
    world.kill("w1")
    world.start_worker("w2")
    world.run_until_quiet()

    # RabbitMQ has forgotten a message that was acknowledged: nobody is left to say its end.
    lost = "FAILURE" if broker == "redis" else "PENDING"
    assert result.state == ("SUCCESS" if acks_late else lost)
    assert world.trace.count("task.start") == (2 if acks_late else 1)
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize(
    ("options", "dead"),
    [
        ({}, 0),
        ({"acks_late": True}, 0),
        ({"acks_late": True, "acks_on_failure": False}, 1),
        ({"acks_late": True, "acks_on_failure_or_timeout": False}, 1),
        ({"acks_late": True, "acks_on_failure_or_timeout": False, "acks_on_failure": True}, 0),
        ({"acks_on_failure": False}, 0),  # early acks: it was acknowledged
    ],
)
def test_a_body_fails(
    app: TaskQ, taskq_world: Make, broker: str, options: dict[str, Any], dead: int
) -> None:
    """Its message is acknowledged, or goes to the dead letters; it fails once, either way."""

    def broken() -> None:
        raise ValueError("broken")

    broken_task = make(app, broken, **options)

    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    result = broken_task.delay()
    world.run_until_quiet()

    assert result.state == "FAILURE"
    assert (world.trace.count("task.start"), len(world.dead_letters())) == (1, dead)
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
def test_whenever_a_child_dies_late_tasks_end(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """At every step: before the body, in it, between its end and its acknowledgement."""

    @app.task(acks_late=True)
    def add(x: int, y: int) -> int:
        time.sleep(1)
        return x + y

    def begin(seed: int) -> World:
        world = taskq_world(app, broker=broker, seed=seed)
        world.start_worker("w1", slots=2)
        for number in range(4):
            add.apply_async((number, number), task_id=f"{number}")
        return world

    tried = 0
    for world, told in every_step(begin, range(3)):
        node = world.workers["w1"]
        if not node.pool.slots:
            continue
        world.kill_child("w1")
        world.run_until_quiet()
        values = [app.AsyncResult(f"{number}").get() for number in range(4)]
        assert values == [0, 2, 4, 6], told
        assert len(node.pool.slots) == 2, told
        assert world.trace.count("task.start") <= 5, told
        assert run_checks(world) == [], told
        tried += 1
    assert tried > 60


@pytest.mark.parametrize("broker", BROKERS)
def test_whenever_a_child_dies_early_tasks_begin_once(
    app: TaskQ, taskq_world: Make, broker: str
) -> None:
    """And each has an end: its own, or that it was lost."""

    @app.task
    def add(x: int, y: int) -> int:
        time.sleep(1)
        return x + y

    def begin(seed: int) -> World:
        world = taskq_world(app, broker=broker, seed=seed)
        world.start_worker("w1", slots=2)
        for number in range(4):
            add.apply_async((number, number), task_id=f"{number}")
        return world

    for world, told in every_step(begin, range(3)):
        if not world.workers["w1"].pool.slots:
            continue
        world.kill_child("w1")
        world.run_until_quiet()
        states = [app.AsyncResult(f"{number}").state for number in range(4)]
        starts = [world.trace.count("task.start", id=f"{number}") for number in range(4)]
        assert sorted(states) in (["SUCCESS"] * 4, ["FAILURE", *["SUCCESS"] * 3]), told
        assert max(starts) == 1, told
        assert run_checks(world) == [], told


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("acks_late", [False, True])
def test_whenever_a_worker_dies_what_was_promised_holds(
    app: TaskQ, taskq_world: Make, broker: str, acks_late: bool
) -> None:
    """With others beside it: at least once under late acks, at most once under early ones."""
    app.conf.worker_prefetch_multiplier = 1

    @app.task(acks_late=acks_late)
    def add(x: int, y: int) -> int:
        time.sleep(1)
        return x + y

    def begin(seed: int) -> World:
        world = taskq_world(app, broker=broker, seed=seed)
        for name in ("w1", "w2"):
            world.start_worker(name, slots=1)
        for number in range(4):
            add.apply_async((number, number), task_id=f"{number}")
        return world

    tried = 0
    for world, told in every_step(begin, range(2)):
        world.kill("w1")
        world.run_until_quiet()
        for number in range(4):
            result = app.AsyncResult(f"{number}")
            starts = world.trace.count("task.start", id=result.id)
            if acks_late:
                assert result.get() == 2 * number, told
                assert 1 <= starts <= 2, told
            else:
                assert starts <= 1, told
                assert broker == "rabbitmq" or result.ready(), told
        assert run_checks(world) == [], told
        tried += 1
    assert tried > 60


@pytest.mark.parametrize("broker", BROKERS)
def test_a_lost_process_may_count_as_a_retry(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """``retry_on_worker_lost``: it comes again as a retry, and their number is limited."""

    @app.task(bind=True, acks_late=True, retry_on_worker_lost=True, max_retries=2)
    def deadly(self: Any) -> None:
        del self
        raise SystemExit(1)

    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    result = deadly.delay()
    world.run_until_quiet()

    assert result.state == "FAILURE"
    assert [r.facts["retries"] for r in world.trace.find("task.start")] == [0, 1, 2]
    assert run_checks(world) == []
