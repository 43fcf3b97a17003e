"""The app of a program that never made one, and what configures apps that say nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskq import TaskQ, current, current_app
from taskq.conf.loading import ConfigNotFound


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Be a program without an app; returns a folder that it imports from."""
    for name in ("default", "current"):
        monkeypatch.setattr(current._Process, name, None)
    for variable in ("TASKQ_CONFIG_MODULE", "CELERY_CONFIG_MODULE"):
        monkeypatch.delenv(variable, raising=False)
    token = current._app_here.set(None)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    made: Any = current._Process.default
    if made is not None:
        made.close()
    current._app_here.reset(token)


def test_the_default_app_is_made_once(program: Path) -> None:
    """Everybody gets the same, with the settings that stand in the table."""
    assert current.get_current_app() is current.get_current_app()
    assert current_app.main == "default"
    assert current_app.conf.task_default_queue == "celery"


def test_the_usual_module_configures_it(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one called celeryconfig can be imported; other apps do not look for it."""
    (program / "celeryconfig.py").write_text("task_default_queue = 'usual'")

    assert current_app.conf.task_default_queue == "usual"
    monkeypatch.delitem(sys.modules, "celeryconfig")
    assert TaskQ("own", set_as_current=False).conf.task_default_queue == "celery"


@pytest.mark.parametrize("variable", ["TASKQ_CONFIG_MODULE", "CELERY_CONFIG_MODULE"])
def test_the_environment_names_the_module(
    program: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """For every app that was given no configuration."""
    name = f"settings_{variable.lower()}"
    (program / f"{name}.py").write_text("task_default_queue = 'named'")
    (program / "celeryconfig.py").write_text("task_default_queue = 'usual'")
    other = TaskQ("own", set_as_current=False)
    told = TaskQ("told", set_as_current=False, config_source={"task_default_queue": "mine"})
    monkeypatch.setenv(variable, name)

    assert current_app.conf.task_default_queue == "named"
    assert other.conf.task_default_queue == "named"
    assert told.conf.task_default_queue == "mine"


def test_a_named_module_must_be_there(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads nowhere is an error, with the name in it."""
    monkeypatch.setenv("CELERY_CONFIG_MODULE", "no_such_settings")

    with pytest.raises(ConfigNotFound, match="no_such_settings"):
        _ = current_app.conf.task_default_queue
