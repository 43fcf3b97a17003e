"""Programs that import celery run unchanged, with taskq in its place; each in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from taskq.compat.importer import SITE
from tests.real.workers import worker

PROGRAMS = Path(__file__).parent / "celery_programs"
# The alias by the environment alone: the command line says nothing of taskq.
ALIAS = {
    "TASKQ_AS_CELERY": "1",
    "PYTHONPATH": os.pathsep.join([SITE, *filter(None, [os.environ.get("PYTHONPATH")])]),
}
CELERY = (sys.executable, "-m", "celery")
STEPS = ("class_based", "routing", "requests_and_signals", "retries", "states_and_results")
QUEUES = "default,media,feeds"


def run(*words: str, env: Mapping[str, str]) -> str:
    """Run a Python program among the others, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *words],
        cwd=PROGRAMS,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(params=["redis", "amqp", "amqp with results in redis"])
def servers(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return where broker and results are, and the alias."""
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        return {**ALIAS, "PROGRAM_BROKER": url, "PROGRAM_BACKEND": url}
    amqp = request.getfixturevalue("amqp_url")
    store = "rpc://" if request.param == "amqp" else request.getfixturevalue("redis_url")
    return {**ALIAS, "PROGRAM_BROKER": amqp, "PROGRAM_BACKEND": store}


def test_first_steps(servers: dict[str, str], tmp_path: Path) -> None:
    """``python -m celery -A first worker``, and a script that imports celery."""
    with worker(tmp_path, "-c", "2", app="first", env=servers, cwd=PROGRAMS, command=CELERY):
        out = run("first.py", env=servers)

    assert "first steps done" in out


def test_a_package_with_classes_routes_signals_and_requests(
    servers: dict[str, str], tmp_path: Path
) -> None:
    """The longer program: class-based tasks, routing, signals, a loader, requests, retries."""
    steps = [*STEPS, "canvas"]
    if servers["PROGRAM_BACKEND"] != "rpc://":
        steps.append("chords")
    code = "import client\n" + "".join(f"client.{step}()\n" for step in steps)
    with worker(tmp_path, "-c", "1", app="shop", env=servers, cwd=PROGRAMS, command=CELERY) as shop:
        run("-c", code, env=servers)

        shop.wait_for("the shop is open on celery@")
        shop.wait_for("handler of shop.tasks.count: ValueError")


def test_next_steps(servers: dict[str, str], tmp_path: Path) -> None:
    """A package with its app in ``proj.celery``: calls, canvas, routing, looking in."""
    words = ["chords"] if servers["PROGRAM_BACKEND"] != "rpc://" else []
    told = ("-c", "2", "-Q", "celery,hipri,lopri")
    with worker(tmp_path, *told, app="proj", env=servers, cwd=PROGRAMS, command=CELERY):
        out = run("next_steps.py", *words, env=servers)

    assert "next steps done" in out


def test_periodic_tasks(servers: dict[str, str], tmp_path: Path) -> None:
    """``worker -B``: what settings say and what is added at configuration comes each second."""
    notes = tmp_path / "notes"
    env = {**servers, "PROGRAM_NOTES": str(notes)}
    told = ("-c", "1", "-B", "-s", str(tmp_path / "schedule"))
    with worker(tmp_path, *told, app="periodic", env=env, cwd=PROGRAMS, command=CELERY):
        deadline = time.monotonic() + 60
        while not (notes.exists() and min(_counts(notes).values()) >= 2):
            assert time.monotonic() < deadline, notes.exists() and notes.read_text()
            time.sleep(0.1)

    assert set(_counts(notes)) == {"settings", "added"}


def _counts(notes: Path) -> dict[str, int]:
    words = notes.read_text().split()
    return {word: words.count(word) for word in ["settings", "added", *words]}


def test_abortable_tasks(servers: dict[str, str], tmp_path: Path) -> None:
    """A body that asks whether it is still wanted, on stores that can be asked."""
    if servers["PROGRAM_BACKEND"] == "rpc://":
        return  # its results are messages: nobody can be asked
    with worker(tmp_path, "-c", "1", app="aborting", env=servers, cwd=PROGRAMS, command=CELERY):
        out = run("aborting.py", env=servers)

    assert "aborting done" in out


def test_the_package_in_memory() -> None:
    """The same client with its worker in a thread of one process, without any server."""
    steps = [*STEPS, "canvas", "chords"]

    out = run("in_memory.py", *steps, env={**ALIAS, "PROGRAM_BROKER": "memory://"})

    assert out.split() == steps


def test_the_taskq_command_loads_apps_that_import_celery(redis_url: str, tmp_path: Path) -> None:
    """``TASKQ_AS_CELERY=1 taskq -A first worker`` needs nothing else."""
    env = {"TASKQ_AS_CELERY": "1", "PROGRAM_BROKER": redis_url, "PROGRAM_BACKEND": redis_url}

    with worker(tmp_path, "-c", "1", app="first", env=env, cwd=PROGRAMS):
        out = run("-m", "taskq.compat.celery", "first.py", env=env)

    assert "first steps done" in out


@pytest.mark.parametrize("told", ["option", "environment"])
def test_tests_that_import_celery_are_collected(tmp_path: Path, told: str) -> None:
    """pytest imports conftest and tests with taskq in celery's place."""
    (tmp_path / "conftest.py").write_text("from celery import Celery\n")
    (tmp_path / "test_it.py").write_text(
        "import celery, taskq\n\ndef test_it():\n    assert celery.Celery is taskq.TaskQ\n"
    )
    words = ["--taskq-as-celery"] if told == "option" else []
    env = {} if told == "option" else {"TASKQ_AS_CELERY": "1"}

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
        cwd=tmp_path,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
