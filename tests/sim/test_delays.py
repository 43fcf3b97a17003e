"""Nothing begins before its time, and nothing that has expired begins at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from taskq import TaskQ, chord
from taskq_testing import World
from taskq_testing.checks.registry import run_checks
from tests.sim.tasks import make

BROKERS = ["redis", "rabbitmq"]
Make = Callable[..., World]
BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2030, 1, 1, tzinfo=UTC)
# A broker that counts in whole seconds may be late by one.
LATE_S = 1.001


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest) -> str:
    """Each kind that is modelled."""
    return str(request.param)


def work(app: TaskQ) -> Any:
    """A task that does nothing."""
    return make(app, lambda: None, name="work")


def begun_s(world: World) -> list[float]:
    """When bodies began."""
    return [record.at_s for record in world.trace.find("task.start")]


@pytest.mark.parametrize(
    "when",
    [
        {"countdown": 3600},
        {"countdown": 3600.5},
        {"eta": START + timedelta(hours=1)},
        {"eta": datetime(2030, 1, 1, 2, tzinfo=BERLIN)},
        {"eta": datetime(2029, 12, 31, 20, tzinfo=timezone(-timedelta(hours=5)))},
        {"eta": datetime(2030, 1, 1, 1)},  # noqa: DTZ001 - the naive one is what is tested
        {"eta": datetime(2030, 1, 1, 6, 45, tzinfo=ZoneInfo("Asia/Kathmandu"))},
    ],
)
def test_a_body_begins_at_its_time(
    app: TaskQ, taskq_world: Make, broker: str, when: dict[str, Any]
) -> None:
    """However the time is said: in an hour, at a moment of any zone, or in the app's own."""
    task = work(app)
    world = taskq_world(app, broker=broker, start=START)
    world.start_worker("w1")
    task.apply_async(**when)
    world.run_until_quiet()
    [at_s] = begun_s(world)
    expected_s = when.get("countdown", 3600)

    assert expected_s <= at_s <= expected_s + LATE_S
    assert run_checks(world) == []


def test_a_naive_time_is_one_of_the_apps_zone(app: TaskQ, taskq_world: Make, broker: str) -> None:
    """Noon in New York is five hours after noon in Greenwich."""
    app.conf.update(timezone="America/New_York", enable_utc=False)
    task = work(app)
    world = taskq_world(app, broker=broker, start=START)
    world.start_worker("w1")
    task.apply_async(eta=datetime(2030, 1, 1, 12))  # noqa: DTZ001 - as above
    world.run_until_quiet()
    [at_s] = begun_s(world)

    assert 17 * 3600 <= at_s <= 17 * 3600 + LATE_S


@pytest.mark.parametrize("when", [{"countdown": -5}, {"eta": START - timedelta(days=1)}])
def test_what_is_late_already_begins_at_once(
    app: TaskQ, taskq_world: Make, broker: str, when: dict[str, Any]
) -> None:
    """A time that is over is no delay."""
    task = work(app)
    world = taskq_world(app, broker=broker, start=START)
    world.start_worker("w1")
    task.apply_async(**when)
    world.run_until_quiet()

    assert begun_s(world) == [0]


@pytest.mark.parametrize(
    ("start", "eta"),
    [
        ("2030-03-30T12:00:00Z", datetime(2030, 3, 31, 1, 59, tzinfo=BERLIN)),
        ("2030-03-30T12:00:00Z", datetime(2030, 3, 31, 3, 1, tzinfo=BERLIN)),
        ("2030-10-26T12:00:00Z", datetime(2030, 10, 27, 2, 30, tzinfo=BERLIN)),
        ("2030-10-26T12:00:00Z", datetime(2030, 10, 27, 2, 30, fold=1, tzinfo=BERLIN)),
    ],
)
def test_an_eta_over_the_change_of_clocks(
    app: TaskQ, taskq_world: Make, broker: str, start: str, eta: datetime
) -> None:
    """Around the hour that does not exist, and the one that comes twice."""
    task = work(app)
    world = taskq_world(app, broker=broker, start=start)
    world.start_worker("w1")
    task.apply_async(eta=eta)
    world.run_until_quiet()
    [at_s] = begun_s(world)
    expected_s = eta.timestamp() - world.start_s

    assert expected_s <= at_s <= expected_s + LATE_S
    assert run_checks(world) == []


@pytest.mark.parametrize(
    "expires",
    [
        60,
        START + timedelta(seconds=60),
        datetime(2030, 1, 1, 1, 1, tzinfo=BERLIN),
        "2030-01-01T00:01:00+00:00",
    ],
)
def test_what_has_expired_never_begins(
    app: TaskQ, taskq_world: Make, broker: str, expires: Any
) -> None:
    """It ends as revoked, whether the limit is a number, a moment or a text."""
    task = work(app)
    world = taskq_world(app, broker=broker, start=START)
    result = task.apply_async(expires=expires)
    in_time = task.apply_async(expires=3600)
    world.run_for(61)
    world.start_worker("w1")
    world.run_until_quiet()

    # RabbitMQ itself drops what has expired in the queue, as it was told to.
    dropped = world.trace.count("broker.drop", id=result.id, reason="expired")
    assert result.state == ("PENDING" if dropped else "REVOKED")
    assert dropped <= (broker == "rabbitmq")
    assert in_time.state == "SUCCESS"
    assert world.trace.count("task.start", id=result.id) == 0
    assert run_checks(world) == []


def test_what_expires_while_it_waits_for_its_time_never_begins(
    app: TaskQ, taskq_world: Make, broker: str
) -> None:
    """It is looked at again when it is due."""
    task = work(app)
    world = taskq_world(app, broker=broker, start=START)
    world.start_worker("w1")
    result = task.apply_async(countdown=7200, expires=3600)
    world.run_until_quiet()

    assert result.state in ("REVOKED", "PENDING")
    assert world.trace.count("task.start") == 0
    assert run_checks(world) == []


def test_what_expires_while_it_waits_for_a_slot_never_begins(
    app: TaskQ, taskq_world: Make, broker: str
) -> None:
    """Also when a worker has it already."""

    @app.task
    def long() -> None:
        time.sleep(600)

    task = work(app)
    world = taskq_world(app, broker=broker, start=START)
    world.start_worker("w1", slots=1)
    long.delay()
    world.run_for(1)
    result = task.apply_async(expires=60)
    world.run_until_quiet()

    assert result.state == "REVOKED"
    assert world.trace.count("task.start") == 1
    assert run_checks(world) == []


def test_an_expired_task_tells_its_chord(app: TaskQ, taskq_world: Make) -> None:
    """Whoever waits for the whole learns that a part is missing."""

    @app.task
    def total(parts: list[int]) -> int:
        return sum(parts)

    part = make(app, lambda: 1, name="part")
    world = taskq_world(app, start=START)
    world.start_worker("w1")
    result = chord([part.s(), part.s().set(countdown=200, expires=150)])(total.s())
    world.run_until_quiet()

    assert result.state == "FAILURE"
    assert world.trace.count("task.start", task=total.name) == 0
    assert run_checks(world) == []


@pytest.mark.parametrize("seed", range(10))
def test_worker_clocks_may_disagree(app: TaskQ, taskq_world: Make, broker: str, seed: int) -> None:
    """Each task begins once, at its time on the clock of whoever runs it."""
    task = work(app)
    world = taskq_world(app, broker=broker, seed=seed, start=START)
    for name, skew_s in (("fast", 7.3), ("slow", -11.9), ("right", 0.0)):
        world.add_node(name)
        world.jump_clock(name, skew_s)
        world.start_worker(name)
    results = [task.apply_async(countdown=60 + number) for number in range(20)]
    world.run_until_quiet()

    for number, result in enumerate(results):
        [start] = world.trace.find("task.start", id=result.id)
        skew_s = {"fast": 7.3, "slow": -11.9, "right": 0.0}[start.node]
        assert start.at_s + skew_s >= 60 + number
        assert start.at_s <= 60 + number + 12 + LATE_S
    assert run_checks(world) == []
