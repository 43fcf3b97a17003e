"""What bodies see of time and chance while a world is active."""

# ruff: noqa: DTZ002, DTZ005, DTZ011, DTZ012 - bodies ask for naive times too

from __future__ import annotations

import asyncio
import datetime as dt
import os
import pickle
import queue
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from time import sleep as copied_sleep
from typing import Any

import pytest

from taskq_testing.sim.clock import NodeClock
from taskq_testing.sim.loop import VirtualLoop
from taskq_testing.sim.patches import Patches
from taskq_testing.sim.randomness import SeededRandomness, stream
from tests.unit.testing.simple_world import Bench

START_S = 1893456000.0  # 2030-01-01T00:00:00Z


class Body:
    """Runs functions as simulated bodies, on a node of their own."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.clock = NodeClock(bench.time, START_S, bench.scheduler.sleep)
        self.urandom = SeededRandomness(stream(0, "system")).urandom

    @property
    def wall_s(self) -> float:
        return self.clock.wall_s

    @property
    def elapsed_s(self) -> float:
        return self.clock.elapsed_s

    zone = None

    def new_loop(self) -> asyncio.AbstractEventLoop:
        return VirtualLoop(self.bench.scheduler)

    def run(self, *functions: Callable[[], Any]) -> list[Any]:
        seen: list[Any] = []
        for function in functions:
            self.bench.spawn("body", partial(_note, seen, function), self)
        self.bench.run()
        return seen


def _note(seen: list[Any], function: Callable[[], Any]) -> None:
    seen.append(function())


@pytest.fixture
def body() -> Iterator[Body]:
    bench = Bench()
    patches = Patches(bench.scheduler, seed=0)
    patches.apply()
    yield Body(bench)
    patches.remove()


def test_an_hour_of_sleep_costs_nothing(body: Body) -> None:
    """``time.sleep`` lets virtual time pass."""
    before = time.perf_counter()
    body.run(lambda: time.sleep(3600))

    assert body.bench.time.now_s == 3600
    assert time.perf_counter() - before < 1


def test_a_copied_sleep_is_reached_too(body: Body) -> None:
    """``from time import sleep`` in the module of a body means the same."""
    patches = Patches(body.bench.scheduler, seed=0)
    real = copied_sleep
    patches.cover([test_a_copied_sleep_is_reached_too])
    covered = globals()["copied_sleep"]
    for owner, name, value in patches._undo:
        setattr(owner, name, value)

    assert covered is not real
    assert globals()["copied_sleep"] is real
    body.run(lambda: covered(5))
    assert body.bench.time.now_s == 5


def test_every_clock_is_the_nodes(body: Body) -> None:
    """Wall and monotonic clocks, dates, and what formats the present."""

    def look() -> list[object]:
        time.sleep(90)
        now = dt.datetime.now(dt.UTC)
        return [
            time.time(), time.time_ns(), time.monotonic(), time.perf_counter(), time.gmtime()[:5],
            now.isoformat(), dt.datetime.now().timestamp(),
            dt.datetime.today().timestamp(), type(now), time.strftime("%S"),
        ]  # fmt: skip

    [seen] = body.run(look)
    assert seen == [
        START_S + 90, int((START_S + 90) * 1e9), 90.0, 90.0, (2030, 1, 1, 0, 1),
        "2030-01-01T00:01:30+00:00", START_S + 90, START_S + 90, dt.datetime, "30",
    ]  # fmt: skip


def test_a_date_made_by_a_body_is_an_ordinary_date(body: Body) -> None:
    """It pickles as what it is, because the class was never exchanged."""
    [data] = body.run(lambda: pickle.dumps(dt.datetime.now(dt.UTC)))

    assert b"datetime" in data
    assert pickle.loads(data).year == 2030


def test_outside_of_bodies_everything_is_real(body: Body) -> None:
    """The test itself, pytest and other threads keep their clocks."""
    assert dt.datetime.now(dt.UTC).year < 2030
    assert dt.date.today().year < 2030
    assert abs(time.time() - dt.datetime.now().timestamp()) < 5
    assert os.urandom(8) != os.urandom(8)


def test_chance_comes_from_the_seed() -> None:
    """``random``, ``uuid4`` and ``os.urandom`` are the same in each run, and real afterwards."""

    def once() -> list[Any]:
        bench = Bench()
        patches = Patches(bench.scheduler, seed=7)
        patches.apply()
        try:
            return Body(bench).run(
                lambda: (
                    random.random(),
                    random.SystemRandom().random(),
                    uuid.uuid4(),
                    os.urandom(4),
                )
            )
        finally:
            patches.remove()

    state = random.getstate()
    assert once() == once()
    assert random.getstate() == state
    assert uuid.uuid4() != uuid.uuid4()


def test_a_body_that_spins_on_the_clock_gets_ahead(body: Body) -> None:
    """Waiting by looking at the clock again and again takes virtual time, and ends."""

    def spin() -> None:
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            pass

    body.run(spin)
    assert body.bench.time.now_s >= 0.5


def test_events_and_queues_wait_in_virtual_time(body: Body) -> None:
    """One body waits for what another does, or for the time."""
    ready, box = threading.Event(), queue.Queue[str]()

    def waits() -> list[object]:
        heard = ready.wait()
        got = box.get(timeout=60)
        with pytest.raises(queue.Empty):
            box.get(timeout=60)
        return [heard, got, time.monotonic()]

    def acts() -> None:
        time.sleep(10)
        ready.set()
        time.sleep(10)
        box.put("parcel")

    assert [seen for seen in body.run(waits, acts) if seen] == [[True, "parcel", 80.0]]


def test_coroutines_sleep_in_virtual_time(body: Body) -> None:
    """``asyncio.run`` in a body gets a loop on virtual time; two bodies may have one each."""

    async def nap(seconds: float) -> float:
        await asyncio.gather(asyncio.sleep(seconds), asyncio.sleep(seconds / 2))
        async with asyncio.timeout(60):
            await asyncio.to_thread(time.sleep, 10)
        return time.monotonic()

    assert sorted(body.run(lambda: asyncio.run(nap(100)), lambda: asyncio.run(nap(50)))) == [
        60,
        110,
    ]


def test_a_simulated_loop_has_no_sockets(body: Body) -> None:
    """A coroutine that connects somewhere is told what to do instead."""

    def connect() -> str:
        with pytest.raises(RuntimeError, match=r"tried to connect to .*stand-in"):
            asyncio.run(asyncio.open_connection("example.org", 80))
        return "refused"

    assert body.run(connect) == ["refused"]


def test_only_one_world_is_active(body: Body) -> None:
    """A second one is refused before it changes anything."""
    with pytest.raises(RuntimeError, match="another world is active"):
        Patches(body.bench.scheduler, seed=0).apply()


def test_a_day_begins_at_the_nodes_midnight(body: Body) -> None:
    """``date.today`` follows the node, and its jumps."""
    body.clock.jump(86400 * 31)
    [seen] = body.run(dt.date.today)

    assert seen == dt.date.fromtimestamp(START_S + 86400 * 31)
