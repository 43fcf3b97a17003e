"""Schedulers of other packages, unchanged, through the alias: redbeat and django-celery-beat."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from taskq_testing.server_fixtures import GivenServer
from taskq_testing.servers import RedisServer
from tests.real.beat.conftest import HERE, Ground, program, until

# Without what they depend on: that would bring the real Celery.
PACKAGES = (
    "celery-redbeat==2.4.2", "django-celery-beat==2.9.0", "Django>=5.2,<5.3", "asgiref",
    "sqlparse", "django-timezone-field", "python-crontab", "cron-descriptor<2", "tzdata",
    "tenacity", "python-dateutil", "six",
)  # fmt: skip
GIVEN_BY = "TASKQ_BEAT_PACKAGES"
INSTALL_TIMEOUT_S = 600
WORKER = ("worker", "-l", "INFO", "-c", "1", "-P", "solo")


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the packages; the variable ``TASKQ_BEAT_PACKAGES`` names one that is there."""
    if given := os.environ.get(GIVEN_BY):
        return given
    folder = tmp_path_factory.mktemp("beat-packages")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder]
    subprocess.run([*install, *PACKAGES], check=True, timeout=INSTALL_TIMEOUT_S)
    return str(folder)


@pytest.fixture
def ground(redis_url: str, packages: str, tmp_path: Path) -> Ground:
    """Redis, the alias, and the packages."""
    made = Ground(redis_url, tmp_path)
    root = str(Path(__file__).parents[3])
    made.env |= {
        "TASKQ_AS_CELERY": "1",
        "PYTHONPATH": os.pathsep.join([packages, root, os.environ.get("PYTHONPATH", "")]),
        "TICKING_DATABASE": str(tmp_path / "database"),
    }
    return made


@pytest.fixture
def keys(redis_server: RedisServer | GivenServer) -> Iterator[redis.Redis]:
    """What is in Redis."""
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        yield client


def call(ground: Ground, app: str, code: str) -> str:
    """Run code in a program of its own, beside beat."""
    words = [sys.executable, "-m", "taskq.compat.celery", "-c", f"import {app}; {code}"]
    ended = subprocess.run(
        words, cwd=HERE, env={**os.environ, **ground.env}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_redbeat(ground: Ground, keys: redis.Redis) -> None:
    """Entries live in Redis, also those that are added while it runs; its lock lets one beat work.

    When the first ends, the other takes over.
    """
    beat_words = ("beat", "-l", "INFO")
    with (
        program(ground.folder / "worker", *WORKER, env=ground.env, app="redticking") as worker,
        program(ground.folder / "one", *beat_words, env=ground.env, app="redticking") as one,
    ):
        until(lambda: ground.runs("configured") >= 3, lambda: one.text + worker.text)
        assert "Acquired lock" in one.text
        assert "redis -> " in one.text
        assert keys.exists("redbeat::lock") == 1
        assert keys.zcard("redbeat::schedule") >= 2
        call(ground, "redticking", "redticking.add('added')")
        until(lambda: ground.runs("added") >= 3, lambda: one.text + worker.text)
        with program(ground.folder / "two", *beat_words, env=ground.env, app="redticking") as two:
            two.wait_for("beat: Starting", 60)
            before = ground.runs("configured")
            until(lambda: ground.runs("configured") >= before + 3, lambda: one.text)
            assert "Acquired lock" not in two.text
            assert "Sending due task" not in two.text
            with program(
                ground.folder / "three", *beat_words, env=ground.env, app="redticking"
            ) as three:
                three.wait_for("beat: Starting", 60)
                three.stop(60)  # though it waits for the lock
            assert one.stop(60) == 0
            two.wait_for("Acquired lock", 60)
            two.wait_for("Sending due task added", 60)
            assert two.stop(60) == 0
        worker.stop(60)

    assert keys.exists("redbeat::lock") == 0
    assert "Traceback" not in one.text + two.text
    assert ground.runs("yearly") == 0


def test_django_celery_beat(ground: Ground) -> None:
    """Entries live in the database; what an admin adds and switches off counts while it runs."""
    call(ground, "djticking", "djticking.migrate()")
    beat_words = ("beat", "-l", "INFO", "-S", "django_celery_beat.schedulers:DatabaseScheduler")
    with (
        program(ground.folder / "worker", *WORKER, env=ground.env, app="djticking") as worker,
        program(ground.folder / "beat", *beat_words, env=ground.env, app="djticking") as beat,
    ):
        until(lambda: ground.runs("configured") >= 2, lambda: beat.text + worker.text)
        call(ground, "djticking", "djticking.add('added')")
        until(lambda: ground.runs("added") >= 3, lambda: beat.text + worker.text)
        until(lambda: ground.runs("once") == 1, lambda: beat.text)
        until(lambda: ground.runs("minutely") >= 1, lambda: beat.text)
        changes = beat.text.count("Schedule changed")
        call(ground, "djticking", "djticking.disable('added')")
        until(lambda: beat.text.count("Schedule changed") > changes, lambda: beat.text)
        sent = beat.text.count("due task added ")
        before = ground.runs("configured")
        until(lambda: ground.runs("configured") >= before + 4, lambda: beat.text)
        # One may have been on its way when the change was seen.
        assert beat.text.count("due task added ") <= sent + 1
        assert beat.stop(60) == 0
        worker.stop(60)
    stored = call(ground, "djticking", "print(djticking.counts())")

    assert ground.runs("once") == 1
    assert f"'configured': {beat.text.count('due task configured')}" in stored
    assert "Traceback" not in beat.text


def test_django_celery_beat_by_its_short_name(ground: Ground) -> None:
    """``-S django`` is what the package calls it in its entry points."""
    call(ground, "djticking", "djticking.migrate()")
    words = ("beat", "-l", "INFO", "-S", "django")
    with program(ground.folder / "beat", *words, env=ground.env, app="djticking") as beat:
        beat.wait_for("Sending due task configured", 60)
        assert "django_celery_beat.schedulers.DatabaseScheduler" in beat.text
        assert beat.stop(60) == 0
