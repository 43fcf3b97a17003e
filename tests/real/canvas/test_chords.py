"""Chords whose workers are killed: every body runs, and none is sent twice."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
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
def program(
    env: dict[str, str], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Load the app of these tests as a client, on the broker that the test asks for."""
    if "on_broker" in request.fixturenames:
        request.getfixturevalue("on_broker")
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


BROKERS = pytest.mark.parametrize("broker", ["redis", "rabbitmq"])


@pytest.fixture
def on_broker(broker: str, env: dict[str, str], request: pytest.FixtureRequest) -> dict[str, str]:
    """Let the app stand on that broker; its results are in Redis."""
    if broker == "rabbitmq":
        env["CHORDS_BROKER"] = request.getfixturevalue("amqp_url")
    return env


@BROKERS
def test_a_chord_takes_a_message_for_each_member_and_one(
    on_broker: dict[str, str], program: Any, tmp_path: Path
) -> None:
    """However long it takes: no task looks whether it is complete (F30)."""
    with worker(tmp_path, "-c", "2", app="chords", env=on_broker, cwd=HERE):
        results = [
            chord([program.member.s(n, 0.0) for n in range(20)])(program.body.s(f"c{at}"))
            for at in range(5)
        ]
        sums = [result.get(timeout=60) for result in results]
        slow = chord([program.member.s(1, 3.0), program.member.s(2, 0.0)])(program.body.s("slow"))
        assert slow.get(timeout=60) == 3
        (stats,) = program.app.control.inspect(timeout=10).stats().values()

    assert sums == [190] * 5
    assert stats["total"] == {"chords.member": 5 * 20 + 2, "chords.body": 5 + 1}


@BROKERS
def test_members_that_are_delivered_again_are_counted_once(
    broker: str, on_broker: dict[str, str], program: Any, tmp_path: Path
) -> None:
    """Their worker stands still for longer than its lease, or dies; the first one comes back (F34).

    RabbitMQ gives a message to others when its connection ends, so there the worker is killed.
    """
    told = {**on_broker, "CHORDS_WORKER": "first"}
    ledger = Path(on_broker["CHORDS_LEDGER"])
    with worker(tmp_path, "-c", "4", app="chords", env=told, cwd=HERE) as first:
        result = chord([program.noted.s(n, 0.3) for n in range(10)])(program.body.s("c"))
        wait_until(lambda: "began" in lines(ledger), "a member begins")
        if broker == "redis":
            os.killpg(first.process.pid, signal.SIGSTOP)
        else:
            first.kill_tree()
        told = {**on_broker, "CHORDS_WORKER": "second"}
        with worker(tmp_path, "-c", "2", app="chords", env=told, cwd=HERE):
            assert result.get(timeout=60) == 45
            if broker == "redis":
                os.killpg(first.process.pid, signal.SIGCONT)
                again = chord([program.noted.s(n, 0.0) for n in range(10)])(program.body.s("d"))
                assert again.get(timeout=60) == 45

    began = [line for line in lines(ledger) if line == "began"]
    assert len(began) > (20 if broker == "redis" else 10)
    assert lines(ledger).count("c") == 1


def lines(ledger: Path) -> list[str]:
    """Return the first word of each line."""
    return [line.split()[0] for line in ledger.read_text().splitlines()] if ledger.exists() else []


def wait_until(done: Callable[[], bool], what: str) -> None:
    """Wait for something that becomes true by itself."""
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline, f"not within a minute: {what}"
        time.sleep(0.02)


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
