"""Pools tell of their lives: of children before they are made, and eventlet's of more."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from typing import Any

import eventlet
import pytest

from taskq import signals
from taskq.adapters.clock import SystemClock
from taskq.adapters.pools.eventlet import EventletPool
from taskq.adapters.pools.prefork import PreforkPool
from taskq.ports import Ending, EndingKind, Guard, Job, SlotReady

JOB = Job(1, {"task": "t"}, b"", "application/json", "utf-8", {}, {})


class Runner:
    """Runs nothing, and is content."""

    def __call__(self, job: Job, guard: Guard | None = None) -> Ending:
        return Ending(job.token, EndingKind.SUCCEEDED)

    def begin_process(self) -> None:
        """Nothing to do."""

    def end_process(self, exitcode: int) -> None:
        """Nothing to do."""

    def is_async(self, job: Job) -> bool:
        return False

    async def awaitable(self, job: Job, guard: Guard | None = None) -> Ending:
        return self(job, guard)


@pytest.fixture
def told() -> Iterator[list[tuple[str, Any, dict[str, Any]]]]:
    seen: list[tuple[str, Any, dict[str, Any]]] = []
    heard = [one for name, one in signals.ALL.items() if "pool" in name or "process" in name]

    def hear(signal: Any, sender: Any, **named: Any) -> None:
        seen.append((signal.name, sender, named))

    for each in heard:
        each.connect(hear)
    yield seen
    for each in heard:
        each.disconnect(hear)


class Waiting:
    """Collects what a pool says, one event after the other."""

    def __init__(self, pool: Any, wait: Callable[[], object]) -> None:
        self._pool, self._wait = pool, wait
        self._events: list[Any] = []

    def for_(self, kind: type[Any]) -> Any:
        """Wait for the next event of a kind."""
        clock = SystemClock()
        end_s = clock.read().elapsed_s + 20
        while clock.read().elapsed_s < end_s:
            self._events += self._pool.collect()
            while self._events:
                event = self._events.pop(0)
                if isinstance(event, kind):
                    return event
            self._wait()
        raise AssertionError(f"no {kind.__name__}")


def test_a_pool_of_eventlet_tells_of_its_life(told: list[Any]) -> None:
    """That it was made, what it is given, and its end, before and after."""
    runner, pool = Runner(), EventletPool(clock=SystemClock())
    # What waits lets greenlets run, as in a process that is patched.
    waiting = Waiting(pool, lambda: eventlet.sleep(0.01))

    pool.start(1, runner)
    ready = waiting.for_(SlotReady)
    pool.submit(ready.slot, [JOB])
    waiting.for_(Ending)
    pool.stop()

    assert told == [
        ("eventlet_pool_started", pool, {}),
        ("eventlet_pool_apply", pool, {"target": runner, "args": (JOB,), "kwargs": {}}),
        ("eventlet_pool_preshutdown", pool, {}),
        ("eventlet_pool_postshutdown", pool, {}),
    ]


def test_each_child_is_announced_in_the_parent(told: list[Any]) -> None:
    """Just before it is made, also one that takes another's place; and it learns its number."""
    numbers: list[int] = []
    pool = PreforkPool(clock=SystemClock(), begin_child=numbers.append)
    waiting = Waiting(pool, lambda: select.select(pool.watched, [], [], 0.1))

    pool.start(2, Runner())
    first = waiting.for_(SlotReady)
    pool.terminate(first.slot, 9)
    for _ in range(2):
        waiting.for_(SlotReady)
    pool.stop(at_once=True)

    assert told == [("worker_before_create_process", pool, {})] * 3
    assert numbers == []  # it is told in the child
