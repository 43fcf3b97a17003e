"""``start_worker``: a worker beside a test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from taskq import TaskQ, signals
from taskq.contrib import testing
from taskq.contrib.testing import WorkerThreadError, start_worker
from taskq.current import forget_app


@pytest.fixture
def app() -> Iterator[TaskQ]:
    """An app whose broker and store are in this process."""
    app = TaskQ("beside", broker="memory://", backend="cache+memory://", set_as_current=False)
    yield app
    app.close()


class Stub:
    """A worker that does what a test says."""

    hostname = "w@h"

    def __init__(self, *, ready: bool = True, ends: bool = True, error: Any = None) -> None:
        self.ready, self.ends, self.error = ready, ends, error
        self.stopped, self.released = threading.Event(), threading.Event()

    def tell(self, **told: Any) -> Stub:
        self.told = told
        return self

    def start(self) -> int:
        if self.ready:
            signals.worker_ready.send(sender=self)
            self.stopped.wait(5)
        if not self.ends:
            self.released.wait(5)
        if self.error is not None:
            raise self.error
        return 3

    def stop(self) -> None:
        self.stopped.set()


@pytest.fixture
def stub(request: pytest.FixtureRequest) -> Iterator[Any]:
    """An app that makes the worker that the test describes."""
    worker = Stub(**request.param)
    app = SimpleNamespace(
        Worker=worker.tell,
        conf=SimpleNamespace(worker_hijack_root_logger=True),
        finalize=lambda: None,
        set_current=lambda: None,
        set_default=lambda: None,
        worker=worker,
    )
    yield app
    worker.released.set()


def started(stub: Any, **options: Any) -> Any:
    """Start the stub's worker."""
    return start_worker(stub, WorkController=stub.worker.tell, perform_ping_check=False, **options)


def test_tasks_run_while_the_block_lasts(app: TaskQ) -> None:
    """A worker takes tasks from the broker, and ends with the block; each step is announced."""
    told: list[str] = []
    receivers = []
    for name in ("starting", "started", "stopped"):
        signal = getattr(testing, f"test_worker_{name}")

        def receive(name: str = name, **_: Any) -> None:
            told.append(name)

        receivers.append((signal, signal.connect(receive)))

    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    try:
        with start_worker(app, pool="solo", ping_task_timeout=5.0) as worker:
            assert worker.hostname.startswith("gen")
            assert add.delay(2, 3).get(timeout=5) == 5
    finally:
        for signal, receive in receivers:
            signal.disconnect(receive)
        forget_app(app)

    assert told == ["starting", "started", "stopped"]


@pytest.mark.parametrize(
    ("stub", "said"),
    [
        ({"ready": False}, "it ended with exit code 3; see its log"),
        ({"ready": False, "error": KeyError("k")}, r"KeyError\('k'\)"),
    ],
    indirect=["stub"],
)
def test_a_worker_that_does_not_start_says_why(stub: Any, said: str) -> None:
    """A worker that ends before it is ready fails the test at once."""
    with (
        pytest.raises(WorkerThreadError, match=f"did not start: .*{said}"),
        started(stub),
    ):
        pytest.fail("the block must not be entered")


@pytest.mark.parametrize("stub", [{"ready": False, "ends": False}], indirect=True)
def test_a_worker_that_is_never_ready_is_given_up(
    stub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting for a worker has a limit."""
    monkeypatch.setattr(testing.worker, "START_TIMEOUT_S", 0.01)

    with (
        pytest.raises(WorkerThreadError, match=r"not ready after 0\.01 s; does its broker run"),
        start_worker(
            stub, WorkController=stub.worker.tell, perform_ping_check=False, shutdown_timeout=0.01
        ),
    ):
        pytest.fail("the block must not be entered")


@pytest.mark.parametrize("stub", [{"ends": False}], indirect=True)
def test_a_worker_that_does_not_end_is_named(stub: Any) -> None:
    """A task that still runs when the block is left is an error of the test."""
    block = start_worker(
        stub,
        WorkController=stub.worker.tell,
        perform_ping_check=False,
        shutdown_timeout=0.01,
        queues="q",
    )

    with pytest.raises(WorkerThreadError, match=r"did not end within 0\.01 s: a task"), block:
        pass

    assert stub.worker.told["queues"] == "q"
    assert stub.worker.told["without_heartbeat"] is True


@pytest.mark.parametrize("stub", [{"error": KeyError("k")}], indirect=True)
def test_a_worker_that_ends_badly_is_named(stub: Any) -> None:
    """What ends the worker's thread reaches the test."""
    with (
        pytest.raises(WorkerThreadError, match="ended badly: KeyError"),
        started(stub),
    ):
        pass
