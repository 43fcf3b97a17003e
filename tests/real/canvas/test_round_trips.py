"""How often a worker and its Redis speak for each step of a chain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from taskq import chain
from taskq_testing.servers import PrivateServer
from tests.real.programs import load
from tests.real.workers import worker

HERE = Path(__file__).parent
PATIENCE_S = 300
STEPS = 200


@pytest.fixture
def env(redis_server_of_its_own: PrivateServer, tmp_path: Path) -> dict[str, str]:
    url = redis_server_of_its_own.url
    return {"CHAINS_BROKER": url, "CHAINS_STORE": url, "CHAINS_LEDGER": str(tmp_path / "ledger")}


@pytest.fixture
def program(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Load the app of these tests as a client."""
    module = load("long_chains", HERE, env, monkeypatch)
    yield module
    module.app.close()


def asked(url: str) -> int:
    """How many scripts were run so far, and how often somebody waited at a list."""
    with redis.Redis.from_url(url) as client:
        said = client.info("commandstats")
    return sum(said.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "blmove"))


@pytest.mark.parametrize("task", ["chains.add", "chains.early"])
def test_a_step_of_a_chain_is_one_round_trip(
    env: dict[str, str], program: Any, tmp_path: Path, task: str
) -> None:
    """Commit, publish, take and claim: one script, and nobody is woken to look for what it took.

    Some more are run by the clock (leases, what is due), so there is room for those of a slow
    machine; what was five for each step would not pass.
    """
    url, step = env["CHAINS_BROKER"], program.app.tasks[task]
    with worker(tmp_path, "-c", "2", "-l", "WARNING", app="long_chains", env=env, cwd=HERE,
                ready=False):  # fmt: skip
        step.delay(1, 1).get(timeout=PATIENCE_S)
        before = asked(url)
        result = chain(step.s(0, 1), *[step.s(1) for _ in range(STEPS - 1)])()
        assert result.get(timeout=PATIENCE_S) == STEPS
        assert asked(url) - before < 1.5 * STEPS
