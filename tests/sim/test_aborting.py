"""A body that looks whether it was aborted ends when it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taskq import TaskQ
from taskq.contrib.abortable import AbortableTask
from taskq_testing import World
from taskq_testing.checks.registry import run_checks


def test_an_aborted_body_ends_by_itself(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """``abort()`` while the body runs: it ends at its next look, with a result of its own."""

    @app.task(base=AbortableTask, bind=True)
    def endless(self: Any) -> str:
        for _ in range(1000):
            if self.is_aborted():
                return "gave up"
            app.ports.clock.sleep(10)
        return "never asked"

    world = taskq_world(app)
    world.start_worker("w1")
    result: Any = endless.delay()
    world.run_for(95)
    result.abort()
    world.run_until_quiet()

    assert (result.get(), world.now_s) == ("gave up", 100.0)
    assert run_checks(world) == []
