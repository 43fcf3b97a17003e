"""Members of one chord run on workers of both libraries, and it ends once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from taskq_testing.servers import PrivateServer
from tests.real.environments import python_with
from tests.real.workers import worker

HERE = Path(__file__).parent
CELERY = "celery[redis]==5.7.0"
CHORDS = 20


@pytest.fixture(scope="session")
def celery_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a Python with Celery in an environment of its own; it is never beside taskq."""
    folder = tmp_path_factory.mktemp("celery")
    return python_with(folder, CELERY, "hiredis", given_by="TASKQ_CELERY_PYTHON")


@pytest.fixture(params=["redis", "rabbitmq"])
def place(request: pytest.FixtureRequest, redis_server_of_its_own: PrivateServer) -> dict[str, str]:
    """Return where broker and results are."""
    url = redis_server_of_its_own.url
    broker = url if request.param == "redis" else request.getfixturevalue("amqp_url")
    return {"MIXED_BROKER": broker, "MIXED_BACKEND": url}


@pytest.mark.parametrize("client", ["celery", "taskq"])
def test_a_chord_of_a_mixed_fleet_ends_once(
    client: str, place: dict[str, str], celery_python: str, tmp_path: Path
) -> None:
    """Whoever sends it and whoever counts its last member: one body, or one errback."""
    pythons = {"celery": celery_python, "taskq": sys.executable}

    def fleet(library: str) -> dict[str, object]:
        env = {**place, "MIXED_LIBRARY": library}
        command = [pythons[library], "-m", library]
        return {"app": "mixed", "cwd": HERE, "env": env, "command": command}

    with (
        worker(tmp_path, "-c", "1", **fleet("celery")) as one,  # type: ignore[arg-type]
        worker(tmp_path, "-c", "1", **fleet("taskq")) as other,  # type: ignore[arg-type]
    ):
        done = subprocess.run(
            [pythons[client], "mixed.py"],
            cwd=HERE,
            env={**os.environ, **place, "MIXED_LIBRARY": client},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr + one.text + other.text
        deadline = time.monotonic() + 60
        while len(times(place, "told:*")) < CHORDS:
            assert time.monotonic() < deadline, one.text + other.text
            time.sleep(0.05)

    assert done.stdout.split() == ["celery", "taskq"]
    assert times(place, "bodies:*") == [1] * CHORDS
    assert times(place, "told:*") == [1] * CHORDS


def times(place: dict[str, str], pattern: str) -> list[int]:
    """Return how often each body ran, or each errback."""
    with redis.Redis.from_url(place["MIXED_BACKEND"]) as server:
        counts: list[int] = [server.llen(key) for key in server.scan_iter(pattern)]
        return counts
