"""A program on each broker, its ledger, and workers for it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.real.programs import load
from tests.real.workers import WorkerProcess, worker

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Program:
    """The app as a client has it, and what its tasks have written."""

    module: Any
    env: dict[str, str]
    ledger: Path
    tmp_path: Path

    def worker(self, *arguments: str, ready: bool = True) -> AbstractContextManager[WorkerProcess]:
        """Run one worker until the block ends."""
        return worker(
            self.tmp_path, *arguments, app="survivors", env=self.env, cwd=HERE, ready=ready
        )

    def counts(self, what: str) -> Counter[int]:
        """How often each task began (``start``) or ended (``end``)."""
        if not self.ledger.exists():
            return Counter()
        words = (line.split() for line in self.ledger.read_text().splitlines())
        return Counter(int(number) for said, number in words if said == what)

    def wait_for_more_starts_than(self, count: int) -> None:
        """Wait until a body begins."""
        self.wait(lambda: self.counts("start").total() > count, "a body begins")

    def wait(self, done: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
        """Wait for something that becomes true by itself."""
        deadline = time.monotonic() + timeout_s
        while not done():
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
            time.sleep(0.02)


@pytest.fixture(params=["redis", "amqp"])
def program(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Program]:
    """Load the app of these tests as a client of a private broker."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    ledger = tmp_path / "ledger"
    env = {"SURVIVORS_BROKER": url, "SURVIVORS_LEDGER": str(ledger)}
    module = load("survivors", HERE, env, monkeypatch)
    yield Program(module, env, ledger, tmp_path)
    module.app.close()
