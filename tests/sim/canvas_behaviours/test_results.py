"""The rows of area ``result``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from taskq import TaskQ, group
from taskq.app.joining import allow_join_result
from taskq.errors import Ignore
from taskq_testing import World

Tasks = SimpleNamespace


def test_group_result_with_a_failure(t: Tasks, world: World) -> None:
    """It raises the first error, or returns it in its place; what it says of itself."""
    result = group(t.add.s(1), t.fail.s(), t.add.s(3))()

    with pytest.raises(ValueError, match="no"):
        result.get()
    values = result.get(propagate=False)
    assert (values[0], repr(values[1]), values[2]) == (1, "ValueError('no')", 3)
    assert (result.ready(), result.successful(), result.failed()) == (True, False, True)
    assert result.completed_count() == 2


def test_ignore_result(app: TaskQ, world: World) -> None:
    """Nothing is stored; ``get`` returns None at once; the handle knows."""
    quiet = app.task(name="quiet", ignore_result=True)(lambda: 5)
    result = quiet.delay()
    unknown = app.send_task("quiet")

    assert (result.ignored, result.get()) == (True, None)
    world.run_until_quiet()
    assert (result.state, unknown.ignored, unknown.state) == ("PENDING", False, "PENDING")


def test_apply_async_ignore_result_false(app: TaskQ, world: World) -> None:
    """Overrides the task's own setting."""
    quiet = app.task(name="quiet", ignore_result=True)(lambda: 5)

    assert quiet.apply_async(ignore_result=False).get() == 5


def test_store_errors_even_if_ignored(app: TaskQ, world: World) -> None:
    """The failure is stored, but ``get`` of the returned handle is None."""
    bad = app.task(name="bad", ignore_result=True, store_errors_even_if_ignored=True)(lambda: 1 / 0)
    result = bad.delay()
    world.run_until_quiet()

    assert (result.get(), app.AsyncResult(result.id).state) == (None, "FAILURE")


def test_result_that_cannot_be_serialised(app: TaskQ, world: World) -> None:
    """FAILURE, with ``EncodeError``."""
    result = app.task(name="odd")(object).delay()
    world.run_until_quiet()

    assert (result.state, type(result.result).__name__) == ("FAILURE", "EncodeError")


def test_exception_that_cannot_be_pickled(app: TaskQ, world: World) -> None:
    """It comes as it was called, with its text (the reference's wrapper where it has no class)."""

    class LocalError(Exception):
        def __init__(self, first: Any, second: Any) -> None:
            super().__init__(f"{first} and {second}")

    @app.task(name="raises")
    def raises() -> None:
        raise LocalError("one", "two")

    result = raises.delay()
    world.run_until_quiet()

    assert type(result.result).__name__ == "LocalError"
    assert "one and two" in str(result.result)


@pytest.mark.parametrize("allowed", [False, True])
def test_get_inside_a_task(app: TaskQ, t: Tasks, world: World, allowed: bool) -> None:
    """``RuntimeError``, unless it is said that it is meant."""

    @app.task(name="waits")
    def waits() -> int:
        result = t.add.delay(1, 2)
        if not allowed:
            return int(result.get())
        with allow_join_result():
            first = result.get()
        return int(first + t.add.delay(1, 2).get(disable_sync_subtasks=False))

    result = waits.delay()
    world.run_until_quiet()

    if allowed:
        assert result.result == 6
    else:
        assert isinstance(result.result, RuntimeError)
        assert "Never call result.get() within a task" in str(result.result)


def test_get_on_message(app: TaskQ, world: World) -> None:
    """Gets each stored state as a dictionary, also those on the way."""
    seen: list[Any] = []

    @app.task(bind=True, name="progress")
    def progress(self: Any) -> int:
        self.update_state(state="HALF", meta={"done": 1})
        return 2

    assert progress.delay().get(on_message=seen.append) == 2
    assert [(meta["status"], meta["result"]) for meta in seen] == [
        ("HALF", {"done": 1}),
        ("SUCCESS", 2),
    ]


def test_forget(t: Tasks, world: World) -> None:
    """Afterwards the state reads PENDING."""
    result = t.add.delay(1, 2)
    assert result.get() == 3

    result.forget()

    assert result.state == "PENDING"


def test_ignore_raised_in_a_task(app: TaskQ, world: World) -> None:
    """The message is acknowledged, the state is left alone; under ``apply`` it is IGNORED."""

    @app.task(name="ignores")
    def ignores() -> None:
        raise Ignore

    result = ignores.delay()
    world.run_until_quiet()

    assert result.state == "PENDING"
    assert world.trace.count("broker.ack", id=result.id) == 1
    assert ignores.apply().state == "IGNORED"


def test_update_state_then_ignore(app: TaskQ, world: World) -> None:
    """The custom state stays."""

    @app.task(bind=True, name="ignores")
    def ignores(self: Any) -> None:
        self.update_state(state="MINE", meta={"a": 1})
        raise Ignore

    result = ignores.delay()
    world.run_until_quiet()

    assert (result.state, result.info) == ("MINE", {"a": 1})
