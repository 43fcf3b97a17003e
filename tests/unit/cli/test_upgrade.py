"""``taskq upgrade settings`` gives old names new ones, and touches nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from taskq.cli.context import CLIContext
from taskq.cli.upgrade import command

OLD = """\
# CELERY_TASK_SERIALIZER is a comment
BROKER_URL = "redis://"
CELERYD_CONCURRENCY = 3
TEXT = "BROKER_URL stays in a string"
CELERY_QUEUES = (
    "a",
)
OTHER = BROKER_URL
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    file = tmp_path / "settings.py"
    file.write_text(OLD)
    return file


def upgrade(module: Path, *options: str) -> Result:
    return CliRunner().invoke(
        command, ["settings", str(module), *options], obj=CLIContext(no_color=True)
    )


def values(module: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    exec(compile(module.read_text(), str(module), "exec"), found)
    del found["__builtins__"]
    return found


def test_names_are_changed_where_they_are_names(module: Path) -> None:
    """Strings and comments stay; the old file is kept."""
    done = upgrade(module)

    assert done.exit_code == 0
    assert values(module) == {
        "broker_url": "redis://",
        "worker_concurrency": 3,
        "TEXT": "BROKER_URL stays in a string",
        "task_queues": ("a",),
        "OTHER": "redis://",
    }
    assert "# CELERY_TASK_SERIALIZER" in module.read_text()
    assert module.with_name("settings.py.orig").read_text() == OLD


def test_django_s_names_keep_their_prefix(module: Path) -> None:
    """With --django a setting is called CELERY_ and its name."""
    upgrade(module, "--django", "--no-backup")

    assert {"CELERY_BROKER_URL", "CELERY_WORKER_CONCURRENCY", "CELERY_TASK_QUEUES"} <= set(
        values(module)
    )
    assert not module.with_name("settings.py.orig").exists()


def test_old_names_may_stay_beside_the_new_ones(module: Path) -> None:
    """With --compat both names have the value, also of a statement of many lines."""
    upgrade(module, "--compat")

    found = values(module)
    assert found["CELERY_QUEUES"] == found["task_queues"] == ("a",)
    assert found["BROKER_URL"] == found["broker_url"]


def test_twice_is_the_same_as_once(module: Path) -> None:
    """There is nothing to change the second time."""
    upgrade(module)
    once = module.read_text()

    done = upgrade(module)

    assert "nothing to change" in done.output
    assert module.read_text() == once


def test_what_is_no_module_is_left_alone(module: Path) -> None:
    """A file that Python cannot read is an error, and stays as it is."""
    module.write_text("BROKER_URL = (\n")

    done = upgrade(module)

    assert done.exit_code == 1
    assert module.read_text() == "BROKER_URL = (\n"
