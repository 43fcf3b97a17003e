"""A project's tests on ``celery_app`` and its family, on every pool and broker."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

DOWNSTREAM = Path(__file__).parent / "fixtures" / "downstream"
POOLS = ("solo", "threads", "asyncio", "prefork")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the project, in a folder of its own, with no configuration of ours above it."""
    shutil.copytree(DOWNSTREAM, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path / "project"
    (folder / "given.py").rename(folder / "conftest.py")
    (folder / "pytest.ini").write_text(
        "[pytest]\naddopts = --strict-markers -p no:cacheprovider\nfilterwarnings = error\n"
        "pythonpath = .\npython_files = checks_*.py\n"
    )
    return folder


def run(
    folder: Path, *words: str, env: Mapping[str, str] | None = None, alias: bool = True
) -> tuple[int, str]:
    """Run the project's tests; returns the exit code and what pytest says."""
    option = ["--taskq-as-celery"] if alias else []
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *option, *words],
        cwd=folder,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_apps_of_tests(project: Path) -> None:
    """Overriding, the marker, the current app, the trap; nothing is left behind."""
    code, said = run(project, "checks_apps.py")

    assert code == 0, said
    assert "failed" not in said


@pytest.mark.parametrize("pool", POOLS)
def test_workers_in_memory(project: Path, pool: str) -> None:
    """Each pool, from a thread of the test's process; nothing is left behind."""
    code, said = run(project, "checks_workers.py", "checks_session.py", env={"SHOP_POOL": pool})

    assert code == 0, said


@pytest.mark.parametrize("pool", ["solo", "prefork"])
@pytest.mark.parametrize("server", ["redis", "amqp"])
def test_workers_on_real_brokers(
    project: Path, request: pytest.FixtureRequest, server: str, pool: str
) -> None:
    """The same tests, told by ``celery_config`` where the broker is."""
    url = request.getfixturevalue(f"{server}_url")
    env = {"SHOP_BROKER": url, "SHOP_BACKEND": "rpc://" if server == "amqp" else url}
    code, said = run(
        project, "checks_workers.py", "checks_session.py", env={**env, "SHOP_POOL": pool}
    )

    assert code == 0, said


def test_no_worker_starts_where_somebody_else_runs_them(project: Path) -> None:
    """``NO_WORKER`` switches the workers off, and the tests get None."""
    (project / "checks_none.py").write_text(
        "import threading\n"
        "def test_it(celery_worker, celery_session_worker):\n"
        "    assert celery_worker is celery_session_worker is None\n"
        "    assert threading.active_count() == 1\n"
    )
    code, said = run(project, "checks_none.py", env={"NO_WORKER": "1"})

    assert code == 0, said
