"""The promises of a pool, kept by each of the real ones, and by the simulated one."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextvars import Context
from dataclasses import dataclass, field

import eventlet
import gevent.select
import pytest
from eventlet.green import select as green_select

from taskq.adapters.clock import SystemClock
from taskq.adapters.pools.asyncio import AsyncioPool
from taskq.adapters.pools.eventlet import EventletPool
from taskq.adapters.pools.gevent import GeventPool
from taskq.adapters.pools.prefork import PreforkPool
from taskq.adapters.pools.solo import SoloPool
from taskq.adapters.pools.threads import ThreadsPool
from taskq.ports import Pool
from taskq_testing.conformance.pool import Driver, PoolSuite
from taskq_testing.sim.clock import NodeClock, Time
from taskq_testing.sim.hands import Hands
from taskq_testing.sim.pool import KINDS, PoolKind, SimPool
from taskq_testing.sim.randomness import Choices
from taskq_testing.sim.scheduler import Scheduler
from taskq_testing.sim.trace import Trace

SLOTS = 3


class NappingClock(SystemClock):
    """Sleeps in Python, where something can be raised; ``time.sleep`` is one step in C."""

    def sleep(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            time.sleep(min(left_s, 0.002))


@dataclass
class RealRig:
    """A pool on the machine's own clock."""

    pool: Pool
    slots: int = SLOTS
    resizes: bool = True
    ends_bodies: bool = True
    clock: SystemClock = field(default_factory=SystemClock)

    def wait(self, seconds: float | None) -> None:
        select.select(self.pool.watched, [], [], seconds)


class TestPrefork(PoolSuite):
    @pytest.fixture
    def rig(self) -> Iterator[RealRig]:
        rig = RealRig(PreforkPool(clock=SystemClock()))
        yield rig
        rig.pool.stop(at_once=True)


class TestThreads(PoolSuite):
    @pytest.fixture
    def rig(self) -> Iterator[RealRig]:
        rig = RealRig(ThreadsPool(clock=SystemClock()), clock=NappingClock())
        yield rig
        rig.pool.stop(at_once=True)


class TestAsyncio(PoolSuite):
    @pytest.fixture
    def rig(self) -> Iterator[RealRig]:
        rig = RealRig(AsyncioPool(clock=SystemClock()), clock=NappingClock())
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


class GeventClock(SystemClock):
    """Sleeps as a body does in a process that is patched."""

    def sleep(self, seconds: float) -> None:
        gevent.sleep(seconds)


class GeventRig(RealRig):
    def wait(self, seconds: float | None) -> None:
        gevent.select.select(self.pool.watched, [], [], seconds)


class TestGevent(PoolSuite):
    @pytest.fixture
    def rig(self) -> Iterator[RealRig]:
        rig = GeventRig(GeventPool(clock=SystemClock()), clock=GeventClock())
        yield rig
        rig.pool.stop(at_once=True)


class EventletClock(SystemClock):
    """Sleeps as a body does in a process that is patched."""

    def sleep(self, seconds: float) -> None:
        eventlet.sleep(seconds)


class EventletRig(RealRig):
    def wait(self, seconds: float | None) -> None:
        green_select.select(self.pool.watched, [], [], seconds)


class TestEventlet(PoolSuite):
    @pytest.fixture
    def rig(self) -> Iterator[RealRig]:
        rig = EventletRig(EventletPool(clock=SystemClock()), clock=EventletClock())
        yield rig
        rig.pool.stop(at_once=True)


class TestSolo(PoolSuite):
    @pytest.fixture
    def rig(self) -> Iterator[RealRig]:
        rig = RealRig(SoloPool(clock=SystemClock()), slots=1, resizes=False, ends_bodies=False)
        yield rig
        rig.pool.stop(at_once=True)


@dataclass
class SimRig:
    """The simulated pool; the test is its worker, and stands outside of the scheduler."""

    seed: int
    kind: PoolKind = KINDS["prefork"]
    slots: int = SLOTS
    resizes: bool = True
    ends_bodies: bool = True
    scheduler: Scheduler = field(init=False)
    woken: bool = False

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(Time(), Choices(self.seed))
        self.clock = NodeClock(self.scheduler.time, 0.0, self.scheduler.sleep)
        hands = Hands("w1", self.scheduler, Trace())
        self.pool = SimPool(
            hands,
            self.scheduler,
            place=None,
            context=lambda _pid: Context(),
            wake=self.wake,
            kind=self.kind,
        )

    def wake(self) -> None:
        self.woken = True

    def wait(self, seconds: float | None) -> None:
        end_s = self.clock.elapsed_s + (float("inf") if seconds is None else seconds)
        while not self.woken and (at := self.scheduler.next_at_s()) is not None and at <= end_s:
            self.scheduler.step()
        if not self.woken and seconds is not None:
            self.scheduler.run_until_s(end_s)
        self.woken = False


class TestSim(PoolSuite):
    @pytest.fixture(params=range(5))
    def rig(self, request: pytest.FixtureRequest) -> Iterator[SimRig]:
        rig = SimRig(seed=request.param)
        yield rig
        rig.pool.stop(at_once=True)
        rig.pool.close_loops()


class TestSimOfOtherKinds(PoolSuite):
    @pytest.fixture(params=["threads", "asyncio", "gevent", "eventlet", "solo"])
    def rig(self, request: pytest.FixtureRequest) -> Iterator[SimRig]:
        kind = KINDS[request.param]
        single = kind.single
        rig = SimRig(
            seed=1,
            kind=kind,
            slots=1 if single else SLOTS,
            resizes=not single,
            ends_bodies=kind.keeps[0],
        )
        yield rig
        rig.pool.stop(at_once=True)
        rig.pool.close_loops()
