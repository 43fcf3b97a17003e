"""The introductory programs of Celery's users run with only the import and the class changed."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.workers import PROGRAMS, worker


def run_program(code: str, env: dict[str, str], cwd: Path = PROGRAMS) -> None:
    """Run a client program in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(params=["redis", "amqp", "amqp with results in redis"])
def servers(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return where broker and results are."""
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        return {"PROGRAM_BROKER": url, "PROGRAM_BACKEND": url}
    amqp = request.getfixturevalue("amqp_url")
    store = "rpc://" if request.param == "amqp" else request.getfixturevalue("redis_url")
    return {"PROGRAM_BROKER": amqp, "PROGRAM_BACKEND": store}


def test_first_steps(servers: dict[str, str], tmp_path: Path) -> None:
    """One module, one task: call, wait, look at a failure."""
    with worker(tmp_path, "-c", "2", env=servers):
        run_program("import tasks; tasks.first_steps()", servers)


def test_next_steps(servers: dict[str, str], tmp_path: Path) -> None:
    """A package with routes: calls, signatures, chains, groups, chords where results can count."""
    steps = "calling(); s.signatures(); s.chains(); s.groups()"
    if servers["PROGRAM_BACKEND"] != "rpc://":
        steps += "; s.chords()"
    with worker(tmp_path, "-c", "2", "-Q", "celery,hipri", app="proj", env=servers):
        run_program(f"import proj.steps as s; s.{steps}", servers)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import the programs afresh in this process, and forget them afterwards."""
    monkeypatch.syspath_prepend(str(PROGRAMS))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if name == "tasks" or name.split(".")[0] == "proj":
            del sys.modules[name]


@pytest.fixture(params=["redis", "rabbitmq"])
def profile(request: pytest.FixtureRequest) -> str:
    """Return which broker is modelled."""
    return str(request.param)


def test_first_steps_simulated(programs: Any, taskq_world: Any, profile: str) -> None:
    """The same program in the simulated world."""
    tasks = programs("tasks")
    with taskq_world(tasks.app, broker=profile) as world:
        world.start_worker("w1", slots=2)

        tasks.first_steps()


@pytest.mark.parametrize("step", ["calling", "signatures", "chains", "groups", "chords"])
def test_next_steps_simulated(programs: Any, taskq_world: Any, profile: str, step: str) -> None:
    """The same package in the simulated world, a part at a time."""
    steps = programs("proj.steps")
    with taskq_world(programs("proj.celery").app, broker=profile) as world:
        world.start_worker("w1", slots=2, queues=["celery", "hipri"])

        getattr(steps, step)()
