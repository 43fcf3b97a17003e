"""taskq_testing: the same worker on a virtual clock, a seeded scheduler and in-memory brokers.

``World`` is where to begin; ``docs/testing.md`` shows how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskq_testing.checks.goals import BrokenPromise
    from taskq_testing.sim.scheduler import Stuck
    from taskq_testing.sim.trace import Record, Trace
    from taskq_testing.sim.world import NotQuiet
    from taskq_testing.world import World, over_seeds

__all__ = ["BrokenPromise", "NotQuiet", "Record", "Stuck", "Trace", "World", "over_seeds"]

_HOMES = {
    "BrokenPromise": "taskq_testing.checks.goals",
    "NotQuiet": "taskq_testing.sim.world",
    "Record": "taskq_testing.sim.trace",
    "Stuck": "taskq_testing.sim.scheduler",
    "Trace": "taskq_testing.sim.trace",
    "World": "taskq_testing.world",
    "over_seeds": "taskq_testing.world",
}


def __getattr__(name: str) -> Any:
    # The pytest plugin lives in this package and is loaded by every pytest run of a project, so
    # importing the package must cost nothing.
    if name not in _HOMES:
        raise AttributeError(f"module 'taskq_testing' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - as above

    return getattr(import_module(_HOMES[name]), name)
