"""A worker that is its own program."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from urllib.request import getproxies_environment

import pytest

from taskq import TaskQ
from taskq.cli.worker_program import Worker
from taskq.worker.consumer import Consumer


@pytest.fixture
def make() -> Iterator[Callable[..., Worker]]:
    """Make workers that are never started."""
    made: list[Worker] = []

    def one(**told: object) -> Worker:
        app = TaskQ("shop", broker="memory://", set_as_current=False)

        @app.task(name="sell")
        def sell() -> None: ...

        made.append(Worker(app, hostname="w@h", pool="solo", **told))
        return made[-1]

    yield one
    for worker in made:
        worker._waiter.close()
        worker.app.close()


def test_it_says_who_it_is(make: Callable[..., Worker], capsys: pytest.CaptureFixture[str]) -> None:
    """Its node, its app, its queues; its tasks where the log shows such things."""
    make(loglevel=logging.INFO).emit_banner()
    chatty = capsys.readouterr().out
    make(loglevel=logging.ERROR).emit_banner()
    terse = capsys.readouterr().out

    assert "w@h" in chatty
    assert "shop" in chatty
    assert "sell" in chatty
    assert "sell" not in terse


def test_its_tasks_with_and_without_those_that_every_app_has(make: Callable[..., Worker]) -> None:
    """A line for each."""
    worker = make()

    assert "  . sell" in worker.tasklist().splitlines()
    assert "celery.chain" not in worker.tasklist(include_builtins=False)
    assert any("celery." in line for line in worker.tasklist().splitlines())


def test_it_prepares_for_its_platform_and_shows_what_it_does(
    make: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On macOS urllib is kept from asking the system; the title says what it does."""
    monkeypatch.delenv("taskq_dummy_proxy", raising=False)
    worker = make()
    monkeypatch.setattr(type(worker.app), "IS_macOS", False)
    worker.install_platform_tweaks(worker)
    assert "taskq_dummy_proxy" not in os.environ

    monkeypatch.setattr(type(worker.app), "IS_macOS", True)
    worker.install_platform_tweaks(worker)
    assert getproxies_environment() == {"taskq_dummy": "set_by_taskq_worker"}
    monkeypatch.delenv("taskq_dummy_proxy")

    assert worker.set_process_status("ready") == "[taskq] w@h: ready"


class Watching(Consumer):
    """Counts what happens to the connection of steps."""

    lost = 0

    def on_connection_error_before_connected(self, exc: BaseException) -> None:
        super().on_connection_error_before_connected(exc)
        self.lost += 1


def test_the_consumer_is_of_the_class_that_the_setting_names(make: Callable[..., Worker]) -> None:
    """It hears that steps have no connection, and makes calls that are due when it is told to."""
    worker = make()
    worker.app.conf.worker_consumer = f"{__name__}:Watching"
    assert type(worker.consumer).__name__ == "Watching"

    worker.moments._try_again(OSError("away"))
    assert worker.consumer.lost == 1  # type: ignore[attr-defined]

    said: list[str] = []
    worker.consumer.call_soon(said.append, "now")
    worker.consumer.perform_pending_operations()
    assert said == ["now"]
