"""A real Celery and taskq meet on one broker, either way round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.real.environments import python_with
from tests.real.workers import worker

HERE = Path(__file__).parent
CELERY = "celery[redis]==5.7.0"


@pytest.fixture(scope="session")
def celery_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a Python with Celery in an environment of its own; it is never beside taskq."""
    folder = tmp_path_factory.mktemp("celery")
    return python_with(folder, CELERY, "hiredis", given_by="TASKQ_CELERY_PYTHON")


@pytest.fixture(params=["redis", "redis, compressed", "rabbitmq with rpc", "rabbitmq with redis"])
def place(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return where broker and results are."""
    if request.param.startswith("redis"):
        url = request.getfixturevalue("redis_url")
        compression = "gzip" if request.param.endswith("compressed") else ""
        return {"FLEET_BROKER": url, "FLEET_BACKEND": url, "FLEET_COMPRESSION": compression}
    amqp = request.getfixturevalue("amqp_url")
    rpc = request.param.endswith("rpc")
    store = "rpc://" if rpc else request.getfixturevalue("redis_url")
    return {"FLEET_BROKER": amqp, "FLEET_BACKEND": store}


@pytest.mark.parametrize(("client", "server"), [("celery", "taskq"), ("taskq", "celery")])
def test_client_and_worker_of_two_libraries(
    client: str, server: str, place: dict[str, str], celery_python: str, tmp_path: Path
) -> None:
    """Tasks, failures, retries, chains, groups and chords go from one to the other and back."""
    pythons = {"celery": celery_python, "taskq": sys.executable}
    command = [pythons[server], "-m", server]
    chords = "no" if place["FLEET_BACKEND"] == "rpc://" else "chords"

    with worker(
        tmp_path,
        "-c",
        "2",
        app="fleet",
        cwd=HERE,
        env={**place, "FLEET_LIBRARY": server},
        command=command,
    ) as running:
        done = subprocess.run(
            [pythons[client], "fleet.py", server, chords],
            cwd=HERE,
            env={**os.environ, **place, "FLEET_LIBRARY": client},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert done.returncode == 0, done.stdout + done.stderr + running.text


# What monitors know of each event; the names are Celery's.
FIELDS = {
    "task-received": {"uuid", "name", "args", "kwargs", "retries", "eta", "expires", "root_id"},
    "task-started": {"uuid"},
    "task-succeeded": {"uuid", "result", "runtime"},
    "task-failed": {"uuid", "exception", "traceback"},
    "task-retried": {"uuid", "exception", "traceback"},
    "worker-online": {"freq", "active", "processed", "loadavg", "sw_ident", "sw_ver", "sw_sys"},
    "worker-heartbeat": {"freq", "active", "processed", "loadavg"},
    "worker-offline": {"freq", "active", "processed"},
}
COMMON = {"type", "timestamp", "hostname", "pid", "utcoffset", "clock"}


def test_a_celery_monitor_sees_a_taskq_worker(
    place: dict[str, str], celery_python: str, tmp_path: Path
) -> None:
    """With -E, Celery's receiver gets every event of tasks and of the worker, with its fields."""
    watcher = subprocess.Popen(
        [celery_python, "watch.py", "60"],
        cwd=HERE,
        env={**os.environ, **place},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watcher.stdout is not None
    seen: dict[str, dict[str, object]] = {}

    def note(line: str) -> None:
        assert line, f"the monitor ended, and has seen {sorted(seen)}"
        event = json.loads(line)
        seen.setdefault(event["type"], event)

    try:
        assert "listening" in watcher.stdout.readline()
        env = {**place, "FLEET_LIBRARY": "taskq"}
        beats = ("--heartbeat-interval", "1")
        with worker(tmp_path, "-c", "1", "-E", *beats, app="fleet", cwd=HERE, env=env):
            subprocess.run(
                [sys.executable, "fleet.py", "taskq", "no"],
                cwd=HERE,
                env={**os.environ, **env},
                check=True,
                timeout=60,
            )
            while "worker-heartbeat" not in seen:
                note(watcher.stdout.readline())
        while "worker-offline" not in seen:
            note(watcher.stdout.readline())
    finally:
        watcher.kill()
        watcher.wait()
        watcher.stdout.close()

    assert set(FIELDS) <= set(seen)
    for name, fields in FIELDS.items():
        assert fields | COMMON <= set(seen[name]), name
