"""The tests of ``tests/downstream``, which name no transport, on the real ones."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What needs neither virtual time nor a fault, of all of them.
PASSED, SKIPPED = 12, 11
LIMIT_S = 300


@pytest.mark.parametrize("fixture", ["redis_url", "amqp_url", None], ids=["redis", "amqp", "fake"])
def test_a_downstream_project_runs_unchanged(
    fixture: str | None, request: pytest.FixtureRequest
) -> None:
    """All that can be had there passes; the rest says why not."""
    broker = "fakeredis" if fixture is None else request.getfixturevalue(fixture)
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "tests/downstream", "--taskq-broker", broker],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT_S,
    )  # fmt: skip

    assert f"{PASSED} passed, {SKIPPED} skipped" in done.stdout, done.stdout
    reasons = re.findall(r"^SKIPPED .*?: (.*)$", done.stdout, re.MULTILINE)
    assert reasons
    assert all(reason.startswith("not on this transport (") for reason in reasons)
