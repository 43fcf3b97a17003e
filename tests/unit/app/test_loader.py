"""Loaders of programs: what they are asked for, and what they are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from taskq import TaskQ, signals
from taskq.app.loader import AppLoader, BaseLoader


class Telling(BaseLoader):
    """Notes what happens, and has settings of its own."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self.told: list[Any] = []

    def read_configuration(self, env: str = "CELERY_CONFIG_MODULE") -> Any:
        return {"result_expires": 77, "task_default_queue": "by the loader"}

    def on_worker_init(self) -> None:
        self.told.append("worker")

    def on_worker_shutdown(self) -> None:
        self.told.append("end")

    def on_worker_process_init(self) -> None:
        self.told.append("process")

    def on_task_init(self, task_id: str, task: Any) -> None:
        self.told.append(("task", task_id, task.name))

    def on_process_cleanup(self) -> None:
        self.told.append("after")


@pytest.fixture
def app() -> Iterator[TaskQ]:
    made = TaskQ("loaded", broker="memory://", loader=Telling, set_as_current=False)
    yield made
    made.close()


class Worker:
    """What a signal of a worker is sent by."""

    def __init__(self, app: TaskQ) -> None:
        self.app = app


def test_an_app_has_a_loader_without_being_given_one() -> None:
    """The usual one reads nothing and does nothing."""
    app = TaskQ("plain", broker="memory://", set_as_current=False)

    assert type(app.loader) is AppLoader
    assert app.loader is app.loader
    assert app.loader.app is app


def test_its_settings_are_weaker_than_those_of_the_app(app: TaskQ) -> None:
    """What the loader reads counts where nothing else is said."""
    app.conf.task_default_queue = "by the app"

    assert app.conf.result_expires == 77
    assert app.conf.task_default_queue == "by the app"


def test_it_is_told_of_workers_and_tasks(app: TaskQ) -> None:
    """Each method is called at its moment, for its own app only."""

    @app.task(name="add")
    def add(x: int, y: int) -> int:
        return x + y

    other = TaskQ("other", broker="memory://", set_as_current=False)
    for one in (app, other):
        signals.worker_init.send(sender=Worker(one))
        signals.worker_shutdown.send(sender=Worker(one))
    result = add.apply((1, 2))

    assert app.loader.told == ["worker", "end", ("task", result.id, "add"), "after"]
    assert app.loader.worker_initialized


def test_it_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an alias, by a path, and by the environment."""
    path = f"{__name__}:Telling"
    by_path = TaskQ("a", loader=path, set_as_current=False)
    by_alias = TaskQ("b", loader="app", set_as_current=False)
    monkeypatch.setenv("CELERY_LOADER", path)
    by_environment = TaskQ("c", set_as_current=False)

    assert type(by_path.loader).__name__ == "Telling"
    assert type(by_alias.loader) is AppLoader
    assert type(by_environment.loader).__name__ == "Telling"
