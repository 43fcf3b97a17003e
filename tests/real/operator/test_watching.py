"""Events of real workers: printed, as JSON, seen by a camera, also after a broker was gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from taskq_testing.servers import PrivateServer
from tests.real.workers import worker

HERE = Path(__file__).parent
TIMEOUT_S = 60.0


def until(found: Callable[[], object], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not found():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


class Watching:
    """A monitor that runs, and what it has printed."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self.process, self._out, self._err = process, out, err

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def wait_for(self, what: str) -> None:
        until(lambda: what in self.out + self.err, lambda: f"no {what}: {self.out}{self.err}")


@contextmanager
def watching(tmp_path: Path, env: dict[str, str], *argv: str) -> Iterator[Watching]:
    out, err = tmp_path / "events.out", tmp_path / "events.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "taskq", "-A", "ops", "events", *argv],
            cwd=HERE,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    try:
        yield Watching(process, out, err)
    finally:
        process.kill()
        process.wait(10)


def call(env: dict[str, str], *argv: str) -> None:
    line = [sys.executable, "-m", "taskq", "-A", "ops", "call", *argv]
    subprocess.run(line, cwd=HERE, env={**os.environ, **env}, check=True, capture_output=True)


def environment(url: str, tmp_path: Path) -> dict[str, str]:
    return {"OPS_BROKER": url, "OPS_LEDGER": str(tmp_path / "ledger")}


@pytest.fixture(params=["redis_url", "amqp_url"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(request.param)
    return found


def test_events_are_printed(url: str, tmp_path: Path) -> None:
    """From a worker's first beat to its end; a signal ends the monitor well."""
    env = environment(url, tmp_path)
    with watching(tmp_path, env, "--dump") as shown:
        shown.wait_for("starting capture")
        with worker(tmp_path, "-c", "1", "-E", "-n", "w1@here", app="ops", env=env, cwd=HERE):
            call(env, "ops.early", "-a", "[1]")
            shown.wait_for("task succeeded: ops.early")
        shown.wait_for("] shutdown")
        shown.process.send_signal(signal.SIGINT)
        assert shown.process.wait(20) == 0

    lines = [line.partition("] ")[2] for line in shown.out.splitlines()]
    kinds = [line.partition(":")[0] for line in lines]
    assert [kind for kind in kinds if kind.startswith("task")] == [
        *("task received", "task started", "task succeeded")
    ]
    assert "started" in kinds
    assert shown.err == ""


def test_events_are_json_for_machines(redis_url: str, tmp_path: Path) -> None:
    """One object in each line."""
    env = environment(redis_url, tmp_path)
    with watching(tmp_path, env, "--dump", "--json") as shown:
        shown.wait_for("starting capture")
        with worker(tmp_path, "-c", "1", "-E", "-n", "w1@here", app="ops", env=env, cwd=HERE):
            call(env, "ops.early", "-a", "[1]")
            shown.wait_for("task-succeeded")
        shown.process.send_signal(signal.SIGTERM)
        assert shown.process.wait(20) == 0

    events: list[dict[str, Any]] = [json.loads(line) for line in shown.out.splitlines()]
    assert {"task-received", "task-succeeded", "worker-online"} <= {one["type"] for one in events}
    assert {one["hostname"] for one in events} == {"w1@here"}


def test_a_camera_takes_pictures_of_the_cluster(redis_url: str, tmp_path: Path) -> None:
    """It sees the worker, and the task that the worker ran."""
    env = environment(redis_url, tmp_path)
    argv = ("--camera", "pictures:Camera", "-F", "0.2")
    with watching(tmp_path, env, *argv) as shown:
        shown.wait_for("Taking snapshots with pictures:Camera (every 0.2 secs.)")
        with worker(tmp_path, "-c", "1", "-E", "-n", "w1@here", app="ops", env=env, cwd=HERE):
            call(env, "ops.early", "-a", "[1]")
            shown.wait_for("SUCCESS ops.early at w1@here")
        shown.process.send_signal(signal.SIGTERM)
        assert shown.process.wait(20) == 0


def test_a_monitor_outlives_its_broker(
    redis_server_of_its_own: PrivateServer, tmp_path: Path
) -> None:
    """It says that the broker is gone, and goes on when it is back."""
    server = redis_server_of_its_own
    env = environment(server.url, tmp_path)
    with watching(tmp_path, env, "--dump") as shown:
        shown.wait_for("starting capture")
        server.stop()
        shown.wait_for("listening again in")
        server.start()
        with worker(tmp_path, "-c", "1", "-E", app="ops", env=env, cwd=HERE):
            call(env, "ops.early", "-a", "[1]")
            shown.wait_for("task succeeded: ops.early")
        assert "Traceback" not in shown.out + shown.err
