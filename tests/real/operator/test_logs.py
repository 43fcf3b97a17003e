"""The log of a real worker: a file for each process, rotated, in the background, taken over."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real.workers import WorkerProcess, worker

HERE = Path(__file__).parent
TIMEOUT_S = 30.0


def until(found: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not found():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.fixture
def env(redis_url: str, tmp_path: Path) -> dict[str, str]:
    return {"OPS_BROKER": redis_url, "OPS_LEDGER": str(tmp_path / "ledger")}


def call(env: dict[str, str], task: str, *args: str) -> None:
    line = [sys.executable, "-m", "taskq", "-A", "talks", "call", task, *args]
    subprocess.run(line, cwd=HERE, env={**os.environ, **env}, check=True, capture_output=True)


def test_each_process_has_a_file_of_its_own(env: dict[str, str], tmp_path: Path) -> None:
    """The worker's has what it says; a child's what its bodies log and print, and who it is."""
    own, child = tmp_path / "w1.log", tmp_path / "w1-1.log"
    options = ("-c", "1", "-n", "w1@here", "-f", str(tmp_path / "%n%I.log"))

    with worker(tmp_path, *options, app="talks", env=env, cwd=HERE, ready=False) as running:
        until(lambda: "is ready" in text_of(own), "the worker is not ready")
        call(env, "talks.talk")
        until(lambda: "succeeded" in text_of(own), "the task has not ended")
        assert running.stop() == 0

    logged, printed = [line for line in text_of(child).splitlines() if "said" in line]
    assert re.search(r"INFO/ForkPoolWorker-1\] talks\.talk\[[\w-]+\]: it was said$", logged)
    assert printed.endswith("WARNING/ForkPoolWorker-1] it was said aloud")
    assert "talks.talk" in text_of(own)
    assert "said" not in text_of(own)
    # The banner is for the person, not for the log.
    assert "is ready" not in running.text


def test_a_file_that_is_moved_away_is_begun_anew(env: dict[str, str], tmp_path: Path) -> None:
    """As ``logrotate`` does it, without telling the worker or its children."""
    path, old = tmp_path / "w.log", tmp_path / "w.log.1"
    options = ("-c", "1", "-f", str(path))

    with worker(tmp_path, *options, app="talks", env=env, cwd=HERE, ready=False) as running:
        until(lambda: "is ready" in text_of(path), "the worker is not ready")
        path.rename(old)
        call(env, "talks.talk")
        until(lambda: "succeeded" in text_of(path), "nothing is in the new file")
        assert running.stop() == 0

    assert "it was said" in text_of(path)
    assert "it was said" not in text_of(old)


def test_in_the_background_all_goes_to_the_file(env: dict[str, str], tmp_path: Path) -> None:
    """-D returns at once; the pid file says who to stop, and goes with the worker."""
    log, pidfile = tmp_path / "w1.log", tmp_path / "w1.pid"
    line = [
        *(sys.executable, "-m", "taskq", "-A", "talks", "worker", "-D", "-c", "1", "-l", "INFO"),
        *("-n", "w1@here", "-f", str(tmp_path / "%n.log"), "--pidfile", str(tmp_path / "%n.pid")),
    ]

    def start() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            line,
            cwd=HERE,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    begun = start()
    until(lambda: "is ready" in text_of(log), begun.stderr)
    pid = int(pidfile.read_text())
    again = start()
    os.kill(pid, signal.SIGTERM)
    until(lambda: not pidfile.exists(), "the pid file is still there")

    assert (begun.returncode, begun.stdout) == (0, "w1@here starts in the background\n")
    # A second one finds it out before it says that it starts.
    assert (again.returncode, again.stdout) == (73, "")
    assert f"process {pid} has it" in again.stderr


@pytest.mark.parametrize("mode", ["takes over", "adds"])
def test_receivers_have_their_way(mode: str, env: dict[str, str], tmp_path: Path) -> None:
    """One that takes logging over has it in children too; one that adds a handler adds it."""
    path = tmp_path / "mine.log"
    told = {**env, "OPS_LOGGING": mode, "OPS_LOG": str(path)}

    with worker(tmp_path, "-c", "1", app="talks", env=told, cwd=HERE, ready=False) as running:
        until(lambda: "is ready" in text_of(path), running.text)
        call(told, "talks.talk")
        until(lambda: "succeeded" in text_of(path), "the task has not ended")
        assert running.stop() == 0

    assert ("MINE it was said\n" in text_of(path)) is (mode == "takes over")
    assert _is_logged(running) is (mode == "adds")
    # What is printed goes to the log only where we set it up.
    assert ("MINE it was said aloud\n" in text_of(path)) is (mode == "adds")


def _is_logged(running: WorkerProcess) -> bool:
    return "INFO/MainProcess] " in running.text
