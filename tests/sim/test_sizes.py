"""Large workflows: deep ones, and wide ones; what is too large is said where it is sent."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from taskq import TaskQ
from taskq.canvas import chain, chord, group
from taskq.canvas.depth import MOST_NESTED
from taskq.errors import CanvasTooDeep, MessageTooLarge
from taskq_testing import World
from taskq_testing.checks.registry import run_checks

HERE = "tests.sim.test_sizes"
DEPTH = 50
MANY = 50_000

# How each level of a nest is made of the one inside; a list is summed on the way out.
LEVELS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "chain": lambda inner, _add, total: chain(inner, total.s()),
    "group": lambda inner, add, _total: group(inner, add.s(1, 1)),
    "chord": lambda inner, add, total: chord([inner, add.s(1, 1)], total.s()),
    "body": lambda inner, add, total: chain(group(inner, add.s(1, 1)), total.s(), total.s()),
}
NESTS = [
    *[(name,) for name in LEVELS],
    *itertools.permutations(("chain", "group", "chord"), 2),
    ("chain", "group", "chord"),
    ("body", "group"),
]


@pytest.fixture
def tasks(app: TaskQ) -> TaskQ:
    app.conf.task_acks_late = True

    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    @app.task
    def total(numbers: Any) -> int:
        return sum_of(numbers)

    return app


def sum_of(numbers: Any) -> int:
    """Sum numbers, and numbers in lists."""
    return sum(map(sum_of, numbers)) if isinstance(numbers, list) else int(numbers)


def task(app: TaskQ, name: str) -> Any:
    return app.tasks[f"{HERE}.{name}"]


def nest(app: TaskQ, levels: tuple[str, ...], depth: int) -> Any:
    """A canvas in a canvas in a canvas; a chain around a chain would be one chain."""
    add, total = task(app, "add"), task(app, "total")
    canvas = add.s(1, 1)
    for level in itertools.islice(itertools.cycle(levels), depth):
        canvas = LEVELS[level](canvas, add, total)
    return canvas


def value(result: Any) -> int:
    return sum_of(result.get())


@pytest.mark.parametrize("levels", NESTS, ids="-".join)
def test_a_workflow_may_be_nested_fifty_levels_deep(
    tasks: TaskQ, taskq_world: Callable[..., World], levels: tuple[str, ...]
) -> None:
    """It can be shown, copied, joined, written and read, run here and by workers."""
    canvas = nest(tasks, levels, DEPTH)
    expected = value(canvas.apply())
    add = task(tasks, "add")
    read = tasks.signature(json.loads(json.dumps(canvas)))
    assert repr(read) == repr(canvas.clone()) == repr(canvas)
    assert (canvas | task(tasks, "total").s()).apply().get() == expected
    assert (add.si(1, 1) | nest(tasks, ("chord",), 3)) is not None
    canvas.clone().freeze()

    world = taskq_world(tasks)
    world.start_worker("w1")
    result = canvas.apply_async()
    world.run_until_quiet()
    assert value(result) == expected == value(read.apply())
    assert run_checks(world) == []
    # A message has in it what follows, and that is one body for each level at most.
    assert max(len(r.facts["body"]) for r in world.trace.find("task.send")) < 600 * DEPTH


@pytest.mark.parametrize(
    ("level", "depth"), [("group", MOST_NESTED - 1), ("chord", MOST_NESTED - 1), ("body", 51)]
)
def test_what_the_limit_allows_can_be_carried_out(
    tasks: TaskQ, taskq_world: Callable[..., World], level: str, depth: int
) -> None:
    """A client that may send it never gets a worker into trouble."""
    world = taskq_world(tasks)
    world.start_worker("w1")
    result = nest(tasks, (level,), depth).apply_async()
    with pytest.raises(CanvasTooDeep):
        nest(tasks, (level,), depth + 1).apply_async()
    world.run_until_quiet()

    assert value(result) == 2 * (depth + 1)
    assert run_checks(world) == []


def test_a_workflow_that_is_too_deep_is_refused_where_it_is_sent(
    tasks: TaskQ, taskq_world: Callable[..., World]
) -> None:
    """Nothing of it is sent."""
    world = taskq_world(tasks)

    with pytest.raises(CanvasTooDeep, match=r"too large: .* more than 104 levels"):
        nest(tasks, ("chord",), MOST_NESTED + 1).apply_async()
    assert world.trace.count("task.send") == 0


def test_links_in_links_count_as_levels(tasks: TaskQ, taskq_world: Callable[..., World]) -> None:
    """They are in each other as well."""
    taskq_world(tasks)
    add = task(tasks, "add")
    link = add.s(1)
    for _ in range(MOST_NESTED):
        outer = add.s(1)
        outer.link(link)
        link = outer

    with pytest.raises(CanvasTooDeep):
        group([link]).apply_async()


def test_a_message_that_no_worker_would_accept_is_not_sent(
    tasks: TaskQ, taskq_world: Callable[..., World]
) -> None:
    """Whoever sends it learns how large it is, and what is allowed."""
    tasks.conf.taskq_max_body_bytes = 10_000
    world = taskq_world(tasks)
    add = task(tasks, "add")

    with pytest.raises(MessageTooLarge, match=r"too large: .* taskq_max_body_bytes allows 10000"):
        add.delay("x" * 10_000, 1)
    with pytest.raises(MessageTooLarge):
        chain(add.s(1, 1), *(add.s(1) for _ in range(100)))()
    assert world.trace.count("task.send") == 0


def test_a_group_of_50000(tasks: TaskQ, taskq_world: Callable[..., World]) -> None:
    """None of its messages knows of the others."""
    world = taskq_world(tasks)
    add = task(tasks, "add")
    result = group(add.s(n, 1) for n in range(MANY)).apply_async()

    assert len(result.results) == world.trace.count("task.send") == MANY
    assert max(len(r.facts["body"]) for r in world.trace.find("task.send")) < 100


def test_a_chord_of_5000(tasks: TaskQ, taskq_world: Callable[..., World]) -> None:
    """One message for each member, and one for its body."""
    world = taskq_world(tasks)
    world.start_worker("w1", slots=4)
    add, total = task(tasks, "add"), task(tasks, "total")
    result = chord([add.si(1, 1)] * 5_000)(total.s())
    world.run_until_quiet()

    assert result.result == 10_000
    assert world.trace.count("task.send") == 5_001
    assert run_checks(world) == []


def test_a_chain_of_5000_can_be_made_and_run_here(tasks: TaskQ) -> None:
    """Shown, copied, written, read, frozen, run: nothing calls itself once for each step."""
    add = task(tasks, "add")
    steps = chain(add.s(0, 1), *(add.s(1) for _ in range(4_999)))
    read = tasks.signature(json.loads(json.dumps(steps)))
    result = steps.clone().freeze()

    assert read.apply().get() == (steps | add.s(1)).apply().get() - 1 == 5_000
    assert len(result.as_list()) == 5_000
    assert repr(read).count("|") == 4_999
