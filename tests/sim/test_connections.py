"""The broker is lost and found again, at any moment and many times: work goes on, once."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from taskq import TaskQ
from taskq.errors import OperationalError
from taskq_testing import World
from taskq_testing.checks.registry import CHECKS, run_checks
from tests.sim.every_step import every_step
from tests.sim.tasks import make

Make = Callable[..., World]
BROKERS = ["redis", "rabbitmq"]
POOLS = ["prefork", "threads", "solo"]


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("flaps", [1, 3, 5])
def test_a_worker_goes_on_after_it_was_cut_off(
    app: TaskQ, taskq_world: Make, broker: str, pool: str, flaps: int
) -> None:
    """Several times in a few seconds; soon after that it takes what is there."""
    work = make(app, lambda number: number, name="work", acks_late=True)
    world = taskq_world(app, broker=broker)
    world.start_worker("w1", pool=pool, max_tasks_per_child=5 if pool == "prefork" else None)
    for turn in range(flaps):
        world.at(1 + turn * 0.7, lambda: world.cut("w1", for_s=0.3))
    world.run_for(6)
    began_s = world.now_s
    results = [work.delay(number) for number in range(100)]
    world.run_for(25)

    assert [each.state for each in results] == ["SUCCESS"] * 100
    first = min(record.at_s for record in world.trace.find("task.start"))
    assert first - began_s <= 25
    world.run_until_quiet()
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("acks_late", [False, True])
def test_cut_off_at_every_step(app: TaskQ, taskq_world: Make, broker: str, acks_late: bool) -> None:
    """For a moment: nothing is lost; early acks never begin twice, late ones with a reason."""

    @app.task(acks_late=acks_late)
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
        world.cut("w1", for_s=2.5)
        cut_s = world.now_s
        world.run_until_quiet()
        lost = 0
        for number in range(4):
            result = app.AsyncResult(f"{number}")
            starts = world.trace.count("task.start", id=result.id)
            restored = world.trace.count("broker.restore", id=result.id)
            assert starts <= 1 + (restored if acks_late else 0), told
            if claim_was_on_its_way(world, result.id, cut_s):
                lost += 1
            else:
                assert result.get() == 2 * number, told
        # Where a claim is an acknowledgement, one that is cut off on its way may have arrived: to
        # begin the body could be to begin it twice.
        assert lost == 0 or (broker == "rabbitmq" and not acks_late), told
        names = [name for name in CHECKS if not lost or name != "nothing-lost"]
        assert run_checks(world, names) == [], told
        tried += 1
    assert tried > 60


def claim_was_on_its_way(world: World, task_id: str, cut_s: float) -> bool:
    """Claimed in the moment of the cut, and never begun."""
    claims = world.trace.find("broker.claim", id=task_id)
    return (
        not world.trace.count("task.start", id=task_id)
        and bool(claims)
        and claims[-1].at_s == cut_s
    )


@pytest.mark.parametrize("broker", BROKERS)
def test_follow_ups_survive_a_cut_at_every_step(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """The next step of a chain is sent before the one before it is done with."""

    @app.task(acks_late=True)
    def add(x: int, y: int) -> int:
        return x + y

    def begin(seed: int) -> World:
        world = taskq_world(app, broker=broker, seed=seed)
        world.start_worker("w1", slots=1)
        chain = add.s(1, 1) | add.s(10) | add.s(100).set(task_id="last")
        chain.apply_async()
        return world

    for world, told in every_step(begin, range(3)):
        world.cut("w1", for_s=2.5)
        world.run_until_quiet()
        assert app.AsyncResult("last").get() == 112, told
        assert run_checks(world, ["nothing-lost", "final-stays", "drained"]) == [], told


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("timeout_s", [0.5, 10.0])
def test_a_client_without_a_broker_is_told_in_time(
    app: TaskQ, taskq_world: Make, broker: str, timeout_s: float
) -> None:
    """The first call, the second and the tenth: an error, within the limit of the settings."""
    app.conf.taskq_publish_timeout_s = timeout_s
    work = make(app, lambda: None, name="work")
    world = taskq_world(app, broker=broker)
    world.cut("client", for_s=86400)
    for _ in range(10):
        began_s = world.now_s
        with pytest.raises(OperationalError):
            work.delay()
        assert world.now_s - began_s <= timeout_s + 1.0


@pytest.mark.parametrize("broker", BROKERS)
def test_what_a_client_was_told_is_sent_is_sent(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """Its link comes and goes; each call that returned has run once, each that raised never."""
    work = make(app, lambda: None, name="work")
    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    sent: list[Any] = []
    refused = 0
    for number in range(50):
        if number % 7 == 3:
            world.cut("client", for_s=5)
        try:
            sent.append(work.apply_async(retry=number % 2 == 0))
        except OperationalError:
            refused += 1
        world.run_for(1)
    world.run_until_quiet()

    assert refused > 0
    assert [each.state for each in sent] == ["SUCCESS"] * len(sent)
    assert world.trace.count("task.start") == len(sent)
    assert run_checks(world) == []


def test_a_result_reaches_a_client_that_was_cut_off(app: TaskQ, taskq_world: Make) -> None:
    """The store is what counts; a hint that was missed only costs time."""

    @app.task
    def nap() -> str:
        time.sleep(10)
        return "rested"

    world = taskq_world(app)
    world.start_worker("w1")
    result = nap.delay()
    world.cut("client", for_s=20)

    assert result.get(timeout=60) == "rested"


@pytest.mark.parametrize("seed", range(3))
def test_many_clients_get_each_their_own(app: TaskQ, taskq_world: Make, seed: int) -> None:
    """Fifty that wait at once, in bodies of their own: no reply reaches another."""

    @app.task
    def double(number: int) -> int:
        time.sleep(number % 5)
        return 2 * number

    got: dict[int, int] = {}
    world = taskq_world(app, seed=seed)
    world.start_worker("w1", slots=8)

    def ask(number: int) -> None:
        got[number] = double.delay(number).get(timeout=600)

    for number in range(50):
        world.at(0.01 * (number % 7), partial(ask, number))
    world.run_until_quiet()

    assert got == {number: 2 * number for number in range(50)}


def test_a_hundred_workers_that_begin_at_once_work(app: TaskQ, taskq_world: Make) -> None:
    """They say hello to each other, and that costs each of them a bounded number of messages."""
    work = make(app, lambda: None, name="work")
    world = taskq_world(app)
    for number in range(100):
        world.start_worker(f"w{number}", slots=1, heartbeat_interval=30, mingle=True)
    for _ in range(200):
        work.delay()
    world.run_for(60)
    said = world.trace.count("message.send")

    assert world.trace.count("task.end") == 200
    # One greeting each, and an answer of each to each: only those that ask for it pay for that.
    assert said <= 100 * (100 + 10)


@pytest.mark.parametrize("acks_late", [False, True])
def test_a_result_store_out_of_reach_at_every_step(
    app: TaskQ, taskq_world: Make, acks_late: bool
) -> None:
    """For ten seconds: each task ends with its result, and so does each callback.

    The worker connects anew to everything, so what it had may be given out again.
    """

    @app.task(acks_late=acks_late)
    def add(x: int, y: int) -> int:
        time.sleep(1)
        return x + y

    def begin(seed: int) -> World:
        world = taskq_world(app, broker="rabbitmq", seed=seed)
        world.start_worker("w1", slots=2)
        for number in range(3):
            callback = add.s(100).set(task_id=f"callback-{number}")
            add.apply_async((number, number), task_id=f"{number}", link=callback)
        return world

    tried = 0
    for world, told in every_step(begin, range(3)):
        world.cut_store("w1", for_s=10)
        world.run_until_quiet()
        for number in range(3):
            assert app.AsyncResult(f"{number}").get() == 2 * number, told
            assert app.AsyncResult(f"callback-{number}").get() == 2 * number + 100, told
            assert acks_late or world.trace.count("task.start", id=f"{number}") == 1, told
        assert run_checks(world) == [], told
        tried += 1
    assert tried > 60
