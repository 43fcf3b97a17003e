"""Chords whose workers are killed: every body runs, and none is sent twice."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from taskq import chord
from taskq_testing.servers import PrivateServer
from tests.real.programs import load
from tests.real.workers import worker

HERE = Path(__file__).parent
KILLS, CHORDS_EACH, MEMBERS = 15, 8, 5
SEED = 20261120


@pytest.fixture
def env(redis_server_of_its_own: PrivateServer, tmp_path: Path) -> dict[str, str]:
    return {
        "CHORDS_REDIS": redis_server_of_its_own.url,
        "CHORDS_LEDGER": str(tmp_path / "ledger"),
        "CHORDS_WORKER": "client",
    }


@pytest.fixture
def program(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Load the app of these tests as a client."""
    module = load("chords", HERE, env, monkeypatch)
    yield module
    module.app.close()


def test_every_body_runs_and_none_is_sent_twice(
    env: dict[str, str], program: Any, tmp_path: Path
) -> None:
    """Whole workers die at random moments; a body that runs again was delivered again."""
    chance = random.Random(SEED)
    results: dict[str, Any] = {}
    for kill in range(KILLS):
        told = {**env, "CHORDS_WORKER": f"w{kill}"}
        with worker(tmp_path, "-c", "2", app="chords", env=told, cwd=HERE) as victim:
            for at in range(CHORDS_EACH):
                name = f"c{kill}-{at}"
                header = [program.member.s(n, chance.uniform(0, 0.01)) for n in range(MEMBERS)]
                results[name] = chord(header)(program.body.s(name))
            time.sleep(chance.uniform(0, 0.25))
            victim.kill_tree()
    told = {**env, "CHORDS_WORKER": "healthy"}
    with worker(tmp_path, "-c", "2", app="chords", env=told, cwd=HERE):
        sums = {name: result.get(timeout=60) for name, result in results.items()}

    assert set(sums.values()) == {sum(range(MEMBERS))}
    runs = defaultdict(list)
    for line in Path(env["CHORDS_LEDGER"]).read_text().splitlines():
        name, by, how = line.split()
        runs[name].append((by, how))
    assert set(runs) == set(results)
    for name, ran in runs.items():
        assert max(Counter(by for by, _ in ran).values()) == 1, (name, ran)
        assert [how for _, how in ran].count("first") <= 1, (name, ran)
    assert left_behind(env["CHORDS_REDIS"]) == []


def left_behind(url: str) -> list[str]:
    """Keys that would stay for ever, or that belong to a chord which has not ended."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        keys = sorted(client.scan_iter("celery-taskset-meta-*"))
        guards = [key for key in keys if key.endswith(".c")]
        assert len(guards) == KILLS * CHORDS_EACH
        return [
            key
            for key in keys
            if client.ttl(key) < 0
            or key.endswith(".s")
            or (key.endswith(".c") and client.get(key) != "done")
        ]
