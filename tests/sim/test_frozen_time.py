"""A user's own freezegun around a world."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

import pytest
from freezegun import freeze_time

from taskq import TaskQ

MOMENT = dt.datetime(2031, 5, 5, 10, tzinfo=dt.UTC)


@pytest.fixture
def app() -> TaskQ:
    return TaskQ("frozen", broker="redis://localhost", set_as_current=False)


def body() -> list[str]:
    """Look at the clock in every way, an hour apart."""
    seen = []
    for _ in range(2):
        seen.append(dt.datetime.now(dt.UTC).isoformat())
        seen.append(dt.datetime.fromtimestamp(time.time(), dt.UTC).isoformat())
        time.sleep(3600)
    return seen


@pytest.mark.parametrize("by_fixture", [False, True])
def test_bodies_live_on_from_the_frozen_moment(
    by_fixture: bool, app: TaskQ, taskq_world: Callable[..., Any]
) -> None:
    """A world starts at the frozen moment and moves on; the test stays where it froze."""
    look = app.task(name="look")(body)
    with freeze_time(MOMENT):
        world = taskq_world(app)
        world.start_worker("w1")
        result = look.delay()
        world.run_until_quiet()

        assert result.get() == ["2031-05-05T10:00:00+00:00"] * 2 + ["2031-05-05T11:00:00+00:00"] * 2
        assert dt.datetime.now(dt.UTC) == MOMENT
        assert time.time() == MOMENT.timestamp()
        if not by_fixture:
            world.close()
            assert dt.datetime.now(dt.UTC) == MOMENT

    assert abs(time.time() - MOMENT.timestamp()) > 1000


def test_a_start_that_is_said_wins_over_the_frozen_moment(
    app: TaskQ, taskq_world: Callable[..., Any]
) -> None:
    """``start=`` is when the world begins."""
    look = app.task(name="look")(body)
    with freeze_time(MOMENT), taskq_world(app, start="2040-01-01T00:00:00Z") as world:
        world.start_worker("w1")
        result = look.delay()
        world.run_until_quiet()

        assert result.get()[0] == "2040-01-01T00:00:00+00:00"


def test_without_freezing_a_world_begins_where_it_always_does(
    app: TaskQ, taskq_world: Callable[..., Any]
) -> None:
    """freezegun that is only imported changes nothing."""
    look = app.task(name="look")(body)
    with taskq_world(app) as world:
        world.start_worker("w1")
        result = look.delay()
        world.run_until_quiet()

        assert result.get()[0] == "2030-01-01T00:00:00+00:00"
