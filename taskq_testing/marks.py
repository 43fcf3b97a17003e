"""What options and the marker ``taskq`` mean for one test: its seeds, its transports, its clock.

Loaded by the plugin when a test uses one of its fixtures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from _pytest.runner import runtestprotocol

from taskq_testing.nearest import nearest

KEYS: Final = ("seed", "seeds", "only", "why")
_SEED: pytest.StashKey[int] = pytest.StashKey()


def marked(item: pytest.Item) -> dict[str, Any]:
    """What the marker says; the nearest one counts."""
    told: dict[str, Any] = {}
    for mark in item.iter_markers("taskq"):
        for key, value in mark.kwargs.items():
            if key not in KEYS:
                raise pytest.UsageError(
                    f"{item.nodeid}: the marker taskq has no {key!r}{nearest(key, KEYS)}"
                )
            told.setdefault(key, value)
    return told


# -- transports -----------------------------------------------------------------------------------


def check_transport(item: pytest.Item, said: str) -> None:
    """Skip a test that is for other transports, and say why."""
    told = marked(item)
    only = told.get("only")
    if only is None:
        return
    names = (only,) if isinstance(only, str) else tuple(only)
    if said.partition(":")[0] not in names:
        why = told.get("why") or f"it is for {' and '.join(names)}"
        pytest.skip(f"not on this transport ({said}): {why}")


# -- seeds ----------------------------------------------------------------------------------------


def seed_of(item: pytest.Item) -> int:
    """The seed that this run of a test has."""
    told: int | None = item.stash.get(_SEED, None)
    return first_seed(item) if told is None else told


def first_seed(item: pytest.Item) -> int:
    """The one that the marker says, else the option."""
    return int(marked(item).get("seed", item.config.getoption("--taskq-seed")))


def run_seeds(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test with one seed after the other, up to the first that fails; report that one.

    None: it is run as any test.
    """
    count = int(marked(item).get("seeds", item.config.getoption("--taskq-seeds")))
    if count <= 1 or not item.config.getoption("--taskq-broker").startswith("model"):
        return None
    first = first_seed(item)
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports: list[pytest.TestReport] = []
    for seed in range(first, first + count):
        item.stash[_SEED] = seed
        if reports:
            item._initrequest()  # type: ignore[attr-defined]  # noqa: SLF001 - as the plugins for flaky tests do
        # What is next tells which fixtures stay: up to the last seed those of wider scopes.
        then = nextitem if seed == first + count - 1 else item.parent
        reports = runtestprotocol(item, log=False, nextitem=then)  # type: ignore[arg-type]
        if not all(report.passed for report in reports):
            item.session._setupstate.teardown_exact(nextitem)  # noqa: SLF001 - as above
            break
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


# -- time -----------------------------------------------------------------------------------------


class WorldClock:
    """The time of the world that a test has made last."""

    def __init__(self, worlds: Callable[[], Sequence[Any]]) -> None:
        self._worlds = worlds

    @property
    def _world(self) -> Any:
        worlds = self._worlds()
        if not worlds:
            raise RuntimeError("taskq_clock is that of a world; make one first: taskq_world(app)")
        return worlds[-1]

    def now(self) -> datetime:
        """What time it is there."""
        world = self._world
        return datetime.fromtimestamp(world.start_s + world.now_s, UTC)

    def advance(self, seconds: float | timedelta) -> None:
        """Let time pass; what is due meanwhile happens."""
        span_s = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        self._world.run_for(span_s)

    def move_to(self, moment: datetime) -> None:
        """Let time pass up to a moment."""
        if moment.tzinfo is None:
            raise ValueError(f"{moment!r} has no zone; say datetime(..., tzinfo=UTC)")
        span = moment - self.now()
        if span < timedelta():
            raise ValueError(f"{moment.isoformat()} is over: it is {self.now().isoformat()} there")
        self.advance(span)
