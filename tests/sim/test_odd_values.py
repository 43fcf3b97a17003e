"""What a body returns or raises can fail its own task, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from taskq import TaskQ
from taskq_testing import World
from taskq_testing.checks.registry import run_checks

Make = Callable[..., World]


class NeedsMore(Exception):
    """Cannot be made from its ``args``."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code, self.reason = code, reason


class HasALock(Exception):
    """Carries what no message can."""

    def __init__(self) -> None:
        super().__init__("locked")
        self.lock = threading.Lock()


class WillNotSpeak(Exception):
    """Its text is an error of its own."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class NotAnError(BaseException):
    """Of no class that is usually caught."""


def local_error() -> Exception:
    """Of a class that nobody can import."""

    class Local(Exception):
        pass

    return Local(lambda: None)


ERRORS: dict[str, Callable[[], BaseException]] = {
    "needs more": lambda: NeedsMore(3, reason="why"),
    "has a lock": HasALock,
    "will not speak": WillNotSpeak,
    "is local": local_error,
    "no error": NotAnError,
}


def error_of(which: str) -> BaseException:
    """Make one of them."""
    return ERRORS[which]()


@pytest.mark.parametrize("pool", ["prefork", "threads", "asyncio", "solo"])
@pytest.mark.parametrize("acks_late", [False, True])
def test_an_error_that_cannot_travel_is_told_all_the_same(
    app: TaskQ, taskq_world: Make, pool: str, acks_late: bool
) -> None:
    """The task fails with its name, and the pool goes on."""

    @app.task(acks_late=acks_late)
    def fails(which: str) -> None:
        raise error_of(which)

    fine = app.task(name="fine")(lambda: "fine")
    world = taskq_world(app)
    world.start_worker("w1", pool=pool)
    results = {which: fails.delay(which) for which in ERRORS}
    world.run_until_quiet()

    assert {which: each.state for which, each in results.items()} == dict.fromkeys(
        ERRORS, "FAILURE"
    )
    assert "NeedsMore" in repr(results["needs more"].result)
    assert fine.delay().get() == "fine"
    assert world.trace.count("fault.kill_process") == 0
    assert run_checks(world) == []


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
@pytest.mark.parametrize("acks_late", [False, True])
@pytest.mark.parametrize("value", [object(), {1, 2, print}, lambda: None, float])
def test_a_result_that_cannot_travel_fails_once(
    app: TaskQ, taskq_world: Make, broker: str, acks_late: bool, value: Any
) -> None:
    """Its body is not run again, and the cause is told."""

    @app.task(acks_late=acks_late)
    def odd() -> Any:
        return value

    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    result = odd.delay()
    world.run_until_quiet()

    assert result.state == "FAILURE"
    assert world.trace.count("task.start") == 1
    assert "serial" in f"{result.result!r} {result.traceback}"
    assert run_checks(world) == []


def test_arguments_that_the_store_cannot_write_do_not_cost_the_result(
    app: TaskQ, taskq_world: Make
) -> None:
    """They came pickled, results are JSON: with ``result_extended`` it has what ``repr`` says."""
    app.conf.update(result_extended=True, accept_content=["json", "pickle"])

    @app.task
    def kind(value: object, plain: int, *, named: object) -> str:
        return type(value).__name__

    world = taskq_world(app)
    world.start_worker("w1")
    result = kind.apply_async((1 + 2j, 5), {"named": {1}}, serializer="pickle")
    world.run_until_quiet()

    assert result.get() == "complex"
    assert (result.args, result.kwargs) == (["(1+2j)", 5], {"named": "{1}"})
    assert run_checks(world) == []
