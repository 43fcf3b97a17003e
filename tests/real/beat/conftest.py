"""Real beats: started by the command line, ended by pid."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.real.workers import WorkerProcess

HERE = Path(__file__).parent


@contextmanager
def program(
    log: Path, *words: str, env: Mapping[str, str], app: str = "ticking"
) -> Iterator[WorkerProcess]:
    """Run a command in a session of its own until the block ends."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "taskq", "-A", app, *words],
            cwd=HERE,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = WorkerProcess(process, log)
    try:
        yield running
    finally:
        if process.poll() is None:
            running.kill_tree()


def until(true: Callable[[], object], what: Callable[[], str], limit_s: float = 60.0) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


class Ground:
    """What the tests of this folder stand on: a broker, a ledger, a schedule file."""

    def __init__(self, broker: str, folder: Path) -> None:
        self.folder, self.ledger = folder, folder / "ledger"
        self.ledger.touch()
        self.schedule = folder / "schedule"
        self.env = {"TICKING_BROKER": broker, "TICKING_LEDGER": str(self.ledger)}
        self._logs = 0

    def run(self, *words: str) -> AbstractContextManager[WorkerProcess]:
        """Run a command of taskq."""
        self._logs += 1
        return program(self.folder / f"{words[0]}-{self._logs}.log", *words, env=self.env)

    def beat(self, *words: str) -> AbstractContextManager[WorkerProcess]:
        """Run ``taskq beat`` with the schedule file of the test."""
        return self.run("beat", "-l", "INFO", "-s", str(self.schedule), *words)

    def runs(self, name: str) -> int:
        """How often a task ran for an entry."""
        return sum(line.startswith(f"{name} ") for line in self.ledger.read_text().splitlines())


@pytest.fixture(params=["redis", "rabbitmq"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Ground:
    """On each broker."""
    name = {"redis": "redis_url", "rabbitmq": "amqp_url"}[request.param]
    return Ground(request.getfixturevalue(name), tmp_path)


@pytest.fixture
def on_redis(redis_url: str, tmp_path: Path) -> Ground:
    """Where the broker does not matter."""
    return Ground(redis_url, tmp_path)
