"""One place in a simulated world: a client or a worker's machine, with its ports.

A ``Station`` has a name, clocks, randomness, a way to the broker.  A ``Seat`` is one process of it:
what the app finds when it asks where it is (``current.ports_here``), carried in the context of
each simulated process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from datetime import tzinfo
from typing import Any

from taskq import current
from taskq.ports import Codec, Place, Ports, Revocation
from taskq_testing.sim.asked_store import AskedStoreEnd, AskedStoreModel
from taskq_testing.sim.awaited import Awaited
from taskq_testing.sim.broker import BrokerModel, broker_end
from taskq_testing.sim.clock import NodeClock
from taskq_testing.sim.hands import FIRST_PID, Hands, Mischief
from taskq_testing.sim.loop import VirtualLoop
from taskq_testing.sim.randomness import SeededRandomness, stream
from taskq_testing.sim.scheduler import Scheduler
from taskq_testing.sim.store import StoreEnd, StoreModel
from taskq_testing.sim.trace import Trace


class Station:
    """One machine."""

    def __init__(
        self,
        name: str,
        *,
        seed: int,
        start_s: float,
        scheduler: Scheduler,
        trace: Trace,
        broker: BrokerModel,
        store: StoreModel,
        mischief: dict[Mischief, None],
        wait_outside: Callable[[Awaited], None],
        zone: tzinfo | None,
    ) -> None:
        self.name = name
        self.zone = zone  # of its operating system; None: that of the real one
        self.scheduler = scheduler
        self.clock = NodeClock(scheduler.time, start_s, scheduler.sleep)
        troubles = (broker.troubles, store.troubles)
        self.hands = Hands(
            name, scheduler, trace, lambda: self.clock.wall_s, troubles=troubles, mischief=mischief
        )
        self.randomness = SeededRandomness(stream(seed, f"ids/{name}"))
        self._system = SeededRandomness(stream(seed, f"system/{name}"))
        self.broker = broker_end(broker, self.hands, self._wait)
        self.server = broker
        self.files: dict[str, tuple[Revocation, ...]] = {}  # what its workers keep on disk
        self._store_model = store
        self._wait_outside = wait_outside

    def store(self) -> StoreEnd:
        """A connection to the store; each process has its own."""
        name = self.server.profile.name
        if isinstance(self._store_model, AskedStoreModel):
            return AskedStoreEnd(self._store_model, self.hands, name, self._wait)
        return StoreEnd(self._store_model, self.hands, name, self._wait)

    def _wait(self, awaited: Awaited) -> None:
        scheduler = self.scheduler
        process = scheduler.current
        if process is None:
            self._wait_outside(awaited)
            return

        def wake() -> None:
            scheduler.wake(process)

        limit_s = awaited.timeout_s
        awaited.wakes[wake] = None
        try:
            scheduler.wait(str(awaited), None if limit_s is None else self.elapsed_s + limit_s)
        finally:
            awaited.wakes.pop(wake, None)

    def let_go(self) -> None:
        """The world is over; who still holds a port of it holds no more than that."""
        self._wait_outside = _refuse
        self.hands.let_go()

    # -- what it lends to bodies -------------------------------------------------------------------

    @property
    def wall_s(self) -> float:
        """Its wall clock."""
        return self.clock.wall_s

    @property
    def elapsed_s(self) -> float:
        """Its monotonic clock."""
        return self.clock.elapsed_s

    def urandom(self, size: int) -> bytes:
        """Its operating system's randomness."""
        return self._system.urandom(size)

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """An event loop on its virtual time."""
        return VirtualLoop(self.scheduler)


def _refuse(awaited: Awaited) -> None:
    raise RuntimeError(f"the simulated world is closed; nobody can wait for {awaited} in it")


class Seat:
    """One process of a station."""

    def __init__(self, station: Station, codec: Codec, pid: int = FIRST_PID) -> None:
        self.station = station
        self._ports = Ports(
            clock=station.clock,
            randomness=station.randomness,
            place=Place(f"{station.name}.sim", pid),
            codec=codec,
            broker=station.broker,
            store=station.store(),
        )

    def ports(self, _app: Any) -> Ports:
        """What an app stands on here."""
        return self._ports

    def context(self, base: Context) -> Context:
        """A context in which code finds itself here."""
        context = base.run(copy_context)
        context.run(current.ports_here.set, self.ports)
        return context
