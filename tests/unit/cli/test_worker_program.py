"""A worker that is its own program."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from taskq import TaskQ
from taskq.cli.worker_program import Worker


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
