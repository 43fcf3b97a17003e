"""A test acts at a moment, or at an event."""

from __future__ import annotations

import time
from collections.abc import Callable

from taskq import TaskQ
from taskq_testing import Record, World


def test_acts_at_times_and_events(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """``at`` counts from the start; ``when`` acts before anything else happens."""

    @app.task(acks_late=True)
    def nap() -> str:
        time.sleep(10)
        return "slept"

    world = taskq_world(app)
    seen: list[tuple[str, float]] = []

    def kill(record: Record) -> None:
        seen.append(("kill", world.now_s))
        world.kill(record.node)
        world.start_worker("w2")

    world.when("task.end", kill, nth=2, task=nap.name)
    world.at(5, lambda: seen.append(("at", world.now_s)))
    world.start_worker("w1", slots=1)
    results = [nap.delay() for _ in range(2)]
    world.run_until_quiet()

    assert seen == [("at", 5.0), ("kill", 20.0)]
    assert world.trace.count("result.store", node="w1") == 1
    assert [result.get() for result in results] == ["slept", "slept"]


def test_a_lost_connection_is_found_again(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """A worker that is cut off connects again, and finishes what it had."""

    @app.task(acks_late=True)
    def nap() -> str:
        time.sleep(10)
        return "slept"

    world = taskq_world(app)
    world.start_worker("w1")
    result = nap.delay()
    world.run_for(5)
    world.cut("w1", for_s=20)
    world.run_until_quiet()

    assert result.get() == "slept"
    assert world.trace.count("task.start") == 1
    assert world.trace.count("worker.connect", node="w1") == 1
