"""A pool in Celery's manner runs jobs as any pool does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from taskq.adapters.clock import SystemClock
from taskq.ports import Ending, EndingKind, Job, SlotReady
from taskq.wiring.pools import find_pool, pool_maker
from taskq.worker.concurrency import BasePool, SoloTaskPool, ThreadTaskPool, apply_target
from taskq.worker.foreign import ForeignPool
from taskq_testing.conformance.pool.rig import ScriptedRunner

PATIENCE = 2000  # turns


class Written(BasePool):
    """A pool of a program, which writes down what it is told."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.said: list[str] = []

    def on_start(self) -> None:
        self.said.append(f"start {self.limit}")

    def on_close(self) -> None:
        self.said.append("close")

    def on_stop(self) -> None:
        self.said.append("stop")


class Asked:
    """A pool that is asked until it has answered."""

    def __init__(self, kind: type[BasePool], slots: int) -> None:
        self.pool = ForeignPool(kind, clock=SystemClock(), app=None)
        self.pool.start(slots, ScriptedRunner(SystemClock().sleep))
        self.events: list[Any] = []

    def wait_for(self, kind: type, count: int) -> list[Any]:
        for _ in range(PATIENCE):
            self.events += self.pool.collect()
            found = [event for event in self.events if isinstance(event, kind)]
            if len(found) >= count:
                return found
            SystemClock().sleep(0.01)
        raise AssertionError(f"{count} of {kind.__name__} never came: {self.events}")


@pytest.fixture(params=[SoloTaskPool, ThreadTaskPool, Written])
def asked(request: pytest.FixtureRequest) -> Iterator[Asked]:
    asked = Asked(request.param, 2)
    yield asked
    asked.pool.stop(at_once=True)


def job(token: int, body: str, **more: Any) -> Job:
    return Job(token, {"id": str(token)}, body.encode(), "text", "utf-8", {}, {}, **more)


def test_it_runs_what_it_is_given(asked: Asked) -> None:
    """Each job of a slot ends, in the order in which the slot got them."""
    slots = asked.wait_for(SlotReady, 1)
    jobs = [job(n, f"say {n}") for n in range(200)]

    asked.pool.submit(slots[0].slot, jobs)
    endings = asked.wait_for(Ending, 200)

    assert [ending.token for ending in endings] == list(range(200))
    assert {ending.kind for ending in endings} == {EndingKind.SUCCEEDED}
    assert [ending.summary for ending in endings] == [str(n) for n in range(200)]


def test_it_is_started_and_stopped_as_documented() -> None:
    """A pool is started with its limit, closed, then stopped once nothing runs."""
    asked = Asked(Written, 3)
    inner = asked.pool.inner
    assert isinstance(inner, Written)

    asked.pool.stop()
    asked.pool.collect()

    assert inner.said == ["start 3", "close", "stop"]


def test_a_function_says_that_it_begins_and_what_it_returned() -> None:
    """``apply_target`` calls back twice."""
    said: list[Any] = []

    apply_target(pow, (2, 5), {}, said.append, lambda pid, _when: said.append(pid))

    assert said == [os.getpid(), 32]


def test_a_worker_finds_it_by_the_environment() -> None:
    """A class path in CELERY_CUSTOM_WORKER_POOL is run behind the port of pools."""
    place = f"{Written.__module__}:{Written.__name__}"
    row = find_pool("custom", {"CELERY_CUSTOM_WORKER_POOL": place})
    conf = type("Conf", (), {"task_soft_time_limit": None, "task_time_limit": None})()

    pool = pool_maker(row, clock=SystemClock(), conf=conf, told={})(lambda _index: None)

    assert isinstance(pool, ForeignPool)
