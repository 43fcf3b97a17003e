"""Chains, groups and chords in a simulated world."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from taskq import GroupResult, TaskQ
from taskq.canvas import chain, chord, group
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from taskq_testing.sim.trace import Record

HERE = "tests.sim.test_canvas"
NAMES = ("add", "total", "fail", "told")


@pytest.fixture
def early(app: TaskQ) -> TaskQ:
    @app.task
    def add(x: int, y: int) -> int:
        time.sleep(1)
        return x + y

    @app.task
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @app.task
    def fail() -> None:
        time.sleep(1)
        raise ValueError("no")

    @app.task
    def told(task_id: str) -> str:
        return task_id

    return app


@pytest.fixture
def tasks(app: TaskQ, early: TaskQ) -> TaskQ:
    app.conf.task_acks_late = True
    return early


def test_a_chain_hands_on_results(tasks: TaskQ, taskq_world: Callable[..., World]) -> None:
    """Each step gets what the one before it returned."""
    add = tasks.tasks["tests.sim.test_canvas.add"]
    world = taskq_world(tasks)
    world.start_worker("w1")

    assert chain(add.s(1, 2), add.s(10), add.s(100))().get() == 113
    assert run_checks(world) == []


def test_a_group_runs_side_by_side(tasks: TaskQ, taskq_world: Callable[..., World]) -> None:
    """Its members take as long as one, and their results keep their order."""
    add = tasks.tasks["tests.sim.test_canvas.add"]
    world = taskq_world(tasks)
    world.start_worker("w1", slots=5)

    assert group(add.s(n, n) for n in range(5))().get() == [0, 2, 4, 6, 8]
    assert world.now_s == pytest.approx(1)
    assert run_checks(world) == []


def test_a_chord_runs_its_body_once(tasks: TaskQ, taskq_world: Callable[..., World]) -> None:
    """With all results, after the last of them."""
    add, total = (tasks.tasks[f"tests.sim.test_canvas.{name}"] for name in ("add", "total"))
    world = taskq_world(tasks)
    world.start_worker("w1")
    world.start_worker("w2")

    assert chord([add.s(n, n) for n in range(5)])(total.s()).get() == 20
    world.run_until_quiet()
    assert world.trace.count("task.start", task=total.name) == 1
    assert run_checks(world) == []


BROKERS = pytest.mark.parametrize("broker", ["redis", "rabbitmq"])


def bodies_sent(world: World) -> list[Record]:
    return [r for r in world.trace.find("task.send") if str(r.facts["task"]).endswith("total")]


def killed_at_every_step(
    app: TaskQ, taskq_world: Callable[..., World], broker: str
) -> Iterator[tuple[World, Any, str]]:
    """Worlds in which one of two workers died after a number of steps in the midst of a chord."""
    add, total = (app.tasks[f"tests.sim.test_canvas.{name}"] for name in ("add", "total"))
    for seed, steps in itertools.product(range(4), range(1, 100)):
        world = taskq_world(app, broker=broker, seed=seed)
        world.start_worker("w1")
        world.start_worker("w2")
        result = chord([add.s(1, 1), add.s(2, 2)])(total.s())
        if all(world.step() for _ in range(steps)):
            world.kill("w1")
            world.run_until_quiet()
            yield world, result, f"seed {seed}, killed after {steps} steps"
        world.close()


@BROKERS
def test_a_chord_survives_death_at_any_step(
    tasks: TaskQ, taskq_world: Callable[..., World], broker: str
) -> None:
    """Wherever a worker dies, the body's result comes, and it is right.

    The body is sent once; where sending and remembering it are two steps, once more under its id.
    """
    tried = 0
    for world, result, told in killed_at_every_step(tasks, taskq_world, broker):
        assert (result.state, result.result) == ("SUCCESS", 6), told
        assert {record.task_id for record in bodies_sent(world)} == {result.id}, told
        assert len(bodies_sent(world)) == 1 or broker == "rabbitmq", told
        assert run_checks(world) == [], told
        tried += 1
    assert tried > 80


@BROKERS
def test_under_early_acks_a_chord_comes_to_its_end(
    early: TaskQ, taskq_world: Callable[..., World], broker: str
) -> None:
    """No body begins twice, wherever a worker dies; what had begun then is lost, and says so.

    A broker that forgets what it has handed out cannot say it: there the chord may stay open.
    """
    seen = set()
    for world, result, told in killed_at_every_step(early, taskq_world, broker):
        assert len(bodies_sent(world)) <= 1, told
        assert run_checks(world) == [], told
        seen.add(result.state)
        if result.state == "SUCCESS":
            assert result.result == 6, told
    assert seen - {"PENDING"} == {"SUCCESS", "FAILURE"} or broker == "rabbitmq"
    assert "PENDING" not in seen or broker == "rabbitmq"


def outcome(result: Any) -> Any:
    if isinstance(result, GroupResult):
        return [each.result for each in result.results]
    return "FAILURE" if result.failed() else result.result


CANVASES: dict[str, tuple[Callable[..., Any], Any, int, int]] = {
    # name -> how it is made, what comes of it, how many bodies and how many errbacks are sent
    "a failing member": (
        lambda add, total, fail, told: chord([add.s(1, 1), fail.s()], total.s().on_error(told.s())),
        "FAILURE", 0, 1,
    ),
    "a group as body": (
        lambda add, total, *_: chord([add.s(1, 1), add.s(2, 2)], group(total.s(), total.s())),
        [6, 6], 2, 0,
    ),
    "a chord in a header": (
        lambda add, total, *_: chord([add.s(1, 1), chord([add.s(1, 2)], total.s())], total.s()),
        5, 2, 0,
    ),
    "a failing chord in a header": (
        lambda add, total, fail, told: chord(
            [add.s(1, 1), chord([add.s(1, 2), fail.s()], total.s())], total.s().on_error(told.s())
        ),
        "FAILURE", 0, 1,
    ),
    "a chord that is followed": (
        lambda add, total, *_: chain(group(add.s(1, 1), add.s(2, 2)), total.s(), add.s(10)),
        16, 1, 0,
    ),
}  # fmt: skip


@BROKERS
@pytest.mark.parametrize("name", CANVASES)
def test_every_canvas_survives_death_at_any_step(
    tasks: TaskQ, taskq_world: Callable[..., World], broker: str, name: str
) -> None:
    """What comes of it is the same, and nothing is sent more often than it must be."""
    make, expected, bodies, errbacks = CANVASES[name]
    add, total, fail, told = (tasks.tasks[f"{HERE}.{each}"] for each in NAMES)
    tried = 0
    for steps in range(1, 200, 3):
        world = taskq_world(tasks, broker=broker)
        world.start_worker("w1")
        world.start_worker("w2")
        result = make(add, total, fail, told).apply_async()
        if all(world.step() for _ in range(steps)):
            world.kill("w1")
            world.run_until_quiet()
            sent = [world.trace.count("task.send", task=each.name) for each in (total, told)]
            assert outcome(result) == expected, f"killed after {steps} steps"
            assert sent == [bodies, errbacks] or broker == "rabbitmq", f"killed after {steps} steps"
            assert run_checks(world) == [], f"killed after {steps} steps"
            tried += 1
        world.close()
    assert tried > 10


@BROKERS
@pytest.mark.parametrize("moment", ["chord.close", "chord.end"])
def test_a_chord_survives_death_between_right_and_body(
    tasks: TaskQ, taskq_world: Callable[..., World], broker: str, moment: str
) -> None:
    """A worker that dies after it took the right to send the body comes again, and sends it."""
    add, total = (tasks.tasks[f"tests.sim.test_canvas.{name}"] for name in ("add", "total"))
    world = taskq_world(tasks, broker=broker)
    world.start_worker("w1")
    world.start_worker("w2")
    world.when(moment, lambda record: world.kill(record.node))
    result = chord([add.s(1, 1), add.s(2, 2)])(total.s())
    world.run_until_quiet()

    assert (result.state, result.result) == ("SUCCESS", 6)
    assert len(bodies_sent(world)) == 1
    assert run_checks(world) == []


@BROKERS
def test_a_group_that_never_begins_does_not_hold_up_its_chord(
    tasks: TaskQ, taskq_world: Callable[..., World], broker: str
) -> None:
    """A step that fails counts as the list of the group that should have followed it."""
    add, total = (tasks.tasks[f"tests.sim.test_canvas.{name}"] for name in ("add", "total"))
    world = taskq_world(tasks, broker=broker)
    world.start_worker("w1")
    fails = chain(add.s(1, "one"), group(add.s(2), add.s(3)), app=tasks)
    result = chord([add.s(1, 1), fails])(total.s())
    world.run_until_quiet()

    assert result.state == "FAILURE"
    assert world.trace.count("chord.count") == 2
    assert run_checks(world) == []
