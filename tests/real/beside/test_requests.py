"""Requests and strategies of a program hear what becomes of their tasks, in a real worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taskq.errors import TimeLimitExceeded
from tests.real.beside.conftest import HERE, Ledger
from tests.real.workers import worker


def test_a_request_hears_what_becomes_of_its_task(
    url: str,
    ledger: Ledger,
    tmp_path: Path,
    program: Any,
    environment: Callable[..., dict[str, str]],
) -> None:
    """Success, failure and time limit are told to the request; results are as without it."""
    env = environment(url)
    client = program(env)

    with worker(tmp_path, "-c", "1", app="beside", env=env, cwd=HERE) as running:
        assert client.good.delay(4).get(timeout=60) == 8
        with pytest.raises(ValueError, match="bad"):
            client.bad.delay().get(timeout=60)
        with pytest.raises(TimeLimitExceeded):
            client.slow.delay().get(timeout=60)
        ledger.wait_for("failure beside.slow TimeLimitExceeded")
        assert running.stop(60) == 0

    assert ledger.lines == [
        *("execute beside.good [4]", "accepted beside.good", "success beside.good 8"),
        *("execute beside.bad []", "accepted beside.bad", "failure beside.bad TaskqError"),
        *("execute beside.slow []", "accepted beside.slow"),
        *("timeout beside.slow False 1.0", "failure beside.slow TimeLimitExceeded"),
    ]


def test_a_strategy_decides_what_is_run(
    url: str,
    ledger: Ledger,
    tmp_path: Path,
    program: Any,
    environment: Callable[..., dict[str, str]],
) -> None:
    """What a strategy acknowledges is done with; what it hands on is run."""
    env = environment(url)
    client = program(env)

    with worker(tmp_path, "-c", "2", app="beside", env=env, cwd=HERE) as running:
        for number in range(10):
            client.sieve.delay(number)
        ledger.wait_until(lambda: len(ledger.lines) == 10, "ten lines")
        assert running.stop(60) == 0

    assert sorted(ledger.lines) == sorted(
        f"dropped {n}" if n % 2 else f"sieved {n}" for n in range(10)
    )
    assert client.app.ports.broker.length("beside") == 0


def test_a_task_is_aborted_from_afar(
    redis_url: str,
    ledger: Ledger,
    tmp_path: Path,
    program: Any,
    environment: Callable[..., dict[str, str]],
) -> None:
    """``abort()`` reaches a body in another process through the result store."""
    env = environment(redis_url)
    client = program(env)

    with worker(tmp_path, "-c", "1", app="beside", env=env, cwd=HERE):
        result = client.endless.delay()
        ledger.wait_for("endless begins")
        result.abort()

        assert result.get(timeout=60) == "gave up"
