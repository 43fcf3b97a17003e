"""What is sent is done, and its result is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from taskq import TaskQ
from taskq.errors import TimeoutError as ResultTimeout
from taskq_testing import Stuck, World
from taskq_testing.checks.registry import run_checks


def test_a_call_gives_a_result(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """``delay`` and ``run_until_quiet``: the result is there, and reading it costs no time."""

    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    world = taskq_world(app)
    world.start_worker("w1")
    result = add.delay(2, 2)
    assert result.state == "PENDING"
    world.run_until_quiet()

    assert (result.state, result.get(), world.now_s) == ("SUCCESS", 4, 0.0)
    assert run_checks(world) == []


def test_waiting_for_a_result_runs_the_world(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """``get`` in the test lets virtual time pass until the result is there, and no longer."""

    @app.task
    def slow() -> str:
        app.ports.clock.sleep(3600)
        return "done"

    world = taskq_world(app)
    world.start_worker("w1")
    slow.apply_async(countdown=86400)

    assert slow.delay().get() == "done"
    assert world.now_s == pytest.approx(3600)


def test_waiting_can_time_out(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """In virtual seconds, exactly."""

    @app.task
    def slow() -> None:
        app.ports.clock.sleep(3600)

    world = taskq_world(app)
    world.start_worker("w1")
    with pytest.raises(ResultTimeout, match="waited 60 s"):
        slow.delay().get(timeout=60)

    assert world.now_s == pytest.approx(60)


def test_waiting_for_what_never_comes_says_so(
    app: TaskQ, taskq_world: Callable[..., World]
) -> None:
    """Without a worker nothing can ever happen, so ``get`` does not wait for ever."""

    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    taskq_world(app)
    result = add.delay(2, 2)
    with pytest.raises(Stuck, match=f"waits for the result of {result.id}"):
        result.get()


def test_failures_come_back(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """An exception of a body is the result, with its type."""

    @app.task
    def fail() -> None:
        raise ZeroDivisionError("by nothing")

    world = taskq_world(app)
    world.start_worker("w1")
    with pytest.raises(ZeroDivisionError, match="by nothing"):
        fail.delay().get()


def test_a_coroutine_is_awaited(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """``async def`` bodies sleep in virtual time, side by side in several slots."""

    @app.task
    async def nap(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    world = taskq_world(app)
    world.start_worker("w1", slots=4)
    results = [nap.delay(3600) for _ in range(4)]
    world.run_until_quiet()

    assert [result.get() for result in results] == [3600] * 4
    assert world.now_s == pytest.approx(3600)


def test_a_body_can_send_and_wait(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """A task that calls another one finds its own node's ports."""

    @app.task
    def inner() -> int:
        return 20

    @app.task
    def outer() -> str:
        return str(inner.delay().id)

    world = taskq_world(app)
    world.start_worker("w1")
    inner_id = outer.delay().get()
    world.run_until_quiet()

    assert app.AsyncResult(inner_id).get() == 20
    assert [record.node for record in world.trace.find("task.send")] == ["client", "w1"]
