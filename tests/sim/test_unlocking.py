"""Chords in a store that cannot count: a task asks until all members have ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from taskq import TaskQ, states
from taskq.canvas import chain, chord, group
from taskq.errors import ChordError, Ignore
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from tests.sim.every_step import every_step
from tests.sim.tasks import make

ASKED = {"store": "asked"}
BROKERS = ("redis", "rabbitmq")


class Tasks:
    """The tasks of these tests, and what they have seen."""

    def __init__(self, app: TaskQ) -> None:
        self.app, self.told, self.bodies = app, [], []
        self.add = make(app, self._add, name="add")
        self.slow = make(app, self._slow, name="slow")
        self.fail = make(app, self._fail, name="fail")
        self.ignore = make(app, self._ignore, name="ignore")
        self.quiet = make(app, self._add, name="quiet", ignore_result=True)
        self.total = make(app, self._total, name="total")
        self.tell = make(app, self._tell, name="tell")

    def _add(self, x: int, y: int = 0) -> int:
        time.sleep(1)
        return x + y

    def _slow(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    def _fail(self) -> None:
        raise ValueError("no")

    def _ignore(self) -> None:
        raise Ignore

    def _total(self, numbers: list[Any]) -> Any:
        self.bodies.append(numbers)
        return sum(numbers)

    def _tell(self, task_id: str) -> None:
        self.told.append(task_id)


@pytest.fixture
def tasks(app: TaskQ) -> Tasks:
    app.conf.task_acks_late = True
    return Tasks(app)


def looks(world: World) -> int:
    """How often the members were looked at."""
    return sum(
        1
        for record in world.trace.records
        if record.what == "task.start" and record.facts["task"] == "celery.chord_unlock"
    )


def sent(world: World, name: str) -> int:
    """How many messages of a task were sent."""
    return sum(
        record.what == "task.send" and record.facts["task"] == name
        for record in world.trace.records
    )


@pytest.mark.parametrize("broker", BROKERS)
def test_the_body_gets_all_results(
    tasks: Tasks, taskq_world: Callable[..., World], broker: str
) -> None:
    """In the order of the members, once."""
    world = taskq_world(tasks.app, broker=broker, **ASKED)
    world.start_worker("w1")
    world.start_worker("w2")
    result = chord([tasks.add.s(n, 10) for n in range(5)])(tasks.total.s())

    assert result.get() == 60
    world.run_until_quiet()
    assert tasks.bodies == [[10, 11, 12, 13, 14]]
    assert run_checks(world) == []


def test_a_chord_within_workers(tasks: Tasks, taskq_world: Callable[..., World]) -> None:
    """One that is opened by a worker, as a step of a chain, and one in the header of another."""
    world = taskq_world(tasks.app, **ASKED)
    world.start_worker("w1", slots=4)
    step = chain(tasks.add.s(1), group(tasks.add.s(10), tasks.add.s(20)), tasks.total.s())
    inner = chord([tasks.add.s(1), tasks.add.s(2)], tasks.total.s())
    outer = chord([inner, chain(tasks.add.s(3), tasks.add.s(4))], tasks.total.s())

    assert step().get() == 32
    assert outer().get() == 10
    world.run_until_quiet()
    assert run_checks(world) == []


def test_a_member_that_ends_in_a_group_counts_as_it_does_elsewhere(
    app: TaskQ, taskq_world: Callable[..., World]
) -> None:
    """The body gets the same from a store that counts and from one that is asked."""
    app.conf.task_acks_late = True
    add = make(app, lambda x, y=0: x + y, name="add")
    given = make(app, lambda numbers: numbers, name="given")
    said = []
    for store in ("asked", "counting"):
        world = taskq_world(app, store=store)
        world.start_worker("w1", slots=4)
        forked = chain(add.s(1), group(add.s(10), add.s(20)))
        said.append(chord([add.s(5), forked, group(add.s(6), add.s(7))])(given.s()).get())
        world.close()

    assert said[0] == said[1]
    assert said[0][0] == 5


def test_a_failed_member_fails_the_body(tasks: Tasks, taskq_world: Callable[..., World]) -> None:
    """With an error that names it; the errback is called once."""
    world = taskq_world(tasks.app, **ASKED)
    world.start_worker("w1")
    result = chord([tasks.add.s(1), tasks.fail.s()])(tasks.total.s().on_error(tasks.tell.s()))
    world.run_until_quiet()

    assert result.state == states.FAILURE
    assert isinstance(result.result, ChordError)
    culprit = result.parent.results[1].id
    assert f"Dependency {culprit} raised ValueError('no')" in str(result.result)
    assert (tasks.told, tasks.bodies) == ([result.id], [])
    assert run_checks(world) == []


def test_the_errback_of_the_outer_chord_is_called_once(
    tasks: Tasks, taskq_world: Callable[..., World]
) -> None:
    """A body that fails is a failed member of the chord that it belongs to."""
    world = taskq_world(tasks.app, **ASKED)
    world.start_worker("w1", slots=4)
    inner = chord([tasks.add.s(1), tasks.fail.s()], tasks.total.s())
    outer = chord([inner, tasks.add.s(2)])(tasks.total.s().on_error(tasks.tell.s()))
    world.run_until_quiet()

    assert outer.state == states.FAILURE
    assert tasks.told == [outer.id]
    assert run_checks(world) == []


@pytest.mark.parametrize("kind", ["quiet", "ignored", "first step", "revoked", "expired"])
def test_no_end_of_a_member_is_waited_for_in_vain(
    tasks: Tasks, taskq_world: Callable[..., World], kind: str
) -> None:
    """Whatever it is: its result ignored, its chain broken off, itself never begun."""
    world = taskq_world(tasks.app, **ASKED)
    member = {
        "quiet": tasks.quiet.s(1),
        "ignored": tasks.ignore.s(),
        "first step": chain(tasks.fail.si(), tasks.quiet.si(1)),
        "revoked": tasks.add.s(1).set(task_id="revoked"),
        "expired": chain(tasks.add.s(1).set(expires=-1), tasks.add.s(1)),
    }[kind]
    result = chord([tasks.add.s(1), member])(tasks.total.s())
    world.start_worker("w1")
    if kind == "revoked":
        tasks.app.control.revoke("revoked")
    world.run_until_quiet()

    assert result.state == (states.SUCCESS if kind == "quiet" else states.FAILURE)
    assert world.now_s < 10
    assert run_checks(world) == []


def test_it_looks_less_and_less_often(tasks: Tasks, taskq_world: Callable[..., World]) -> None:
    """A chord of ten hours costs hundreds of looks, not thousands, and ends in time."""
    world = taskq_world(tasks.app, **ASKED)
    world.start_worker("w1")
    result = chord([tasks.slow.s(36_000.0), tasks.add.s(1)])(tasks.total.s())
    world.run_until_quiet()

    assert result.get() == 36_001.0
    assert looks(world) < 700
    assert world.now_s < 36_000 + 70


def test_a_chord_has_an_end(tasks: Tasks, taskq_world: Callable[..., World]) -> None:
    """When results are not kept any longer it fails, and says who is missing."""
    tasks.app.conf.result_chord_expires = 3600
    world = taskq_world(tasks.app, **ASKED)
    world.start_worker("w1")
    lost = tasks.add.s(1).set(queue="nobody")
    result = chord([lost, tasks.add.s(1)])(tasks.total.s().on_error(tasks.tell.s()))
    world.run_until(lambda: result.state == states.FAILURE, 7200)

    assert 3600 <= world.now_s < 3700
    said = str(result.result)
    assert "1 of 2 members have no result" in said
    assert result.parent.results[0].id in said
    world.run_for(7200)
    assert tasks.told == [result.id]


def test_the_task_goes_where_the_body_goes(tasks: Tasks, taskq_world: Callable[..., World]) -> None:
    """Somebody works there; a queue that nobody reads would hold the chord for ever."""
    tasks.app.conf.task_routes = {"add": "numbers", "total": "numbers"}
    world = taskq_world(tasks.app, **ASKED)
    world.start_worker("w1", queues=["numbers"])

    assert chord([tasks.add.s(1), tasks.add.s(2)])(tasks.total.s()).get() == 3
    world.run_until_quiet()
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("fails", [False, True])
def test_a_worker_that_is_killed_at_any_step(app: TaskQ, broker: str, fails: bool) -> None:
    """The body is sent and the errback told; where the broker commits as one step, once.

    Elsewhere a second message may follow, under the same id.
    """
    app.conf.task_acks_late = True
    tasks = Tasks(app)

    def begin(seed: int) -> World:
        tasks.told.clear()
        tasks.bodies.clear()
        world = World(app, seed=seed, broker=broker, **ASKED).open()
        world.start_worker("w1")
        last = tasks.fail.si() if fails else tasks.add.s(2)
        begin.result = chord([tasks.add.s(1), last])(  # type: ignore[attr-defined]
            tasks.total.s().on_error(tasks.tell.s())
        )
        return world

    for world, run in every_step(begin, range(2)):
        world.kill("w1")
        world.start_worker("w2")
        world.run_until_quiet()
        result = begin.result  # type: ignore[attr-defined]
        bodies, errbacks = sent(world, "total"), sent(world, "tell")

        assert result.state == (states.FAILURE if fails else states.SUCCESS), run
        if broker == "redis":
            assert (bodies, errbacks) == ((0, 1) if fails else (1, 0)), run
        else:
            assert (bodies in {1, 2}, errbacks) == (True, 0) or fails, run
            assert (bodies, errbacks in {1, 2}) == (0, True) or not fails, run
