"""celery-batches, unchanged, does its main job through the alias."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.real.beside.conftest import HERE
from tests.real.workers import WorkerProcess, worker

INSTALL_TIMEOUT_S = 600
RUN_TIMEOUT_S = 120
ALIAS = (sys.executable, "-m", "taskq.compat.celery")


@pytest.fixture(scope="session")
def batches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the package, and without the celery that it asks for."""
    folder = tmp_path_factory.mktemp("batches")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder)]
    subprocess.run([*install, "celery-batches==0.11"], check=True, timeout=INSTALL_TIMEOUT_S)
    return folder


def as_celery(
    tmp_path: Path, env: Mapping[str, str], *arguments: str
) -> AbstractContextManager[WorkerProcess]:
    """Run the worker as who runs ``celery worker``."""
    command = (*ALIAS, "-m", "celery")
    return worker(tmp_path, *arguments, app="batching", env=env, cwd=HERE, command=command)


def run(env: Mapping[str, str], *words: str) -> str:
    """Run the client; returns what it prints."""
    done = subprocess.run(
        [*ALIAS, *words],
        cwd=HERE,
        env={**os.environ, **env},
        check=True,
        timeout=RUN_TIMEOUT_S,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    "how",
    ["prefork", "threads late", "solo", "prefork late"],
    ids=lambda how: how.replace(" ", "-"),
)
def test_batches_are_run_together(
    url: str,
    how: str,
    tmp_path: Path,
    batches: Path,
    environment: Callable[..., dict[str, str]],
) -> None:
    """Twelve calls become batches of five, five and two; each gets a result of its own."""
    pool, _, late = how.partition(" ")
    env = environment(url, BESIDE_LATE=late, PYTHONPATH=str(batches))

    with as_celery(tmp_path, env, "-P", pool, "-c", "2") as running:
        said = run(env, "batching.py")
        assert running.stop(60) == 0

    answers = [ast.literal_eval(line) for line in said.splitlines()]
    assert [answer[1:] for answer in answers] == [[number, "me"] for number in range(12)]
    assert sorted(answer[0] for answer in answers) == [2] * 2 + [5] * 10


def test_what_was_not_flushed_goes_back(
    redis_url: str, tmp_path: Path, batches: Path, environment: Callable[..., dict[str, str]]
) -> None:
    """A worker that stops with half a batch in hand gives its messages back to the queue."""
    env = environment(redis_url, PYTHONPATH=str(batches), BESIDE_INTERVAL="600")
    send = "[batching.count.delay(n, by='me') for n in range(3)]; batching.plain.delay(1).get()"
    length = "print(batching.app.ports.broker.length('batches'))"

    with as_celery(tmp_path, env, "-P", "threads", "-c", "1") as running:
        run(env, "-c", f"import batching; {send}")
        assert run(env, "-c", f"import batching; {length}") == "0"
        assert running.stop(60) == 0

    assert run(env, "-c", f"import batching; {length}") == "3"
