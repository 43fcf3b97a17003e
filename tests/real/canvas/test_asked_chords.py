"""Chords in stores that cannot count, on real brokers; their workers are killed."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from taskq import chord
from taskq_testing.servers import PrivateServer
from tests.real.programs import load
from tests.real.workers import worker

HERE = Path(__file__).parent
KILLS, CHORDS_EACH, MEMBERS = 5, 6, 4
SEED = 20261120


@pytest.mark.parametrize("place", ["redis and files", "redis and sqlite", "rabbitmq and files"])
def test_every_body_runs_though_workers_are_killed(
    place: str,
    redis_server_of_its_own: PrivateServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """On Redis each is sent once; elsewhere a death may send it twice, under one id."""
    (tmp_path / "results").mkdir()
    files = f"file://{tmp_path}/results"
    env = {
        "CHORDS_REDIS": redis_server_of_its_own.url,
        "CHORDS_LEDGER": str(tmp_path / "ledger"),
        "CHORDS_STORE": f"db+sqlite:///{tmp_path}/db" if place.endswith("sqlite") else files,
        "CHORDS_WORKER": "client",
    }
    if place.startswith("rabbitmq"):
        env["CHORDS_BROKER"] = request.getfixturevalue("amqp_url")
    program = load("chords", HERE, env, monkeypatch)
    program.app.conf.result_chord_retry_interval = 0.1
    chance = random.Random(SEED)
    results: dict[str, Any] = {}
    for kill in range(KILLS):
        told = {**env, "CHORDS_WORKER": f"w{kill}"}
        with worker(tmp_path, "-c", "2", app="chords", env=told, cwd=HERE) as victim:
            for at in range(CHORDS_EACH):
                name = f"c{kill}-{at}"
                header = [program.member.s(n, chance.uniform(0, 0.01)) for n in range(MEMBERS)]
                results[name] = chord(header)(program.body.s(name))
            time.sleep(chance.uniform(0.1, 0.6))
            victim.kill_tree()
    with worker(tmp_path, "-c", "2", app="chords", env=env, cwd=HERE):
        sums = {name: result.get(timeout=120) for name, result in results.items()}
    program.app.close()

    assert set(sums.values()) == {sum(range(MEMBERS))}
    runs: dict[str, list[str]] = defaultdict(list)
    for line in (tmp_path / "ledger").read_text().splitlines():
        name, _, how = line.split()
        runs[name].append(how)
    assert set(runs) == set(results)
    sent = max(ran.count("first") for ran in runs.values())
    assert sent <= (1 if place.startswith("redis") else 2), runs
