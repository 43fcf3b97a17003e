"""A Django project as Celery's documentation has it, with taskq in Celery's place."""

from __future__ import annotations

from pathlib import Path

from tests.compat.test_alias import ALIAS, CELERY, PROGRAMS, run
from tests.real.workers import worker


def test_a_project_with_a_database(redis_url: str, tmp_path: Path) -> None:
    """Settings by namespace, tasks found in the installed apps, models used in tasks."""
    env = {
        **ALIAS,
        "PROGRAM_BROKER": redis_url,
        "PROGRAM_BACKEND": redis_url,
        "PROGRAM_DATABASE": str(tmp_path / "site.sqlite"),
        "DJANGO_SETTINGS_MODULE": "mysite.settings",
    }
    run("-c", "import django_client; django_client.make_tables()", env=env)
    with worker(tmp_path, "-c", "2", app="mysite", env=env, cwd=PROGRAMS, command=CELERY):
        out = run("-c", "import django_client; django_client.use()", env=env)

    assert "the site works" in out
