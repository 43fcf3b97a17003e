"""Bodies that never end: loops, and calls that wait in C, in whole workers of each pool."""

from __future__ import annotations

import sys

import pytest

from taskq.errors import SoftTimeLimitExceeded, TimeLimitExceeded
from tests.real.failures.conftest import Load, Servers
from tests.real.pools.test_whole_workers import START

LIMITS = ("--soft-time-limit", "0.5", "--time-limit", "1.5")
COMPUTING = ["loops", "blocks"]
ENDLESS = {
    "prefork": COMPUTING,
    "threads": COMPUTING,
    "asyncio": [*COMPUTING, "holds_the_loop"],
    # A greenlet that computes lets nobody do anything, which is the limit of these pools.
    "gevent": ["blocks"],
    "eventlet": ["blocks"],
}


@pytest.fixture
def servers(redis_url: str) -> Servers:
    """One broker is enough: they do not differ in what this is about."""
    return Servers(redis_url, redis_url)


@pytest.mark.parametrize("pool", ENDLESS)
def test_a_body_that_never_ends_fails_and_its_slot_works_on(load: Load, pool: str) -> None:
    """It hears of no soft limit, or hears it and goes on; the hard one ends it."""
    program = load()
    command = (sys.executable, "-c", START)
    with program.worker("-P", pool, "-c", "2", *LIMITS, command=command) as running:
        # One after the other: a coroutine that holds its loop takes others on it with it.
        errors = [
            getattr(program.module, name).delay().get(timeout=60, propagate=False)
            for name in ENDLESS[pool]
        ]
        program.module.meets.delay("one", "other")
        program.module.meets.delay("other", "one")
        program.wait_for("end", "one", "other")
        assert running.stop() == 0

    assert {type(error) for error in errors} == {TimeLimitExceeded}


def test_one_slot_in_the_worker_itself_keeps_soft_limits_and_says_so(load: Load) -> None:
    """The solo pool has nobody who could end a body: that is said before the first task."""
    program = load()
    with program.worker("-P", "solo", *LIMITS) as running:
        endless = [program.module.loops.delay(hears=True), program.module.blocks.delay(hears=True)]
        errors = [result.get(timeout=60, propagate=False) for result in endless]
        program.module.work.delay("next")
        program.wait_for("end", "next")
        assert running.stop() == 0
    told, _, _ = running.text.partition("is ready")

    assert {type(error) for error in errors} == {SoftTimeLimitExceeded}
    assert "keeps no hard time limits: that of all tasks has no effect" in told
