"""What is revoked before it begins never begins, wherever it is and whoever is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from taskq import TaskQ, chord
from taskq.errors import ChordError, TaskRevokedError
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from tests.sim.tasks import make

Make = Callable[..., World]
BROKERS = ["redis", "rabbitmq"]


def nap(app: TaskQ, **options: Any) -> Any:
    """A task that takes ten seconds."""

    def nap() -> str:
        time.sleep(10)
        return "rested"

    return make(app, nap, name="nap", **options)


def assert_never_began(world: World, result: Any) -> None:
    """And its end is known."""
    assert world.trace.count("task.start", id=result.id) == 0
    assert result.state == "REVOKED"
    with pytest.raises(TaskRevokedError):
        result.get()
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("seed", range(5))
def test_one_that_waits_for_a_slot(app: TaskQ, taskq_world: Make, broker: str, seed: int) -> None:
    """In a worker's hands already."""
    task = nap(app)
    world = taskq_world(app, broker=broker, seed=seed)
    world.start_worker("w1", slots=1)
    first, second, third = (task.delay() for _ in range(3))
    world.run_for(1)
    app.control.revoke(second.id)
    world.run_until_quiet()

    assert (first.get(), third.get()) == ("rested", "rested")
    assert_never_began(world, second)


@pytest.mark.parametrize("broker", BROKERS)
def test_one_that_waits_in_the_queue(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """Every worker knows it, whichever takes the message."""
    task = nap(app)
    world = taskq_world(app, broker=broker)
    for name in ("w1", "w2"):
        world.start_worker(name, slots=1, prefetch_multiplier=1)
    results = [task.delay() for _ in range(20)]
    world.run_for(1)
    app.control.revoke([each.id for each in results[10:]])
    world.run_until_quiet()

    assert [each.get() for each in results[:10]] == ["rested"] * 10
    for each in results[10:]:
        assert_never_began(world, each)


@pytest.mark.parametrize("broker", BROKERS)
def test_one_that_is_parked(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """It does not begin when its time has come."""
    task = nap(app)
    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    result = task.apply_async(countdown=3600)
    other = task.apply_async(countdown=3600)
    world.run_for(10)
    app.control.revoke(result.id)
    world.run_for(10)
    parked = len(world.parked())
    world.run_until_quiet()

    # Where what is parked can be looked through, it comes back at once, and meets its end.
    assert parked == (1 if broker == "redis" else 2)
    assert other.get() == "rested"
    assert_never_began(world, result)


@pytest.mark.parametrize("broker", BROKERS)
def test_a_parked_member_of_a_chord_is_missed(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """The chord is told, and does not wait for ever."""
    task = nap(app)
    body = make(app, lambda results: results, name="body")
    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    members = [task.s(), task.s().set(countdown=3600)]
    result = chord(members)(body.s())
    world.run_for(10)
    app.control.revoke(result.parent.results[1].id)
    world.run_for(10)
    soon = result.state
    world.run_until_quiet()

    assert soon == ("FAILURE" if broker == "redis" else "PENDING")
    assert isinstance(result.result, ChordError)
    assert "TaskRevokedError" in str(result.result)


@pytest.mark.parametrize("broker", BROKERS)
def test_before_any_worker_is_there(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """Its state is known at once, and the first worker lets it not begin."""
    task = nap(app)
    world = taskq_world(app, broker=broker)
    result = task.delay()
    app.control.revoke(result.id)
    state_before = result.state
    world.start_worker("w1")
    world.run_until_quiet()

    assert state_before == "REVOKED"
    assert_never_began(world, result)


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("how", ["kill", "warm", "cold"])
def test_over_restarts_of_all_workers(app: TaskQ, taskq_world: Make, broker: str, how: str) -> None:
    """Whoever comes next is told what was revoked."""
    task = nap(app, acks_late=True)
    world = taskq_world(app, broker=broker)
    for name in ("w1", "w2"):
        world.start_worker(name, slots=1, prefetch_multiplier=1)
    results = [task.delay() for _ in range(6)]
    world.run_for(1)
    app.control.revoke(results[5].id)
    for name in ("w1", "w2"):
        if how == "kill":
            world.kill(name)
        else:
            world.stop_worker(name, how)
    world.run_for(30)
    world.start_worker("w3", slots=1)
    world.run_until_quiet()

    assert [each.get() for each in results[:5]] == ["rested"] * 5
    assert_never_began(world, results[5])


@pytest.mark.parametrize("broker", BROKERS)
def test_a_state_file_remembers_it_too(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """For a broker that remembers nothing."""
    task = nap(app)
    world = taskq_world(app, broker=broker)
    world.start_worker("w1", slots=1, prefetch_multiplier=1, statedb="/var/w1")
    results = [task.delay() for _ in range(4)]
    world.run_for(1)
    app.control.revoke(results[3].id)
    world.run_for(1)
    world.stop_worker("w1")
    world.run_for(20)
    world.start_worker("w1", slots=1, statedb="/var/w1")
    world.run_until_quiet()

    assert_never_began(world, results[3])


@pytest.mark.parametrize("broker", BROKERS)
def test_a_new_worker_can_ask_the_others(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """``mingle``: it is told what they know, and knows it when they are gone."""
    task = nap(app)
    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    result = task.apply_async(countdown=60)
    world.run_for(1)
    app.control.revoke(result.id)
    world.run_for(1)
    world.start_worker("w2", mingle=True)
    world.run_for(5)
    world.kill("w1")
    world.run_until_quiet()

    assert_never_began(world, result)


@pytest.mark.parametrize("pool", ["prefork", "threads", "asyncio", "gevent", "eventlet"])
@pytest.mark.parametrize("acks_late", [False, True])
def test_one_that_runs_can_be_ended(
    app: TaskQ, taskq_world: Make, pool: str, acks_late: bool
) -> None:
    """With ``terminate``; under late acks it does not come again either."""
    seen: list[str] = []

    @app.task(acks_late=acks_late)
    def long() -> None:
        time.sleep(3600)
        seen.append("finished")

    quick = make(app, lambda: "quick", name="quick")
    world = taskq_world(app)
    world.start_worker("w1", slots=1, pool=pool)
    result = long.delay()
    world.run_for(10)
    app.control.revoke(result.id, terminate=True)
    after = quick.delay()
    world.run_until_quiet()

    assert (result.state, after.get(), seen) == ("REVOKED", "quick", [])
    assert world.trace.count("task.start", id=result.id) == 1
    assert run_checks(world) == []


def test_without_terminate_what_runs_goes_on(app: TaskQ, taskq_world: Make) -> None:
    """Its result is its own."""
    task = nap(app)
    world = taskq_world(app)
    world.start_worker("w1")
    result = task.delay()
    world.run_for(1)
    app.control.revoke(result.id)
    world.run_until_quiet()

    assert result.get() == "rested"


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("terminate", [False, True])
def test_all_with_a_stamp(app: TaskQ, taskq_world: Make, broker: str, terminate: bool) -> None:
    """Those that have one of the values; the others run."""
    task = nap(app)
    world = taskq_world(app, broker=broker)
    world.start_worker("w1", slots=1)

    def send(tenant: str) -> Any:
        signature = task.s()
        signature.stamp(tenant=tenant)
        return signature.apply_async()

    bad = [send("bad") for _ in range(4)]
    good = [send("good") for _ in range(4)]
    world.run_for(1)
    app.control.revoke_by_stamped_headers({"tenant": "bad"}, terminate=terminate)
    world.run_until_quiet()

    assert [each.get() for each in good] == ["rested"] * 4
    first, *rest = bad
    assert first.state == ("REVOKED" if terminate else "SUCCESS")
    for each in rest:
        assert world.trace.count("task.start", id=each.id) == 0
        assert each.state == "REVOKED"
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("seed", range(10))
def test_at_any_moment_it_begins_once_or_never(
    app: TaskQ, taskq_world: Make, broker: str, seed: int
) -> None:
    """Whatever the schedule, what is revoked has ended one way, and all others are done."""
    task = nap(app)
    world = taskq_world(app, broker=broker, seed=seed)
    for name in ("w1", "w2"):
        world.start_worker(name)
    results = [task.delay() for _ in range(12)]
    for number, each in enumerate(results[::2]):
        world.at(number * 3.0, partial(app.control.revoke, each.id))
    world.run_until_quiet()

    for number, each in enumerate(results):
        starts = world.trace.count("task.start", id=each.id)
        assert starts == 1 if number % 2 else starts <= 1
        assert each.state == ("SUCCESS" if starts else "REVOKED")
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", BROKERS)
def test_a_chord_learns_that_a_part_was_revoked(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """It fails, and its body does not run."""
    task = nap(app)
    total = make(app, len, name="total")
    world = taskq_world(app, broker=broker)
    world.start_worker("w1", slots=1)
    result = chord([task.s(), task.s().set(task_id="the second")])(total.s())
    world.run_for(1)
    app.control.revoke("the second")
    world.run_until_quiet()

    assert result.state == "FAILURE"
    assert world.trace.count("task.start", task="total") == 0
    assert run_checks(world) == []


def test_a_revocation_is_forgotten_when_its_time_is_over(app: TaskQ, taskq_world: Make) -> None:
    """An id may be used again a day later."""
    app.conf.result_expires = 3600
    task = nap(app)
    world = taskq_world(app)
    world.start_worker("w1")
    app.control.revoke("again")
    world.run_for(2 * 86400)
    result = task.apply_async(task_id="again")
    world.run_until_quiet()

    assert result.get() == "rested"
