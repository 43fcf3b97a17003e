"""A soft time limit is raised in a body, and nowhere around it."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from taskq.app.soft_limit import await_limited, call_limited
from taskq.errors import Retry, SoftTimeLimitExceeded

SOON_S = 0.01


class ScriptedGuard:
    """Raises where it is told to, once, as a pool would."""

    def __init__(self, at: str) -> None:
        self.at = at
        self.disarmed = 0

    def arm(self) -> None:
        self._maybe_raise("arm")

    def disarm(self) -> None:
        self._maybe_raise("disarm")
        self.disarmed += 1

    def passed(self) -> None:
        raise AssertionError("for coroutines only")

    def _maybe_raise(self, here: str) -> None:
        if self.at == here:
            self.at = ""
            raise SoftTimeLimitExceeded


def body(what: Any) -> Any:
    if isinstance(what, BaseException):
        raise what
    return what


@pytest.mark.parametrize("at", ["", "disarm"])
@pytest.mark.parametrize("value", [5, None])
def test_a_value_counts_also_when_the_limit_comes_right_after_the_body(
    at: str, value: object
) -> None:
    """The body has ended by then; what it returned is its ending."""
    guard = ScriptedGuard(at)

    assert call_limited(guard, body, (value,), {}) == value
    assert guard.disarmed == 1


@pytest.mark.parametrize("at", ["", "disarm"])
@pytest.mark.parametrize("error", [ValueError("x"), Retry("again"), SystemExit(3)])
def test_what_a_body_raises_counts_also_when_the_limit_comes_right_after_it(
    at: str, error: BaseException
) -> None:
    """A retry above all must not get lost."""
    guard = ScriptedGuard(at)
    with pytest.raises(type(error)) as raised:
        call_limited(guard, body, (error,), {})

    assert raised.value is error
    assert guard.disarmed == 1


def test_a_limit_that_comes_before_the_body_begins_is_its_ending() -> None:
    """The body is not called any more."""
    guard = ScriptedGuard("arm")
    with pytest.raises(SoftTimeLimitExceeded):
        call_limited(guard, pytest.fail, ("the body was called",), {})

    assert guard.disarmed == 1


def test_a_limit_in_the_body_is_what_it_raises() -> None:
    """It passes through the body like any exception, and the guard is disarmed."""
    guard = ScriptedGuard("")
    with pytest.raises(SoftTimeLimitExceeded):
        call_limited(guard, body, (SoftTimeLimitExceeded(),), {})

    assert guard.disarmed == 1


# -- coroutines ----------------------------------------------------------------------------------


def limited(coroutine: Awaitable[Any], limit_s: float = SOON_S) -> tuple[Any, int]:
    """Await a body with a limit; returns what it gave or raised, and how often it was told."""
    told: list[int] = []

    async def main() -> Any:
        try:
            return await await_limited(coroutine, limit_s, lambda: told.append(1))
        except Exception as error:
            return error

    return asyncio.run(main()), len(told)


def test_a_coroutine_gets_the_limit_at_its_await() -> None:
    """What it awaits is cancelled, and it may go on."""
    came: list[BaseException] = []

    async def stubborn() -> str:
        try:
            await asyncio.sleep(600)
        except SoftTimeLimitExceeded as error:
            came.append(error)
        await asyncio.sleep(SOON_S * 2)
        return "went on"

    assert limited(stubborn()) == ("went on", 1)
    assert len(came) == 1


def test_a_coroutine_that_lets_the_limit_pass_raises_the_plain_exception() -> None:
    """With the traceback into the body, and nothing of a cancellation."""

    async def waits() -> None:
        await asyncio.sleep(600)

    error, told = limited(waits())

    assert type(error) is SoftTimeLimitExceeded
    assert not isinstance(error, asyncio.CancelledError)
    assert told == 1
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        frames.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    assert "waits" in frames


def test_a_limit_that_is_not_reached_is_not_told() -> None:
    """Values and errors are the body's own."""

    async def quick(what: Any) -> Any:
        await asyncio.sleep(0)
        return body(what)

    assert limited(quick(5), 60) == (5, 0)
    error, told = limited(quick(ValueError("x")), 60)
    assert (repr(error), told) == ("ValueError('x')", 0)


def test_a_limit_that_passes_while_a_coroutine_computes_comes_at_its_next_await() -> None:
    """Until then nothing can come."""
    steps: list[str] = []

    async def computes() -> None:
        end_s = asyncio.get_running_loop().time() + SOON_S * 3
        while asyncio.get_running_loop().time() < end_s:
            pass
        steps.append("computed")
        await asyncio.sleep(600)

    error, told = limited(computes())

    assert type(error) is SoftTimeLimitExceeded
    assert (steps, told) == (["computed"], 1)


@pytest.mark.parametrize("wait", ["group", "gather", "wait_for", "task", "timeout"])
def test_what_a_coroutine_has_started_is_cancelled_with_it(wait: str) -> None:
    """Task groups and such clean up as after a cancellation."""
    ends: list[str] = []

    async def child() -> None:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async def in_group() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(child())

    async def in_timeout() -> None:
        async with asyncio.timeout(600):
            await child()

    ways: dict[str, Callable[[], Awaitable[Any]]] = {
        "group": in_group,
        "gather": lambda: asyncio.gather(child()),
        "wait_for": lambda: asyncio.wait_for(child(), 600),
        "task": lambda: asyncio.create_task(child()),
        "timeout": in_timeout,
    }

    async def waits() -> None:
        await ways[wait]()

    error, told = limited(waits())

    assert type(error) is SoftTimeLimitExceeded
    assert (ends, told) == (["cancelled"], 1)


def test_a_cancellation_by_somebody_else_stays_one() -> None:
    """Also when it comes together with the limit."""
    came: list[type[BaseException]] = []

    async def waits() -> None:
        try:
            await asyncio.sleep(600)
        except BaseException as error:
            came.append(type(error))
            raise

    async def main(together: bool) -> None:
        task = asyncio.create_task(_limited(waits(), 0.0 if together else 600))
        await asyncio.sleep(0)
        if together:
            asyncio.get_running_loop().call_later(0, task.cancel)
        else:
            task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(main(together=False))
    asyncio.run(main(together=True))

    assert came == [asyncio.CancelledError] * 2


async def _limited(coroutine: Awaitable[Any], limit_s: float) -> Any:
    return await await_limited(coroutine, limit_s, lambda: None)


def test_the_limit_in_a_coroutine_can_be_pickled() -> None:
    """A body that stores what came stores the plain exception."""
    kept: list[SoftTimeLimitExceeded] = []

    async def keeps() -> None:
        try:
            await asyncio.sleep(600)
        except SoftTimeLimitExceeded as error:
            kept.append(error)

    limited(keeps())

    assert type(pickle.loads(pickle.dumps(kept[0]))) is SoftTimeLimitExceeded
    assert repr(kept[0]) == "SoftTimeLimitExceeded()"
