"""Packages made for Celery, unchanged, do their main job with taskq in its place.

Others have tests of their own: celery-batches in ``tests/real/beside``, celery-redbeat and
django-celery-beat in ``tests/real/beat``, django-celery-results in ``tests/compat/backends``.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.environments import packages_in
from tests.real.flower.test_flower import Flower
from tests.real.programs import load
from tests.real.workers import worker

HERE = Path(__file__).parent
FLOWER = HERE.parents[1] / "real" / "flower"
CELERY = (sys.executable, "-m", "taskq.compat.celery")
# Without what they depend on: that would bring the real Celery.
PACKAGES = (
    "celery-once==3.0.1",
    "celery-singleton==0.3.1",
    *("sentry-sdk==2.75.0", "urllib3", "certifi"),
    "opentelemetry-instrumentation-celery==0.66b2",
    "opentelemetry-instrumentation==0.66b2",
    "opentelemetry-semantic-conventions==0.66b2",
    *("opentelemetry-api", "opentelemetry-sdk", "wrapt", "packaging", "typing-extensions"),
    *("flower==2.2.0", "tornado", "humanize", "prometheus-client", "pytz"),
)
PATIENCE_S = 120


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the packages; the variable ``TASKQ_ECOSYSTEM`` names one that is there."""
    return packages_in(tmp_path_factory, "ecosystem", *PACKAGES, given_by="TASKQ_ECOSYSTEM")


@pytest.fixture(params=["redis", "rabbitmq"])
def env(
    request: pytest.FixtureRequest, redis_url: str, packages: str, tmp_path: Path
) -> dict[str, str]:
    """Where broker and results are, and the packages."""
    broker = redis_url if request.param == "redis" else request.getfixturevalue("amqp_url")
    (tmp_path / "reports").touch()
    return {
        "ECO_BROKER": broker,
        "ECO_STORE": redis_url,
        "ECO_REPORTS": str(tmp_path / "reports"),
        "PYTHONPATH": os.pathsep.join([packages, str(HERE.parents[2])]),
    }


def run(env: dict[str, str], *words: str) -> str:
    """Run a program among the others, as its user would, and return what it prints."""
    done = subprocess.run(
        [*CELERY, *words],
        cwd=HERE,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def reports(env: dict[str, str]) -> list[dict[str, Any]]:
    """What was reported so far."""
    lines = Path(env["ECO_REPORTS"]).read_text().splitlines()
    return [json.loads(line) for line in lines]


def until(true: Callable[[], bool], what: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


def test_sentry_sees_what_fails(env: dict[str, str], tmp_path: Path) -> None:
    """Its event has the exception, the task and the trace; each run is a transaction."""
    env["ECO_PACKAGE"] = "sentry"
    command = [*CELERY, "-m", "celery"]
    with worker(tmp_path, "-c", "2", app="watched", cwd=HERE, env=env, command=command) as running:
        run(env, "watched.py")
        until(lambda: len(reports(env)) >= 5, lambda: reports(env))
        assert running.stop(60) == 0
    found = reports(env)

    [event] = [each for each in found if each["kind"] == "event"]
    assert (event["name"], event["task"], event["errors"]) == (
        "eco.fail",
        "eco.fail",
        ["ValueError"],
    )
    ran = {(each["name"], each["status"]): each for each in found if each["kind"] == "transaction"}
    assert set(ran) == {
        ("eco.add", "ok"),
        ("eco.fail", "internal_error"),
        ("eco.again", "aborted"),
        ("eco.again", "ok"),
    }
    assert event["trace"] == ran["eco.fail", "internal_error"]["trace"]


def test_opentelemetry_follows_a_call(env: dict[str, str], tmp_path: Path) -> None:
    """Who sends and who runs have spans of one trace; a failure is an error, a retry is not."""
    env["ECO_PACKAGE"] = "opentelemetry"
    command = [*CELERY, "-m", "celery"]
    with worker(tmp_path, "-c", "2", app="watched", cwd=HERE, env=env, command=command) as running:
        run(env, "watched.py")
        until(lambda: len(reports(env)) >= 8, lambda: reports(env))
        assert running.stop(60) == 0
    found = reports(env)

    for task, ended in {
        "eco.add": [("UNSET", "SUCCESS")],
        "eco.fail": [("ERROR", "FAILURE")],
        "eco.again": [("UNSET", "RETRY"), ("UNSET", "SUCCESS")],
    }.items():
        mine = [each for each in found if each["task"] == task]
        runs = [each for each in mine if each["kind"] == "CONSUMER"]
        sent = [each for each in mine if each["kind"] == "PRODUCER"]
        assert sorted((each["status"], each["state"]) for each in runs) == ended
        assert len({each["trace"] for each in mine}) == 1, mine
        assert len(sent) == len(runs)
        assert {each["name"] for each in mine} == {f"run/{task}", f"apply_async/{task}"}


def test_tasks_are_queued_once(env: dict[str, str], tmp_path: Path) -> None:
    """celery-once and celery-singleton lock when a task is sent, and unlock when it has ended."""
    ids = run(env, "-c", "import once; once.queue()").split()
    command = [*CELERY, "-m", "celery"]
    with worker(tmp_path, "-c", "2", app="once", cwd=HERE, env=env, command=command) as running:
        said = run(env, "-c", f"import once; once.after(*{ids})")
        assert running.stop(60) == 0

    assert said.split() == ["again"]


@pytest.fixture
def flower(redis_url: str, packages: str, tmp_path: Path) -> Iterator[Flower]:
    """Flower as a command of ``celery``, which is taskq here."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    words = ("-m", "celery", f"--broker={redis_url}", "flower", f"--port={port}")
    with (tmp_path / "flower.log").open("wb") as log:
        process = subprocess.Popen(
            [*CELERY, *words, "--address=127.0.0.1"],
            cwd=tmp_path,
            env={**os.environ, "FLOWER_UNAUTHENTICATED_API": "true", "PYTHONPATH": packages},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        monitor = Flower(f"http://127.0.0.1:{port}")
        monitor.wait("/api/workers", lambda answer: isinstance(answer, dict))
        yield monitor
    finally:
        process.terminate()
        process.wait(60)


def test_flower_sees_and_steers(
    flower: Flower, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers, tasks with their results and queues; it sets a rate limit, and shuts down."""
    node, place = "watched@here", {"WATCHED": redis_url}
    program = load("watched", FLOWER, place, monkeypatch)
    arguments = ("-c", "1", "-E", "-n", node)
    with worker(tmp_path, *arguments, app="watched", cwd=FLOWER, env=place) as running:
        flower.wait(f"/api/workers?refresh=1&workername={node}", lambda seen: node in seen)
        result = program.add.delay(2, 3)
        assert result.get(timeout=60) == 5
        seen = flower.wait(
            f"/api/task/info/{result.id}", lambda answer: answer.get("state") == "SUCCESS"
        )
        said = flower.post(
            "/api/task/rate-limit/celery.backend_cleanup", ratelimit="5/m", workername=node
        )
        queues = flower.get("/api/queues/length")["active_queues"]
        flower.post(f"/api/worker/shutdown/{node}")
        assert running.process.wait(60) == 0
    program.app.close()

    assert (seen["name"], seen["result"], seen["worker"]) == ("watched.add", "5", node)
    assert "new rate limit set successfully" in said["message"]
    assert queues == [{"name": "celery", "messages": 0}]
    assert "Traceback" not in (tmp_path / "flower.log").read_text()
