"""A world with one worker, and the tasks that rows speak of."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from taskq import TaskQ
from taskq_testing import World

Make = Callable[..., World]


@pytest.fixture
def told() -> list[Any]:
    """What tasks of a test have told of themselves."""
    return []


@pytest.fixture
def t(app: TaskQ, told: list[Any]) -> SimpleNamespace:
    """The tasks."""

    @app.task(name="add")
    def add(x: int, y: int = 0) -> int:
        return x + y

    @app.task(name="total")
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @app.task(name="same")
    def same(value: Any = None) -> Any:
        return value

    @app.task(name="fail")
    def fail(*args: Any, **kwargs: Any) -> None:
        raise ValueError("no")

    @app.task(name="tell")
    def tell(*args: Any) -> None:
        told.append(args)

    @app.task(name="old_style")
    def old_style(task_id: str) -> None:
        told.append(task_id)

    @app.task(name="new_style")
    def new_style(request: Any, error: Exception, traceback: Any) -> None:
        told.append((request, error, traceback))

    return SimpleNamespace(
        add=add,
        total=total,
        same=same,
        fail=fail,
        tell=tell,
        old_style=old_style,
        new_style=new_style,
    )


@pytest.fixture
def world(app: TaskQ, taskq_world: Make) -> World:
    """A world, with a worker that is there when the tasks are."""
    made = taskq_world(app)
    made.start_worker("w1")
    return made
