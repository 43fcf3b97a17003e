# ruff: noqa: PLR0917 - pytest gives fixtures by name
"""What a killed worker had is run by a worker of the other library."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import redis

from tests.real.environments import once_a_session, python_with
from tests.real.workers import WorkerProcess, worker

HERE = Path(__file__).parent
PATIENCE_S = 90
TASKS = 12
Start = Callable[..., AbstractContextManager[WorkerProcess]]


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """How a Python program that imports celery is run with each library."""
    given_by = "TASKQ_CELERY_PYTHON"

    def make(folder: Path) -> None:
        python_with(folder, "celery[redis]==5.7.0", "hiredis", given_by=given_by)

    given = os.environ.get(given_by)
    python = given or str(once_a_session(tmp_path_factory, "celery", make) / "bin" / "python")
    return {"celery": [python], "taskq": [sys.executable, "-m", "taskq.compat.celery"]}


@pytest.fixture(params=["redis", "rabbitmq"])
def env(request: pytest.FixtureRequest, redis_url: str) -> dict[str, str]:
    """Where broker, results and ledger are; what is taken is given back soon."""
    amqp = request.param == "rabbitmq"
    return {
        "LASTING_BROKER": request.getfixturevalue("amqp_url") if amqp else redis_url,
        "LASTING_STORE": redis_url,
    }


@pytest.fixture
def start(env: dict[str, str], commands: dict[str, list[str]], tmp_path: Path) -> Start:
    """Start a worker of either library."""

    def started(library: str, *words: str) -> AbstractContextManager[WorkerProcess]:
        command = [*commands[library], "-m", "celery"]
        return worker(
            tmp_path, "-c", "1", *words, app="lasting", cwd=HERE, env=env, command=command
        )

    return started


@pytest.fixture
def ledger(redis_url: str) -> Iterator[redis.Redis]:
    """What bodies wrote."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def send(env: dict[str, str], command: list[str]) -> None:
    """Send what blocks the worker, and some more; the last are due later."""
    done = subprocess.run(
        [*command, "lasting.py", str(TASKS)],
        cwd=HERE,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def until(true: Callable[[], bool], what: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


@pytest.mark.parametrize("client", ["celery", "taskq"])
@pytest.mark.parametrize(("victim", "heir"), [("celery", "taskq"), ("taskq", "celery")])
def test_nothing_is_lost_with_a_worker(
    client: str,
    victim: str,
    heir: str,
    env: dict[str, str],
    start: Start,
    commands: dict[str, list[str]],
    ledger: redis.Redis,
) -> None:
    """``kill -9``, with one that runs, some taken ahead and some not due: the other runs them all.

    On Redis what a taskq worker had is found by any other, whatever queues it reads.
    """
    with start(victim) as killed:
        send(env, commands[client])
        until(lambda: ledger.exists("blocks") == 1, lambda: killed.text)
        killed.kill_tree()
    ledger.set("open", 1)

    others = ["taskq"] if victim == "taskq" and env["LASTING_BROKER"].startswith("redis") else []
    with start(heir, "-n", "heir@here") as running:
        if others:
            with start("taskq", "-n", "finder@here", "-Q", "another"):
                until(lambda: ledger.scard("ran") == TASKS + 1, lambda: running.text)
        else:
            until(lambda: ledger.scard("ran") == TASKS + 1, lambda: running.text)

    assert ledger.smembers("libraries") == {heir}
