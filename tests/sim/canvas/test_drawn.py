"""Canvases that nobody thought of: what comes of them is what the interpreter says.

Each test judges one promise over examples of its own, and all others with it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskq_testing import World
from taskq_testing.strategies import Canvas, canvases
from tests.sim.canvas.running import Stage, differences, quiet_log

WITHOUT_FAULTS = settings(max_examples=340, suppress_health_check=list(HealthCheck))
WITH_FAULTS = settings(max_examples=500, suppress_health_check=list(HealthCheck))

drawn = given(canvas=canvases(), header_errbacks=st.booleans())
killed = given(
    canvas=canvases(),
    header_errbacks=st.booleans(),
    moment=st.floats(0, 1),
    seed=st.integers(0, 2**16),
)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with quiet_log():
        yield Stage("drawn")


def judge(stage: Stage, about: str, canvas: Canvas, *, header_errbacks: bool) -> None:
    found = differences(stage, canvas, header_errbacks=header_errbacks)

    assert [str(each) for each in found if each.about.startswith(about)] == []
    assert list(map(str, found)) == []


@WITHOUT_FAULTS
@drawn
def test_results(stage: Stage, canvas: Canvas, header_errbacks: bool) -> None:
    """Each handle shows what must come of its part, and ``get`` returns or raises it."""
    judge(stage, "results", canvas, header_errbacks=header_errbacks)


@WITHOUT_FAULTS
@drawn
def test_bodies_and_callbacks(stage: Stage, canvas: Canvas, header_errbacks: bool) -> None:
    """Each body runs as often as it must, with the arguments that it must get."""
    judge(stage, "bodies", canvas, header_errbacks=header_errbacks)


@WITHOUT_FAULTS
@drawn
def test_errbacks(stage: Stage, canvas: Canvas, header_errbacks: bool) -> None:
    """Each errback is told once for each level that fails and has it, and never more."""
    judge(stage, "errbacks", canvas, header_errbacks=header_errbacks)


@WITHOUT_FAULTS
@drawn
def test_states(stage: Stage, canvas: Canvas, header_errbacks: bool) -> None:
    """What did not begin, because something before it failed, has failed as well."""
    judge(stage, "states", canvas, header_errbacks=header_errbacks)


@WITHOUT_FAULTS
@drawn
def test_nothing_waits_for_ever(stage: Stage, canvas: Canvas, header_errbacks: bool) -> None:
    """When all is quiet, each chord has ended, and no message waits."""
    judge(stage, "chords", canvas, header_errbacks=header_errbacks)


@WITHOUT_FAULTS
@drawn
def test_messages(stage: Stage, canvas: Canvas, header_errbacks: bool) -> None:
    """Nothing is sent that does not run."""
    judge(stage, "messages", canvas, header_errbacks=header_errbacks)


def judge_killed(
    stage: Stage,
    canvas: Canvas,
    *,
    header_errbacks: bool,
    moment: float,
    seed: int,
    child: bool,
    broker: str,
) -> None:
    """Kill a worker, or its child, after a share of the steps that the canvas takes without it."""

    def trouble(world: World) -> None:
        steps = 4 + int(moment * 14 * world.trace.count("task.send"))
        if all(world.step() for _ in range(steps)):
            if not child:
                world.kill("w1")
            elif world.workers["w1"].pool.busiest() is not None:
                world.kill_child("w1")

    found = differences(
        stage, canvas, header_errbacks=header_errbacks, broker=broker, seed=seed, trouble=trouble
    )

    assert list(map(str, found)) == []


@WITH_FAULTS
@killed
def test_a_worker_dies(
    stage: Stage, canvas: Canvas, header_errbacks: bool, moment: float, seed: int
) -> None:
    """What comes of it is the same, and nothing is sent twice."""
    judge_killed(
        stage,
        canvas,
        header_errbacks=header_errbacks,
        moment=moment,
        seed=seed,
        child=False,
        broker="redis",
    )


@WITH_FAULTS
@killed
def test_a_child_dies(
    stage: Stage, canvas: Canvas, header_errbacks: bool, moment: float, seed: int
) -> None:
    """What comes of it is the same, and nothing is sent twice."""
    judge_killed(
        stage,
        canvas,
        header_errbacks=header_errbacks,
        moment=moment,
        seed=seed,
        child=True,
        broker="redis",
    )


@WITH_FAULTS
@killed
def test_a_worker_of_rabbitmq_dies(
    stage: Stage, canvas: Canvas, header_errbacks: bool, moment: float, seed: int
) -> None:
    """What comes of it is the same; a message may be sent twice, under one id."""
    judge_killed(
        stage,
        canvas,
        header_errbacks=header_errbacks,
        moment=moment,
        seed=seed,
        child=False,
        broker="rabbitmq",
    )


@WITH_FAULTS
@killed
def test_a_child_of_rabbitmq_dies(
    stage: Stage, canvas: Canvas, header_errbacks: bool, moment: float, seed: int
) -> None:
    """What comes of it is the same; a message may be sent twice, under one id."""
    judge_killed(
        stage,
        canvas,
        header_errbacks=header_errbacks,
        moment=moment,
        seed=seed,
        child=True,
        broker="rabbitmq",
    )
