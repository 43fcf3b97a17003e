"""Flower, with the real Celery in an environment of its own, and a taskq worker on one Redis."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from taskq.errors import TaskRevokedError
from tests.real.environments import python_with
from tests.real.programs import load
from tests.real.workers import WorkerProcess, worker

HERE = Path(__file__).parent
NODE = "watched@here"
PACKAGES = ("flower==2.2.0", "celery[redis]==5.7.0", "hiredis")


class Flower:
    """One Flower, spoken to as its users' scripts do."""

    def __init__(self, address: str) -> None:
        self._address = address

    def get(self, path: str) -> Any:
        """Ask."""
        with urllib.request.urlopen(f"{self._address}{path}", timeout=30) as answer:
            return json.load(answer)

    def post(self, path: str, **said: str) -> Any:
        """Tell."""
        data = urllib.parse.urlencode(said).encode()
        with urllib.request.urlopen(f"{self._address}{path}", data, timeout=30) as answer:
            return json.load(answer)

    def wait(self, path: str, wanted: Callable[[Any], bool], timeout_s: float = 40.0) -> Any:
        """Ask until the answer is the wanted one."""
        deadline = time.monotonic() + timeout_s
        answer: Any = None
        while time.monotonic() < deadline:
            with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                answer = self.get(path)
                if wanted(answer):
                    return answer
            time.sleep(0.2)
        raise AssertionError(f"{path} still says {answer!r} after {timeout_s} s")


@pytest.fixture(scope="session")
def flower_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("flower")
    return python_with(folder, *PACKAGES, given_by="TASKQ_FLOWER_PYTHON")


@pytest.fixture
def flower(flower_python: str, redis_url: str, tmp_path: Path) -> Iterator[Flower]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    log = tmp_path / "flower.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                *(flower_python, "-m", "celery", f"--broker={redis_url}", "flower"),
                *(f"--port={port}", "--address=127.0.0.1"),
            ],
            cwd=tmp_path,
            env={**os.environ, "FLOWER_UNAUTHENTICATED_API": "true"},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        monitor = Flower(f"http://127.0.0.1:{port}")
        monitor.wait("/api/workers", lambda answer: isinstance(answer, dict))
        yield monitor
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@pytest.fixture
def program(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Load the app as a client."""
    module = load("watched", HERE, {"WATCHED": redis_url}, monkeypatch)
    yield module
    module.app.close()


@pytest.fixture
def running(flower: Flower, redis_url: str, tmp_path: Path) -> Iterator[WorkerProcess]:
    """Start a worker that Flower has noticed."""
    arguments = ("-c", "1", "-E", "-n", NODE)
    env = {"WATCHED": redis_url}
    with worker(tmp_path, *arguments, app="watched", cwd=HERE, env=env) as process:
        flower.wait(f"/api/workers?refresh=1&workername={NODE}", lambda seen: NODE in seen)
        yield process


@pytest.mark.usefixtures("running")
def test_it_sees_the_worker_its_queues_and_its_pool(flower: Flower) -> None:
    def whole(answer: Any) -> bool:
        return {"stats", "active_queues", "registered", "conf"} <= set(answer.get(NODE, {}))

    seen = flower.wait(f"/api/workers?refresh=1&workername={NODE}", whole)[NODE]

    assert [queue["name"] for queue in seen["active_queues"]] == ["celery"]
    assert "watched.add" in seen["registered"]
    assert seen["stats"]["pool"]["max-concurrency"] == 1
    status = flower.wait("/api/workers?status=1", lambda answer: NODE in answer)
    assert status[NODE] is True


@pytest.mark.usefixtures("running")
def test_it_sees_a_task_with_its_arguments_and_its_result(flower: Flower, program: Any) -> None:
    result = program.add.delay(2, 3)
    result.get(timeout=20)

    seen = flower.wait(
        f"/api/task/info/{result.id}", lambda answer: answer.get("state") == "SUCCESS"
    )

    assert seen["name"] == "watched.add"
    assert seen["result"] == "5"
    assert "2" in seen["args"]
    assert seen["worker"] == NODE


@pytest.mark.usefixtures("running")
def test_it_sees_how_long_a_queue_is(flower: Flower, program: Any) -> None:
    program.nap.delay(2.0)
    for _ in range(30):
        program.nap.delay(0.0)

    def counted(answer: Any) -> bool:
        lengths = {row["name"]: row["messages"] for row in answer["active_queues"]}
        return bool(lengths.get("celery", 0) > 0)

    flower.wait("/api/queues/length", counted)


@pytest.mark.usefixtures("running")
def test_it_revokes_a_task_that_runs(flower: Flower, program: Any) -> None:
    result = program.nap.delay(60.0)
    flower.wait(f"/api/task/info/{result.id}", lambda answer: answer.get("state") == "STARTED")

    flower.post(f"/api/task/revoke/{result.id}", terminate="true", signal="SIGTERM")

    with pytest.raises(TaskRevokedError):
        result.get(timeout=20)


@pytest.mark.usefixtures("running")
def test_it_sets_a_rate_limit(flower: Flower) -> None:
    # Flower knows no tasks but those that every program has.
    task = "celery.backend_cleanup"

    answer = flower.post(f"/api/task/rate-limit/{task}", ratelimit="5/m", workername=NODE)

    assert "new rate limit set successfully" in answer["message"]


def test_it_shuts_the_worker_down(flower: Flower, running: WorkerProcess) -> None:
    flower.post(f"/api/worker/shutdown/{NODE}")

    assert running.process.wait(20) == 0
