"""Real worker processes for tests: started by the command line, ended by pid."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = Path(__file__).parents[1] / "compat" / "programs"


class WorkerProcess:
    """One ``taskq worker`` with its log."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self.log = process, log

    @property
    def text(self) -> str:
        """What it has logged so far."""
        return self.log.read_text(errors="replace")

    def wait_for(self, pattern: str, timeout_s: float = 20.0) -> str:
        """Wait until its log matches; returns the line."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for line in self.text.splitlines():
                if re.search(pattern, line):
                    return line
            if self.process.poll() is not None and not re.search(pattern, self.text):
                raise AssertionError(
                    f"exited with {self.process.returncode} before {pattern!r}:\n{self.text}"
                )
            time.sleep(0.02)
        raise AssertionError(f"no line matches {pattern!r} after {timeout_s} s:\n{self.text}")

    def signal(self, number: int) -> None:
        """Send a signal to the parent process alone."""
        self.process.send_signal(number)

    def kill_tree(self) -> None:
        """``kill -9`` the parent and all children at once, as the end of a machine would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self, timeout_s: float = 20.0) -> int:
        """TERM, and wait for the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout_s)


@contextmanager
def worker(
    tmp_path: Path,
    *arguments: str,
    app: str = "tasks",
    env: Mapping[str, str] | None = None,
    cwd: Path = PROGRAMS,
    ready: bool = True,
    command: Sequence[str] | None = None,
) -> Iterator[WorkerProcess]:
    """Run a worker in a session of its own until the block ends."""
    log = tmp_path / f"worker-{time.monotonic_ns()}.log"
    line = [*(command or (sys.executable, "-m", "taskq")), "-A", app, "worker", "-l", "INFO"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*line, *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = WorkerProcess(process, log)
    try:
        if ready:
            running.wait_for(r"\bready\b")
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
