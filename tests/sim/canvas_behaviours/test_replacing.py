"""The rows of area ``replace``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from taskq import TaskQ, chain, chord, group
from taskq.errors import Ignore
from taskq_testing import World

Tasks = SimpleNamespace


def replacing(app: TaskQ, sig: Any) -> Any:
    """A task that puts a signature in its own place."""

    @app.task(bind=True, name="replaced")
    def replaced(self: Any, *args: Any) -> Any:
        raise self.replace(sig)

    return replaced


def test_replace_by_a_group(app: TaskQ, t: Tasks, world: World) -> None:
    """The result of the original id is the list of results."""
    task = replacing(app, group(t.add.s(1), t.add.s(2)))

    assert task.delay().get() == [1, 2]


def test_replace_by_a_chain(app: TaskQ, t: Tasks, world: World) -> None:
    """The original id gets the result of the last step."""
    task = replacing(app, chain(t.add.s(1), t.add.s(2)))

    assert task.delay().get() == 3


def test_replace_inside_a_chain(app: TaskQ, t: Tasks, world: World) -> None:
    """The rest of the chain runs after the replacement."""
    task = replacing(app, chain(t.add.s(1), t.add.s(2)))

    assert chain(t.add.s(0), task.s(), t.add.s(10))().get() == 13


def test_replace_inside_a_chord_header(app: TaskQ, t: Tasks, world: World) -> None:
    """The chord waits for the replacement; a group counts as one nested list."""
    task = replacing(app, group(t.add.s(1), t.add.s(2)))

    assert chord([t.add.s(7), task.s(), t.add.s(9)])(t.same.s()).get() == [7, [1, 2], 9]


def test_replace_when_called_directly(app: TaskQ, t: Tasks, world: World) -> None:
    """Raises ``Ignore``."""
    with pytest.raises(Ignore):
        replacing(app, t.add.s(1))()


@pytest.mark.parametrize("word", ["raise", "return"])
def test_replace_under_apply(app: TaskQ, t: Tasks, world: World, word: str) -> None:
    """Runs here, and the result is that of the replacement, however it is written.

    (In the reference ``raise`` fails there, since what it raises is the result.)
    """
    raises = replacing(app, chain(t.add.s(1), t.add.s(2)))

    @app.task(bind=True, name="returns")
    def returns(self: Any) -> Any:
        return self.replace(chain(t.add.s(1), t.add.s(2)))

    result = (raises if word == "raise" else returns).apply()

    assert result.get() == 3
    assert world.trace.find("task.send") == []


def test_add_to_chord(app: TaskQ, t: Tasks, world: World) -> None:
    """One more member of the chord that runs; results are in the order of the indexes."""

    @app.task(bind=True, name="adds")
    def adds(self: Any) -> int:
        self.add_to_chord(t.add.s(100))
        return 1

    assert chord([adds.s(), t.add.s(2)])(t.same.s()).get() == [1, 2, 100]
