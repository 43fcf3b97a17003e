"""Real worker processes beside a test: started by the command line, ended with the test.

What ``taskq_live`` gives; knows nothing of pytest.  A worker has a session of its own, so that it
can be killed with all its children, and it dies with the process that started it.
"""

# ruff: noqa: S603 - the program that is started is this Python

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - real processes start in real time
from typing import Any, Final

from taskq_testing.servers import DIE_WITH_PARENT

START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 30.0
LOOK_AGAIN_S: Final = 0.02
READY: Final = r"\bready\b"


class WorkerProcessError(Exception):
    """A worker did not do what the test waits for; its log is in the message."""


class LiveWorker:
    """One ``taskq worker`` and its log."""

    def __init__(
        self, app: Any, words: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.log_file = log
        line = [sys.executable, "-m", "taskq", *_app_words(app), "worker", "-l", "INFO", *words]
        dying_with_us = [sys.executable, "-S", "-c", DIE_WITH_PARENT, str(os.getpid()), ""]
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [*dying_with_us, *line],
                env={
                    **os.environ,
                    "PYTHONUNBUFFERED": "1",
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    **(env or {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The parent of its pool."""
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self.log_file.read_text(errors="replace")

    @property
    def exit_code(self) -> int | None:
        """None as long as it runs."""
        return self._process.poll()

    def wait_for(self, pattern: str, timeout_s: float = START_TIMEOUT_S) -> str:
        """Return the first line of its log that matches, when it is there."""
        end_s = monotonic() + timeout_s
        while True:
            over = self.exit_code is not None or monotonic() > end_s
            for line in self.log.splitlines():
                if re.search(pattern, line):
                    return line
            if over:
                why = "it runs" if self.exit_code is None else f"exit code {self.exit_code}"
                raise WorkerProcessError(f"no line matches {pattern!r} ({why}):\n{self.log}")
            sleep(LOOK_AGAIN_S)

    def signal(self, number: int) -> None:
        """Send a signal to the parent of the pool alone."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it and its children at once, as when the machine dies."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(STOP_TIMEOUT_S)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """End it warmly; returns the exit code."""
        if self.exit_code is None:
            self._process.terminate()
        return self._process.wait(timeout_s)

    def close(self) -> None:
        """End it, whatever it takes."""
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()


def _app_words(app: Any) -> list[str]:
    if isinstance(app, str):
        return ["-A", app]
    urls = {"-b": app.conf["broker_url"], "--result-backend": app.conf["result_backend"]}
    for url in urls.values():
        if isinstance(url, str) and "memory" in url.partition("://")[0]:
            raise ValueError(
                f"{url} is in this process, where a worker process cannot reach it; give the app"
                " a real broker and result backend, or use the fixture taskq_worker"
            )
    told = [word for option, url in urls.items() if isinstance(url, str) for word in (option, url)]
    return ["-A", _path_of(app), *told]


def _path_of(app: Any) -> str:
    for name, module in list(sys.modules.items()):
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if value is app and name != "__main__":
                return f"{name}:{attribute}"
    raise ValueError(
        f"{app!r} is no global name of a module, so a worker process cannot import it; give its"
        " path as text, 'package.module:app'"
    )
