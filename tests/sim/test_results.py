"""What is sent is done, and its result is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from taskq import TaskQ
from taskq.errors import Reject
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


HOUR_S = 3600


def test_waiting_for_many_hours_times_out_at_its_time(
    app: TaskQ, taskq_world: Callable[..., World]
) -> None:
    """Nothing happens in a quiet world but that time passes: up to the limit, and no further."""

    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    world = taskq_world(app)
    result = add.delay(2, 2)
    for hours in (1, 1000):
        began_s = world.now_s
        with pytest.raises(ResultTimeout, match=f"waited {hours * HOUR_S} s"):
            result.get(timeout=hours * HOUR_S)
        assert world.now_s - began_s == hours * HOUR_S

    steps: list[float] = []
    with pytest.raises(ResultTimeout):
        result.get(timeout=6 * HOUR_S, interval=1, on_interval=lambda: steps.append(world.now_s))
    assert len(steps) == 6 * HOUR_S


def test_waiting_of_a_body_times_out_at_its_time(
    app: TaskQ, taskq_world: Callable[..., World]
) -> None:
    """As in the test itself, the clock of the world stands still for nobody."""

    @app.task
    def wait() -> float:
        began_s = app.ports.clock.read().elapsed_s
        with pytest.raises(ResultTimeout):
            app.AsyncResult("nobody").get(timeout=50 * HOUR_S, disable_sync_subtasks=False)
        return app.ports.clock.read().elapsed_s - began_s

    world = taskq_world(app)
    world.start_worker("w1")

    assert wait.delay().get() == 50 * HOUR_S


def test_a_body_that_waits_for_ever_is_named(app: TaskQ, taskq_world: Callable[..., World]) -> None:
    """At once, with its slot, and with what it waits for."""

    @app.task
    def wait() -> None:
        app.AsyncResult("nobody").get(disable_sync_subtasks=False)

    world = taskq_world(app)
    world.start_worker("w1")
    result = wait.delay()
    with pytest.raises(Stuck, match=r"w1/\d waits for the result of nobody"):
        world.run_until_quiet()
    with pytest.raises(Stuck, match=rf"wait\[{result.id}\]: celery@w1 has it"):
        result.get()

    assert world.now_s < 1


@pytest.mark.parametrize(
    ("queue", "kill", "told"),
    [
        ("elsewhere", False, "waits in queue 'elsewhere', which none of w1 takes from"),
        ("celery", True, "waits in queue 'celery', and no worker runs"),
    ],
)
def test_what_never_comes_is_looked_for(
    app: TaskQ,
    taskq_world: Callable[..., World],
    queue: str,
    kill: bool,
    told: str,
) -> None:
    """Where the task is, and why nobody runs it; at the moment at which that is certain."""

    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    world = taskq_world(app)
    world.start_worker("w1")
    world.run_until_quiet()
    if kill:
        world.kill("w1")
    result = add.apply_async((2, 2), queue=queue)
    with pytest.raises(Stuck, match=rf"add\[{result.id}\]: {told}"):
        result.get()
    with pytest.raises(Stuck, match="task nobody: nobody ever sent it"):
        app.AsyncResult("nobody").get()

    assert world.now_s == 0


def test_what_was_rejected_is_found_in_the_dead_letters(
    app: TaskQ, taskq_world: Callable[..., World]
) -> None:
    """Where no result is kept, who waits for one learns why it never comes."""

    @app.task(acks_late=True, ignore_result=True)
    def refuse() -> None:
        raise Reject("not mine", requeue=False)

    world = taskq_world(app)
    world.start_worker("w1")
    task_id = refuse.delay().id
    with pytest.raises(Stuck, match=rf"refuse\[{task_id}\]: is in the dead letters: .*not mine"):
        app.AsyncResult(task_id).get()


def test_what_died_with_its_worker_was_last_seen_there(
    app: TaskQ, taskq_world: Callable[..., World]
) -> None:
    """RabbitMQ keeps nothing of a message that was acknowledged early."""

    @app.task
    def slow() -> None:
        app.ports.clock.sleep(HOUR_S)

    world = taskq_world(app, broker="rabbitmq")
    world.start_worker("w1")
    result = slow.delay()
    world.run_until(lambda: world.trace.count("task.start"))
    world.kill("w1")
    with pytest.raises(Stuck, match=r"last seen at 00:00:00.000 on w1: task.start"):
        result.get()
