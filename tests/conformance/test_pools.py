"""The promises of a pool, kept by each of the real ones."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from taskq.adapters.clock import SystemClock
from taskq.adapters.pools.asyncio import AsyncioPool
from taskq.adapters.pools.prefork import PreforkPool
from taskq.adapters.pools.solo import SoloPool
from taskq.adapters.pools.threads import ThreadsPool
from taskq.ports import Pool
from taskq_testing.conformance.pool import Driver, PoolSuite

SLOTS = 3


@dataclass
class RealRig:
    """A pool on the machine's own clock."""

    pool: Pool
    slots: int = SLOTS
    resizes: bool = True
    ends_bodies: bool = False

    def __post_init__(self) -> None:
        self.clock = SystemClock()

    def wait(self, seconds: float | None) -> None:
        select.select(self.pool.watched, [], [], seconds)


class TestPrefork(PoolSuite):
    @pytest.fixture
    def rig(self) -> Iterator[RealRig]:
        rig = RealRig(PreforkPool(clock=SystemClock()), ends_bodies=True)
        yield rig
        rig.pool.stop(at_once=True)


class TestThreads(PoolSuite):
    @pytest.fixture
    def rig(self) -> Iterator[RealRig]:
        rig = RealRig(ThreadsPool(clock=SystemClock()))
        yield rig
        rig.pool.stop(at_once=True)


class TestAsyncio(PoolSuite):
    @pytest.fixture
    def rig(self) -> Iterator[RealRig]:
        rig = RealRig(AsyncioPool(clock=SystemClock()), ends_bodies=True)
        yield rig
        rig.pool.stop(at_once=True)

    def test_contexts_are_isolated(self, driver: Driver) -> None:
        """What one job leaves in context variables, the next one does not find."""
        [slot] = driver.start(1)
        bodies = ["async-remember a", "async-remember b", "remember c", "remember d"]
        endings = driver.until_ended(driver.give(slot, *bodies))

        assert {ending.summary for ending in endings} == {"nothing"}

    def test_slots_wait_side_by_side(self, driver: Driver) -> None:
        """Bodies that wait, and bodies that block, do not hold each other up."""
        slots = driver.start(SLOTS)
        began = time.monotonic()
        kinds = ["async", "sleep", "async"]
        tokens = [driver.give(s, f"{kind} 0.3 x")[0] for s, kind in zip(slots, kinds, strict=True)]
        driver.until_ended(tokens)

        assert time.monotonic() - began < 0.3 * SLOTS


class TestSolo(PoolSuite):
    @pytest.fixture
    def rig(self) -> Iterator[RealRig]:
        rig = RealRig(SoloPool(clock=SystemClock()), slots=1, resizes=False)
        yield rig
        rig.pool.stop(at_once=True)
