"""The edges of canvases: who is told, what is empty, what is replaced, what keeps its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from taskq import TaskQ, chain, chord, group
from taskq.errors import GroupNotFound
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from taskq_testing.strategies import Canvas, Chain, Chord, Group, Leaf, canvases
from taskq_testing.strategies.canvas import Does
from tests.sim.canvas.running import Stage, came_of, differences, quiet_log

BROKERS = pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
Make = Callable[..., World]


@pytest.fixture
def tasks(app: TaskQ) -> Any:
    class Tasks:
        told: list[str] = []  # noqa: RUF012 - one for each test

        @staticmethod
        @app.task
        def one(*args: Any) -> list[Any]:
            return [1, *args]

        @staticmethod
        @app.task
        def fail(*args: Any) -> None:
            raise ValueError("no")

        @staticmethod
        @app.task
        def told_of(_task_id: str, *, level: str) -> None:
            Tasks.told.append(level)

        @staticmethod
        @app.task
        def after(number: int, seconds: float) -> int:
            import time

            time.sleep(seconds)
            return number

    Tasks.told.clear()
    return Tasks


# -- who is told -----------------------------------------------------------------------------------


@BROKERS
@pytest.mark.parametrize("failing", [1, 3])
@pytest.mark.parametrize("body", ["task", "group", "chain", "chord"])
def test_a_chord_tells_its_errback_once_whatever_its_body_is(  # noqa: PLR0917 - fixtures
    app: TaskQ, tasks: Any, taskq_world: Make, broker: str, body: str, failing: int
) -> None:
    """However many members fail; and the canvas around it comes to its end."""
    bodies = {
        "task": tasks.one.s(),
        "group": group(tasks.one.s(), tasks.one.s()),
        "chain": chain(tasks.one.s(), tasks.one.s()),
        "chord": chord([tasks.one.s(), tasks.one.s()], tasks.one.s()),
    }
    inner = chord([tasks.fail.s() for _ in range(failing)], bodies[body])
    inner.link_error(tasks.told_of.s(level="inner"))
    outer = chord([inner, tasks.one.s()], tasks.one.s().on_error(tasks.told_of.s(level="outer")))
    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    result = outer.delay()
    world.run_until_quiet()

    assert result.state == "FAILURE"
    assert sorted(tasks.told) == ["inner", "outer"]
    assert run_checks(world) == []


# -- what is empty ---------------------------------------------------------------------------------

TWO_IN_ONE = [1, [[1, 5], [1, 6]]]
EMPTY: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "chord([], body)": (lambda one: chord([], one.s()), [1, []]),
    "chord(iter([]), body)": (lambda one: chord(iter([]), one.s()), [1, []]),
    "chain(a, group(), b)": (lambda one: chain(one.s(), group(), one.s()), [1, []]),
    "group()": (lambda _one: group(), []),
    "group of one | task": (lambda one: group(one.s()) | one.s(), [1, [[1]]]),
    "chord of one": (lambda one: chord([one.s()], one.s()), [1, [[1]]]),
    "chord(generator)": (lambda one: chord((one.s(n) for n in (5, 6)), one.s()), TWO_IN_ONE),
    "group(generator)": (lambda one: group(one.s(n) for n in (5, 6)), [[1, 5], [1, 6]]),
    "group(chain(), a)": (lambda one: group(chain(), one.s()), [[1]]),
    "chord([a], chain())": (lambda one: chord([one.s()], chain()), [[1]]),
    "chord([a], group())": (lambda one: chord([one.s()], group()), []),
    "chain of one group": (lambda one: chain(group(one.s())), [[1]]),
    "a chain in a header that ends in nothing": (
        lambda one: chord([chain(one.s(), group()), one.s()], one.s()),
        [1, [[], [1]]],
    ),
}  # fmt: skip


@BROKERS
@pytest.mark.parametrize("case", EMPTY)
def test_what_is_empty_or_single_is_defined(
    app: TaskQ, tasks: Any, taskq_world: Make, broker: str, case: str
) -> None:
    """In workers and here; nothing waits for members that are not there."""
    make, expected = EMPTY[case]
    world = taskq_world(app, broker=broker)
    world.start_worker("w1")

    assert make(tasks.one).apply_async().get() == expected
    assert make(tasks.one).apply().get() == expected
    world.run_until_quiet()
    assert run_checks(world) == []


# -- what is replaced ------------------------------------------------------------------------------


def positions(canvas: Any) -> int:
    """Count the leaves."""
    if isinstance(canvas, Leaf):
        return 1
    return sum(map(positions, parts(canvas)))


def parts(canvas: Any) -> tuple[Any, ...]:
    if isinstance(canvas, Chain):
        return canvas.steps
    if isinstance(canvas, Group):
        return canvas.members
    return (*canvas.header, canvas.body) if isinstance(canvas, Chord) else ()


def with_leaf(canvas: Any, at: int, change: Callable[[Leaf], Leaf], numbers: Iterator[int]) -> Any:
    """Change the leaf at one position."""
    if isinstance(canvas, Leaf):
        return change(canvas) if next(numbers) == at else canvas
    changed = tuple(with_leaf(each, at, change, numbers) for each in parts(canvas))
    if isinstance(canvas, Chain):
        return replace(canvas, steps=changed)
    if isinstance(canvas, Group):
        return replace(canvas, members=changed)
    if isinstance(canvas, Chord):
        return replace(canvas, header=changed[:-1], body=changed[-1])
    return canvas


def direct(leaf: Leaf) -> Leaf:
    return replace(leaf, does=Does.RETURNS, by=None, immutable=True)


def by_another(leaf: Leaf) -> Leaf:
    """Let the same task stand in for it; links stay with the one that is replaced."""
    stand_in = replace(direct(leaf), retries=0, callbacks=(), errbacks=())
    return replace(direct(leaf), tag=f"{leaf.tag}.replaced", does=Does.REPLACED, by=stand_in)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(canvas=canvases(depth=3, refuse=False, ignore_results=False))
@BROKERS
def test_a_replacement_at_any_position_changes_nothing(broker: str, canvas: Canvas) -> None:
    """The outcome is that of the canvas in which the replacement was written down at once."""
    stage = Stage("replacing")

    def outcome(of: Canvas) -> Any:
        with World(stage.app, broker=broker) as world, quiet_log():
            world.start_worker("w1", slots=2)
            result = stage.signature(of, header_errbacks=False, ids=None).apply_async()
            world.run_until_quiet()
            callbacks = {what for what in stage.runs if ".replaced" not in what}
            return came_of(result), callbacks, dict(stage.errbacks)

    for at in range(positions(canvas)):
        written = outcome(with_leaf(canvas, at, direct, count()))
        assert outcome(with_leaf(canvas, at, by_another, count())) == written, at


@BROKERS
@pytest.mark.parametrize(
    "by",
    [
        Chain(steps=(Leaf("a"), Leaf("b"))),
        Group(members=(Leaf("a"), Leaf("b"))),
        Chord(header=(Leaf("a"), Leaf("b")), body=Leaf("c")),
        Chord(header=(Leaf("a"), Leaf("b")), body=Group(members=(Leaf("c"), Leaf("d")))),
        Chain(steps=(Leaf("a"), Leaf("r", does=Does.REPLACED, by=Group(members=(Leaf("b"),))))),
    ],
    ids=["chain", "group", "chord", "chord with a group", "replaced again"],
)
def test_canvases_stand_in_for_tasks(broker: str, by: Canvas) -> None:
    """In a chain, in a group, in a header and as a body: with id, place and callbacks."""
    leaf = Leaf("x", does=Does.REPLACED, by=by)
    for canvas in (
        leaf,
        Chain(steps=(Leaf("before"), leaf, Leaf("behind"))),
        Group(members=(leaf, Leaf("beside"))),
        Chord(header=(Leaf("beside"), leaf), body=Leaf("behind")),
        Chord(header=(Leaf("before"),), body=leaf),
    ):
        assert list(map(str, differences(Stage("standing in"), canvas, broker=broker))) == []


# -- order -----------------------------------------------------------------------------------------


@BROKERS
def test_results_stand_in_the_order_of_the_members(
    app: TaskQ, tasks: Any, taskq_world: Make, broker: str
) -> None:
    """Whatever order they end in: in a group, in the list of a body, in a group that was saved."""
    world = taskq_world(app, broker=broker)
    world.start_worker("w1", slots=20)
    members = [tasks.after.s(number, (number * 7) % 20) for number in range(20)]
    grouped = group(members).apply_async()
    grouped.save()
    gathered = chord(members, tasks.one.s()).apply_async()
    world.run_until_quiet()

    assert grouped.get() == list(range(20))
    assert gathered.get() == [1, list(range(20))]
    assert app.GroupResult.restore(grouped.id).get() == list(range(20))
    world.run_for(2 * 86400)
    with pytest.raises(GroupNotFound):
        app.GroupResult.restore(grouped.id, must_exist=True)
