"""The rows of areas ``chord`` and ``errback``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from taskq import TaskQ, chord
from taskq.errors import ChordError
from taskq_testing import World

Tasks = SimpleNamespace


def test_chord_whose_header_has_a_failing_task(t: Tasks, world: World) -> None:
    """Its body never runs; who waits gets what the member raised, the body is stored as failed."""
    result = chord([t.add.s(1), t.fail.s()])(t.total.s())

    with pytest.raises(ValueError, match="no"):
        result.get()
    world.run_until_quiet()
    assert (result.state, type(result.result)) == ("FAILURE", ChordError)
    failed = result.parent[1]
    assert str(result.result) == f"Dependency {failed.id} raised ValueError('no')"
    assert world.trace.find("task.start", task="total") == []
    assert f"what does not run:\ntotal()  [id={result.id}" in result.traceback


def test_body_errback_of_a_failed_header(t: Tasks, world: World, told: list[Any]) -> None:
    """Called with a context, a ``ChordError``, and no traceback."""
    chord([t.fail.s()])(t.total.s().on_error(t.new_style.s()))
    world.run_until_quiet()

    [(request, error, traceback)] = told
    assert (request.task, type(error), traceback) == ("total", ChordError, None)


@pytest.mark.parametrize("on_header", [False, True])
def test_chord_link_error(
    app: TaskQ, t: Tasks, world: World, told: list[Any], *, on_header: bool
) -> None:
    """It goes to the body, and with the setting to each member of the header as well."""
    app.conf.task_allow_error_cb_on_chord_header = on_header
    canvas = chord([t.fail.s(), t.fail.s()], t.total.s())
    canvas.link_error(t.new_style.s())
    canvas()
    world.run_until_quiet()

    assert len(told) == (3 if on_header else 1)
    assert sum(isinstance(error, ChordError) for _, error, _ in told) == 1


def test_chord_apply_async_link(t: Tasks, world: World, told: list[Any]) -> None:
    """It fires after the body."""
    chord([t.add.s(1), t.add.s(2)], t.total.s()).apply_async(link=t.tell.s())
    world.run_until_quiet()

    assert told == [(3,)]


def test_chord_on_the_rpc_backend() -> None:
    """Refused where it is sent, and nothing of it is sent."""
    app = TaskQ("rpc", broker="memory://", backend="rpc://", set_as_current=False)
    add = app.task(name="add")(lambda *numbers: sum(numbers))

    with pytest.raises(NotImplementedError, match="result_backend"):
        chord([add.s(1)])(add.s())
    app.close()


def test_link_error_with_one_argument(t: Tasks, world: World, told: list[Any]) -> None:
    """Old style: sent as a message of its own, with the id of what failed."""
    result = t.fail.apply_async(link_error=t.old_style.s())
    world.run_until_quiet()

    assert told == [result.id]
    assert world.trace.count("task.start", task="old_style") == 1


def test_link_error_with_three_arguments(t: Tasks, world: World, told: list[Any]) -> None:
    """New style: called by the worker that ran what failed, with context, error and traceback."""
    result = t.fail.apply_async(link_error=t.new_style.s())
    world.run_until_quiet()

    [(request, error, traceback)] = told
    assert (request.id, repr(error)) == (result.id, "ValueError('no')")
    assert "in fail" in traceback
    assert world.trace.count("task.send", task="new_style") == 0


def test_link_error_with_any_arguments(t: Tasks, world: World, told: list[Any]) -> None:
    """``*args`` is the new style."""
    t.fail.apply_async(link_error=t.tell.s())
    world.run_until_quiet()

    assert [len(args) for args in told] == [3]
    assert world.trace.count("task.send", task="tell") == 0


def test_link_error_immutable(t: Tasks, world: World, told: list[Any]) -> None:
    """Called with its own arguments."""
    t.fail.apply_async(link_error=t.tell.si("mine"))
    t.fail.apply_async(link_error=t.old_style.si("mine"))
    world.run_until_quiet()

    assert sorted(map(str, told)) == ["('mine',)", "mine"]


def test_link_error_on_a_bound_task_with_three_arguments(
    app: TaskQ, t: Tasks, world: World, told: list[Any]
) -> None:
    """The new style as well (the reference takes it for the old one, and it fails)."""

    @app.task(bind=True, name="bound")
    def bound(self: Any, request: Any, error: Exception, traceback: str) -> None:
        told.append((self.name, request.id, repr(error)))

    result = t.fail.apply_async(link_error=bound.s())
    world.run_until_quiet()

    assert told == [("bound", result.id, "ValueError('no')")]
