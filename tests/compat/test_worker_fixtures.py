"""``taskq_worker`` and ``taskq_live``: real workers for one test, and nothing of them later."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from taskq import TaskQ, current
from taskq_testing.processes import LiveWorker, WorkerProcessError

WAIT_S = 60


@pytest.fixture
def nothing_is_left() -> Iterator[None]:
    before = {thread.name for thread in threading.enumerate()}
    was_current = current._Process.current, current._Process.default
    yield
    assert {thread.name for thread in threading.enumerate()} == before
    assert (current._Process.current, current._Process.default) == was_current


@pytest.mark.parametrize("pool", ["solo", "threads", "prefork"])
def test_workers_in_threads(
    nothing_is_left: None, taskq_worker: Callable[..., Any], pool: str
) -> None:
    """As many as the test starts, each with its queues; ended with the test."""
    app = TaskQ("t", broker="memory://", backend="cache+memory://", set_as_current=False)

    @app.task(name="where", shared=False)
    def where() -> int:
        return os.getpid()

    worker = taskq_worker(app, pool=pool)
    other = taskq_worker(app, queues="other", perform_ping_check=False)

    assert worker.hostname.startswith("gen")
    assert other.app is app
    here = where.apply_async(queue="other").get(timeout=WAIT_S)
    assert here == os.getpid()
    assert (where.delay().get(timeout=WAIT_S) == os.getpid()) == (pool != "prefork")


def test_worker_processes(
    taskq_live: Callable[..., LiveWorker], redis_url: str, tmp_path: Any, monkeypatch: Any
) -> None:
    """Started by the app or its path; killed, stopped, asked for what they log."""
    (tmp_path / "shelf.py").write_text(
        "import os, taskq\n"
        f"app = taskq.TaskQ('shelf', broker={redis_url!r}, backend={redis_url!r},"
        " set_as_current=False)\n"
        "@app.task(name='where', shared=False)\n"
        "def where():\n    return os.getppid()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import shelf  # type: ignore[import-not-found]  # it has just been written

    by_object = taskq_live(shelf.app, "--pool", "prefork", "-c", "1")
    assert shelf.where.delay().get(timeout=WAIT_S) == by_object.pid
    by_object.kill()
    assert by_object.exit_code == -signal.SIGKILL

    by_path = taskq_live("shelf:app", "-c", "1")
    assert shelf.where.delay().get(timeout=WAIT_S) == by_path.pid
    by_path.wait_for("Task where.* succeeded")
    assert by_path.stop() == 0
    with pytest.raises(WorkerProcessError, match="exit code 0"):
        by_path.wait_for("never said")
    shelf.app.close()


def test_what_no_process_can_reach_is_refused(taskq_live: Callable[..., LiveWorker]) -> None:
    """Queues in memory, and an app that no module has."""
    inside = TaskQ("t", broker="memory://", set_as_current=False)
    with pytest.raises(ValueError, match="use the fixture taskq_worker"):
        taskq_live(inside)
    nameless = TaskQ("t", broker="redis://h", backend="redis://h", set_as_current=False)
    with pytest.raises(ValueError, match="give its path as text"):
        taskq_live(nameless)
