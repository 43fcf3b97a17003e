"""Where the workers of these tests meet their clients, and whose workers they are."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskq import TaskQ
from tests.real.environments import python_with

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def celery_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a Python with Celery in an environment of its own; it is never beside taskq."""
    folder = tmp_path_factory.mktemp("celery")
    return python_with(folder, "celery[redis]==5.7.0", given_by="TASKQ_CELERY_PYTHON")


@pytest.fixture(params=["redis", "rabbitmq"])
def place(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return where broker and results are, as the program of these tests reads it."""
    store = request.getfixturevalue("redis_url")
    broker = store if request.param == "redis" else request.getfixturevalue("amqp_url")
    return {"STEERED_BROKER": broker, "STEERED_BACKEND": store, "STEERED_LIBRARY": "taskq"}


@pytest.fixture
def client(place: dict[str, str]) -> Iterator[TaskQ]:
    """Return an app of this process that knows no task and has no worker."""
    app = TaskQ(
        "client",
        broker=place["STEERED_BROKER"],
        backend=place["STEERED_BACKEND"],
        set_as_current=False,
    )
    yield app
    app.close()


def run_program(python: str, place: dict[str, str], library: str, *words: str) -> str:
    """Run the program of these tests as a client; returns what it prints."""
    done = subprocess.run(
        [python, "steered.py", *words],
        cwd=HERE,
        env={**os.environ, **place, "STEERED_LIBRARY": library},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
