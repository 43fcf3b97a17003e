"""Celery and taskq share stores that cannot count: files, and tables of a database."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.real.environments import python_with
from tests.real.workers import worker

HERE = Path(__file__).parent
CELERY = "celery[redis]==5.7.0"
PATIENCE_S = 180


@pytest.fixture(scope="session")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return a Python for each library; Celery's has SQLAlchemy, too."""
    folder = tmp_path_factory.mktemp("celery-sql")
    packages = (CELERY, "hiredis", "SQLAlchemy>=2", "psycopg2-binary")
    celery = python_with(folder, *packages, given_by="TASKQ_CELERY_SQL_PYTHON")
    return {"celery": celery, "taskq": sys.executable}


@pytest.fixture(params=["files", "sqlite", "postgres"])
def place(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> dict[str, str]:
    """Return where broker and results are."""
    if request.param == "files":
        (tmp_path / "results").mkdir()
        store = f"file://{tmp_path}/results"
    elif request.param == "sqlite":
        store = f"db+sqlite:///{tmp_path}/results.db"
    else:
        store = f"db+{request.getfixturevalue('postgres_url')}"
    return {"FLEET_BROKER": redis_url, "FLEET_BACKEND": store}


def ask(python: str, library: str, server: str, place: dict[str, str]) -> tuple[int, str]:
    """Run the client's half of the program."""
    done = subprocess.run(
        [python, "fleet.py", server, "chords"],
        cwd=HERE,
        env={**os.environ, **place, "FLEET_LIBRARY": library},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("client", "server"), [("celery", "taskq"), ("taskq", "celery"), ("taskq", "taskq")]
)
def test_results_and_chords_cross(
    client: str, server: str, place: dict[str, str], pythons: dict[str, str], tmp_path: Path
) -> None:
    """Each reads what the other stores, and takes the other's ``celery.chord_unlock``."""
    command = [pythons[server], "-m", server]
    env = {**place, "FLEET_LIBRARY": server}

    with worker(tmp_path, "-c", "2", app="fleet", cwd=HERE, env=env, command=command) as running:
        code, text = ask(pythons[client], client, server, place)

    assert code == 0, text + running.text


def test_workers_of_both_take_turns(
    redis_url: str, pythons: dict[str, str], tmp_path: Path
) -> None:
    """A chord may be opened by one, looked at by the other, and ended by either."""
    (tmp_path / "results").mkdir()
    place = {"FLEET_BROKER": redis_url, "FLEET_BACKEND": f"file://{tmp_path}/results"}
    with ExitStack() as workers:
        for library, python in pythons.items():
            env = {**place, "FLEET_LIBRARY": library}
            command = [python, "-m", library]
            workers.enter_context(
                worker(tmp_path, "-c", "1", app="fleet", cwd=HERE, env=env, command=command)
            )
        env = {**os.environ, **place, "FLEET_LIBRARY": "taskq"}
        script = (
            "from fleet import *\n"
            "made = [chord([add.s(n, each) for n in range(4)])(total.s()) for each in range(8)]\n"
            f"assert [each.get(timeout={PATIENCE_S}) for each in made]"
            " == [6 + 4 * each for each in range(8)]\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=HERE,
            env=env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S + 60,
            check=False,
        )

    assert done.returncode == 0, done.stdout + done.stderr
