"""Fixtures for real workers: in a thread of the test's process, and in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from taskq_testing.processes import LiveWorker

__all__ = ["taskq_live", "taskq_worker"]


@pytest.fixture
def taskq_worker() -> Iterator[Callable[..., Any]]:
    """A starter of workers in threads: ``taskq_worker(app, pool="threads", queues="q")``.

    Options are those of ``app.Worker``, and ``shutdown_timeout``, ``perform_ping_check`` and
    ``ping_task_timeout``.  It returns when the worker has run a task; it ends with the test.
    """
    from taskq.contrib.testing.worker import start_worker  # noqa: PLC0415 - only who uses it pays
    from taskq.current import kept  # noqa: PLC0415 - as above

    with kept(), ExitStack() as running:

        def start(app: Any, **options: Any) -> Any:
            return running.enter_context(start_worker(app, **options))

        yield start


@pytest.fixture
def taskq_live(tmp_path: Path) -> Iterator[Callable[..., LiveWorker]]:
    """A starter of worker processes: ``taskq_live(app, "--pool", "prefork", "-c", "2")``.

    The app is a global of a module, or the path of one; the words are those of ``taskq worker``.
    With ``ready=False`` it does not wait until the worker takes messages; ``env`` adds to the
    environment.  What runs at the end of the test is ended.
    """
    from taskq_testing.processes import READY, LiveWorker  # noqa: PLC0415 - only who uses it pays

    numbers = count(1)
    with ExitStack() as running:

        def start(
            app: Any, *words: str, ready: bool = True, env: Mapping[str, str] | None = None
        ) -> LiveWorker:
            worker = LiveWorker(app, words, tmp_path / f"worker-{next(numbers)}.log", env)
            running.callback(worker.close)
            if ready:
                worker.wait_for(READY)
            return worker

        yield start
