"""The unchanged package django-celery-results keeps results in a database and in a cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("django_results.py")
PACKAGE = "django-celery-results>=2.6"
PATIENCE_S = 180


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the program prints, whose tasks ran in a worker of its own process."""
    folder = tmp_path_factory.mktemp("django")
    packages = folder / "packages"
    # Without what it asks for: Celery must not lie beside taskq.
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
    subprocess.run([*install, str(packages), PACKAGE], check=True, timeout=PATIENCE_S)
    done = subprocess.run(
        [sys.executable, "-m", "taskq.compat.celery", str(PROGRAM), str(folder)],
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("store", ["db", "cache"])
def test_results_come_back(said: dict[str, object], store: str) -> None:
    """Values, exceptions, groups and chords; what is forgotten is gone."""
    found = said[store]
    assert isinstance(found, dict)

    assert found["class"].startswith("django_celery_results.backends")
    assert (found["added"], found["failed"], found["chord"]) == (4, "ValueError('sold out')", 6)
    assert found["group"] is True
    assert (found["unknown"], found["forgotten"]) == ("PENDING", "PENDING")


def test_rows_are_the_packages_own(said: dict[str, object]) -> None:
    """Its models are filled in as with Celery: name, state, result, arguments, worker."""
    rows = said["rows"]
    assert isinstance(rows, list)
    fail = {"exc_type": "ValueError", "exc_message": ["sold out"], "exc_module": "builtins"}

    by_name = {name: (state, result) for name, state, result, *_ in rows}
    assert by_name["shop.total"] == ("SUCCESS", "6")
    assert by_name["shop.fail"] == ("FAILURE", json.dumps(fail))
    assert ["shop.add", "SUCCESS", "2", '"(1, 1)"', True] in rows
    assert all(worker for *_, worker in rows)


def test_the_package_counts_its_chords(said: dict[str, object]) -> None:
    """Its ``apply_chord`` opened them, its ``on_chord_part_return`` ended them; none is left."""
    assert (said["groups"], said["chords"]) == (1, 0)
