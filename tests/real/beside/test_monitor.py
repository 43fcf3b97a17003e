"""The monitor in a terminal shows what happens, and does what is typed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.real.beside.conftest import HERE, Ledger
from tests.real.beside.terminal import Terminal
from tests.real.workers import worker

EVENTS = (sys.executable, "-m", "taskq", "-A", "beside", "events")


def test_tasks_are_shown_selected_and_revoked(
    url: str,
    ledger: Ledger,
    tmp_path: Path,
    program: Any,
    environment: Callable[..., dict[str, str]],
) -> None:
    """Rows appear as tasks end; keys show results and tracebacks, and revoke; q leaves."""
    env = environment(url)
    client = program(env)

    with (
        worker(tmp_path, "-c", "1", "-E", app="beside", env=env, cwd=HERE),
        Terminal(EVENTS, cwd=HERE, env=env) as terminal,
    ):
        terminal.wait_for("Workers online")
        terminal.wait_for("ry@")  # it hears; the screen is told of what changes in "none" alone
        assert client.plain.delay(1234).get(timeout=60) == 1234
        terminal.wait_for("beside.plain")
        terminal.wait_for("SUCCESS")
        terminal.press("r")
        terminal.wait_for("1234")
        terminal.press(" ")
        with pytest.raises(ValueError, match="bad"):
            client.bad.delay().get(timeout=60)
        terminal.wait_for("FAILURE")
        terminal.press("k")
        terminal.press("t")
        terminal.wait_for("Traceback")
        terminal.press(" ")
        later = client.plain.apply_async((1,), countdown=3600)
        running = client.endless.delay()
        ledger.wait_for("endless begins")
        terminal.press("k" * 10 + "c")
        terminal.wait_for("revoked")
        terminal.press(" ")
        terminal.press("q")
        assert terminal.wait_for_end() == 0
        assert later.state != "SUCCESS"
        running.abort()


def test_a_signal_leaves_the_terminal_as_it_was(
    redis_url: str, environment: Callable[..., dict[str, str]]
) -> None:
    """INT ends it, and the terminal is given back."""
    with Terminal(EVENTS, cwd=HERE, env=environment(redis_url)) as terminal:
        terminal.wait_for("Workers online")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.wait_for_end() == 0


def test_without_a_terminal_it_says_what_to_do(
    redis_url: str, environment: Callable[..., dict[str, str]]
) -> None:
    """A pipe is told of --dump."""

    done = subprocess.run(
        EVENTS,
        cwd=HERE,
        env={**os.environ, **environment(redis_url)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert "--dump" in done.stderr
