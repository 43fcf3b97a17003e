"""The measurement runs; what it says is for people."""

from __future__ import annotations

from typing import Any

from taskq_testing.bench import lines
from taskq_testing.sim.profiles import PROFILES


def test_the_bench_has_a_line_for_each_kind() -> None:
    """For each broker and setting, with tasks per second; nothing is timed here."""
    told = list(lines(tasks=40, rounds=1))

    for profile in PROFILES:
        assert sum(line.startswith(profile) for line in told) == 3
    assert "ms for each run" in told[-1]


def test_a_sender_declares_once(taskq_world: Any, taskq_app: Any) -> None:
    """A queue that is declared with each message is remembered once."""
    nothing = taskq_app.task(name="nothing")(lambda: None)
    world = taskq_world(taskq_app)
    for _ in range(50):
        nothing.delay()

    assert len(world.broker.topology._declared) <= 2
