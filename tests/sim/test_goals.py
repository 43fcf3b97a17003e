"""What a user says must never, or should sometimes, be so in a world."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from taskq import TaskQ
from taskq_testing import BrokenPromise, World, over_seeds

Make = Callable[..., World]


@pytest.fixture
def begun(app: TaskQ) -> list[str]:
    """Who began, in order; the app has a task of a second that adds to it."""
    begun: list[str] = []

    @app.task(name="add", acks_late=True)
    def add(who: str) -> None:
        begun.append(who)
        time.sleep(1)

    return begun


def play(app: TaskQ, world: World) -> World:
    """Two tasks, two workers."""
    world.start_worker("w1", slots=1, prefetch_multiplier=1)
    world.start_worker("w2", slots=1, prefetch_multiplier=1)
    for who in ("a", "b"):
        app.tasks["add"].delay(who)
    return world


def test_what_must_never_be_so_is_told_with_its_event(
    app: TaskQ, taskq_world: Make, begun: list[str]
) -> None:
    """A condition is asked at each event; the first event at which it is so is shown."""
    world = play(app, taskq_world(app))
    world.never("two bodies", lambda: len(begun) > 1)
    world.never("a death", "fault.kill")
    world.run_until_quiet()

    with pytest.raises(BrokenPromise) as caught:
        world.verify()
    [finding] = caught.value.findings
    assert finding.check == "never two bodies"
    assert finding.records[0].at_s <= 1.0


def test_an_event_that_must_never_be_is_told(
    app: TaskQ, taskq_world: Make, begun: list[str]
) -> None:
    """With its facts; one that differs does not count."""
    del begun
    world = play(app, taskq_world(app))
    world.never("a body of add", "task.start", task="add")
    world.never("a body of sub", "task.start", task="sub")
    world.run_until_quiet()

    with pytest.raises(BrokenPromise, match="never a body of add: it was so"):
        world.verify()


def test_what_should_be_so_and_was_not_is_told(
    app: TaskQ, taskq_world: Make, begun: list[str]
) -> None:
    """One world alone is a run of one seed."""
    del begun
    world = play(app, taskq_world(app))
    world.sometimes("a body", "task.start")
    world.sometimes("a death", "fault.kill")
    world.run_until_quiet()

    with pytest.raises(BrokenPromise, match="sometimes a death: it was never so") as caught:
        world.verify()
    assert len(caught.value.findings) == 1


def test_over_many_seeds_once_is_enough(app: TaskQ, begun: list[str]) -> None:
    """Which body begins first is left to chance: over the seeds both are seen."""

    def run(seed: int) -> World:
        begun.clear()
        world = play(app, World(app, seed=seed).open())
        world.sometimes("a is first", lambda: begun[:1] == ["a"])
        world.sometimes("b is first", lambda: begun[:1] == ["b"])
        world.run_until_quiet()
        return world

    over_seeds(run, range(20))

    with pytest.raises(BrokenPromise, match="it was so in none of 1 seeds"):
        over_seeds(run, range(1))


def test_checks_can_be_chosen(app: TaskQ, taskq_world: Make, begun: list[str]) -> None:
    """None at all, or some; a name that no check has is refused."""
    del begun
    world = play(app, taskq_world(app, checks=()))
    world.run_until_quiet()
    world.trace.add(0.0, "w1", "call.late", {"call": "publish", "took_s": 9.0, "limit_s": 1.0})
    world.verify()

    world.checks = None
    with pytest.raises(BrokenPromise, match="call-in-time: publish on w1 took 9s"):
        world.verify()
    with pytest.raises(ValueError, match="did you mean 'drained'"):
        World(app, checks=["draned"])


def test_what_makes_no_sense_is_refused(app: TaskQ, taskq_world: Make) -> None:
    """Events that nobody has, names that are taken, facts of a function."""
    world = taskq_world(app)
    world.never("x", "task.start")

    with pytest.raises(ValueError, match="did you mean 'task\\.start'"):
        world.never("y", "task.strt")
    with pytest.raises(ValueError, match="already"):
        world.sometimes("x", "task.end")
    with pytest.raises(TypeError, match="the name of an event only"):
        world.never("z", lambda: False, task="add")
