"""A real Celery and taskq meet on one broker, either way round."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.real.workers import worker

HERE = Path(__file__).parent
CELERY = "celery[redis]==5.7.0"


@pytest.fixture(scope="session")
def celery_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a Python with Celery in an environment of its own; it is never beside taskq."""
    if given := os.environ.get("TASKQ_CELERY_PYTHON"):
        return given
    folder = tmp_path_factory.mktemp("celery")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run(
        [python, "-m", "pip", "install", "-q", CELERY, "hiredis"], check=True, timeout=600
    )
    return python


@pytest.fixture(params=["redis", "rabbitmq with rpc", "rabbitmq with redis"])
def place(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return where broker and results are."""
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        return {"FLEET_BROKER": url, "FLEET_BACKEND": url}
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
