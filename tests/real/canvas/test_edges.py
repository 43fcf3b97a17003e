"""Who ends a chord is killed right before or right after: the body is sent once (F33)."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from taskq import chord
from taskq_testing.servers import PrivateServer
from tests.real.programs import load

HERE = Path(__file__).parent
MEMBERS, PATIENCE_S = 3, 300.0
# On one Redis the body is sent as the chord ends; elsewhere these are two steps.
EDGES = {"redis": ("counted", "ended"), "rabbitmq": ("counted", "sent", "ended")}
ROUNDS = {"redis": 200, "rabbitmq": 90}


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> str:
    """Return which broker it is."""
    name: str = request.param
    return name


@pytest.fixture
def env(
    broker: str,
    request: pytest.FixtureRequest,
    redis_server_of_its_own: PrivateServer,
    tmp_path: Path,
) -> dict[str, str]:
    """Return where broker, store and ledger are."""
    backend = redis_server_of_its_own.url
    edges = itertools.islice(itertools.cycle(EDGES[broker]), ROUNDS[broker])
    return {
        "EDGES_BROKER": backend if broker == "redis" else request.getfixturevalue("amqp_url"),
        "EDGES_BACKEND": backend,
        "EDGES_LEDGER": str(tmp_path / "ledger"),
        "EDGES_KILLS": " ".join(edges),
    }


@pytest.fixture
def program(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Load the app of these tests as a client."""
    module = load("edges", HERE, env, monkeypatch)
    yield module
    module.app.close()


@contextmanager
def workers(env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the program that forks them."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "edges.py"],
            cwd=HERE,
            env={**os.environ, **env},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


def test_whoever_ends_a_chord_may_be_killed(
    broker: str, env: dict[str, str], program: Any, tmp_path: Path
) -> None:
    """Each body is sent once; where that is a step of its own, once more for each kill after it."""
    ledger, log = Path(env["EDGES_LEDGER"]), tmp_path / "workers.log"
    ledger.touch()
    names: dict[str, str] = {}
    for number in range(ROUNDS[broker]):
        header = [program.member.s(n) for n in range(MEMBERS)]
        names[f"c{number}"] = chord(header)(program.body.s(f"c{number}")).id
    deadline = time.monotonic() + PATIENCE_S
    with workers(env, log) as running:
        while {line[1] for line in told(ledger, "body")} != set(names):
            assert running.poll() is None, log.read_text(errors="replace")[-3000:]
            assert time.monotonic() < deadline, log.read_text(errors="replace")[-3000:]
            time.sleep(0.1)

    killed = told(ledger, "kill")
    assert len(killed) == ROUNDS[broker]
    assert {line[1] for line in killed} == set(EDGES[broker])
    firsts: dict[str, int] = defaultdict(int)
    for _, name, task_id, how, total in told(ledger, "body"):
        assert (task_id, total) == (names[name], str(sum(range(MEMBERS))))
        firsts[name] += how == "first"
    sent_again = sum(line[1] == "sent" for line in killed)
    assert sum(max(0, count - 1) for count in firsts.values()) <= sent_again
    assert open_chords(env["EDGES_BACKEND"]) == []


def told(ledger: Path, what: str) -> list[list[str]]:
    """Return the lines of one kind."""
    lines = [line.split() for line in ledger.read_text().splitlines()]
    return [line for line in lines if line[0] == what]


def open_chords(url: str) -> list[str]:
    """Return what is left of chords that have not ended."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        guards = sorted(client.scan_iter("celery-taskset-meta-*.c"))
        open_ones = [key for key in guards if client.get(key) != "done"]
        return open_ones + sorted(client.scan_iter("celery-taskset-meta-*.s"))
