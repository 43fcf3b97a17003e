"""Small names of Celery's that do something: who is current, pickled apps, colours, settings."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from taskq import TaskQ, current
from taskq.app.pickling import AppPickler
from taskq.compat.app_utils import pydantic_wrapper
from taskq.compat.state import NoAppGivenError, disable_trace, enable_trace


@pytest.fixture
def app() -> Iterator[TaskQ]:
    before = current._Process.current, current._Process.default
    token = current._app_here.set(None)
    made = TaskQ("small", set_as_current=False)
    yield made
    disable_trace()
    made.close()
    current._app_here.reset(token)
    current._Process.current, current._Process.default = before


def test_a_guess_is_logged_with_its_stack(app: TaskQ, caplog: pytest.LogCaptureFixture) -> None:
    """After ``enable_trace`` one sees where no app was given; what is given is no guess."""
    app.set_current()
    enable_trace()
    with caplog.at_level(logging.WARNING):
        assert current.app_or_default(app) is app
        assert caplog.records == []
        assert current.app_or_default(None) is app

    (record,) = caplog.records
    assert "no app was given here" in record.getMessage()
    assert "test_a_guess_is_logged_with_its_stack" in (record.stack_info or "")


def test_the_default_app_is_no_guess_that_is_let_pass(app: TaskQ) -> None:
    """Where nobody has made an app current: until ``disable_trace``."""
    current._Process.current, current._Process.default = None, app
    enable_trace()
    with pytest.raises(NoAppGivenError, match="pass `app=`"):
        current.app_or_default()

    disable_trace()
    assert current.app_or_default() is app


class MyPickler(AppPickler):
    def build_kwargs(self, *args: Any) -> dict[str, Any]:
        return {**super().build_kwargs(*args), "main": "made by a pickler"}


class PickledApp(TaskQ):
    Pickler = MyPickler


@pytest.mark.parametrize(("kind", "main"), [(TaskQ, "small"), (PickledApp, "made by a pickler")])
def test_an_app_is_made_again_by_its_pickler(kind: type[TaskQ], main: str) -> None:
    """A class with a ``Pickler`` of its own is restored by it, with what was changed."""
    made = kind("small", set_as_current=False, task_default_queue="mine")
    again = pickle.loads(pickle.dumps(made))

    assert (type(again), again.main, again.conf.task_default_queue) == (kind, main, "mine")


class Sum(BaseModel):
    x: int
    y: int


def test_a_function_is_wrapped_for_pydantic(app: TaskQ) -> None:
    """Arguments become models, a model that is returned becomes what travels."""

    def double(given: Sum) -> Sum:
        return Sum(x=2 * given.x, y=2 * given.y)

    assert pydantic_wrapper(app, double, "double")({"x": 1, "y": 2}) == {"x": 2, "y": 4}


@pytest.mark.parametrize(("enabled", "text"), [(True, "\033[1;31mred\033[0m"), (False, "red")])
def test_text_has_the_colours_of_the_log(app: TaskQ, enabled: bool, text: str) -> None:
    """``app.log.colored`` colours where it was told to; never what goes into a file."""
    assert str(app.log.colored(enabled=enabled).red("red")) == text
    assert str(app.log.colored("a.log", enabled=True).red("red")) == "red"


def test_the_result_backend_is_an_attribute_of_settings(app: TaskQ) -> None:
    """It can be read and assigned like all others, and overridden in a class."""
    app.conf.result_backend = "cache+memory://"

    assert app.conf.result_backend == app.conf["result_backend"] == "cache+memory://"
