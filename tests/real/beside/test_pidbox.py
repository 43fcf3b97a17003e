# ruff: noqa: PLR0917 - fixtures are parameters
"""A program's step hears the commands of a worker whose own remote control is off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.real.beside.conftest import HERE, Ledger
from tests.real.workers import worker

ME = ["pid@here"]


@pytest.mark.parametrize("kind", ["Pidbox", "gPidbox"])
def test_commands_are_carried_out_and_answered(
    url: str,
    ledger: Ledger,
    tmp_path: Path,
    program: Any,
    environment: Callable[..., dict[str, str]],
    kind: str,
) -> None:
    """Questions, and what the core decides; the step sees each command before."""
    env = environment(url, BESIDE_PIDBOX=kind)
    app = program(env).app
    options = ("-c", "1", "-n", ME[0])

    with worker(tmp_path, *options, app="beside", env=env, cwd=HERE) as running:
        control = app.control
        ledger.wait_until(lambda: bool(control.ping(destination=ME, timeout=2)), "an answer")
        told = control.rate_limit("beside.plain", "7/m", destination=ME, reply=True, timeout=30)
        assert told == [{ME[0]: {"ok": "new rate limit set successfully"}}]
        control.shutdown(destination=ME)
        assert running.process.wait(60) == 0

    assert {"command ping", "command rate_limit", "command shutdown"} <= set(ledger.lines)
    assert "Traceback" not in running.text
