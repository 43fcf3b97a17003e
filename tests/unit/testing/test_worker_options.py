"""Settings and words of the command line mean the same to a real worker and to a simulated one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from taskq.wiring.workers import worker_options
from taskq_testing.world import WORKER_OPTIONS


@pytest.mark.parametrize(
    ("told", "attribute", "value"),
    [
        ({"prefetch_multiplier": 7}, "prefetch_multiplier", 7),
        ({"disable_prefetch": True}, "exact_prefetch", True),
        ({"optimization": "fair"}, "exact_prefetch", True),
        ({"time_limit": 9.0}, "time_limit_s", 9.0),
        ({"soft_time_limit": 3.0}, "soft_time_limit_s", 3.0),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_simulated_worker_is_told_what_a_real_one_is(
    taskq_app: Any, taskq_world: Any, told: dict[str, Any], attribute: str, value: Any
) -> None:
    """Each option reaches the core, by the one function that reads it."""
    world = taskq_world(taskq_app)
    plain = world.start_worker("w1").spec.options
    given = world.start_worker("w2", **told).spec.options

    assert getattr(given, attribute) == value != getattr(plain, attribute)
    read = worker_options(taskq_app, {"loglevel": "INFO", **told})
    assert given == replace(read, concurrency=given.concurrency)
    assert set(told) <= set(WORKER_OPTIONS)


def test_a_flag_that_was_not_given_leaves_the_setting(taskq_app: Any) -> None:
    """The command line says False for it, and that is no word against the settings."""
    taskq_app.conf.worker_disable_prefetch = True

    assert worker_options(taskq_app, {"disable_prefetch": False}).exact_prefetch


def test_an_unknown_option_is_refused(taskq_app: Any, taskq_world: Any) -> None:
    """With the nearest word, and what there is."""
    with pytest.raises(TypeError, match="no option 'time_limits'; did you mean 'time_limit'"):
        taskq_world(taskq_app).start_worker("w1", time_limits=3)
