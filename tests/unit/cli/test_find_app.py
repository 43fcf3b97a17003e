"""Finding the application that ``-A`` names."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from taskq.app.app import App
from taskq.cli.errors import CommandError
from taskq.cli.find_app import find_app

MAKE = """
from taskq.app.app import App
class Small(App):
    def make_ports(self): raise NotImplementedError
def make(name):
    return Small(name, set_as_current=False)
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Write modules into the directory where the program runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def write(**files: str) -> None:
        for name, text in {"make_app": MAKE, **files}.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"from make_app import make\n{text}" if name != "make_app" else text)
        importlib.invalidate_caches()

    yield write
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in {"make_app", "shop", "other"}:
            del sys.modules[name]


def name_of(app: Any) -> str | None:
    assert isinstance(app, App)
    return app.main


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("app = make('a'); celery = make('c'); x = make('x')", "a"),
        ("celery = make('c'); taskq = make('t')", "c"),
        ("taskq = make('t')", "t"),
        ("x = make('x')", "x"),
    ],
)
def test_a_module_has_an_app(write: Callable[..., None], text: str, found: str) -> None:
    """``app``, ``celery``, ``taskq``, then any other app."""
    write(shop=text)

    assert name_of(find_app("shop")) == found


@pytest.mark.parametrize("said", ["shop.jobs:x", "shop.jobs.x", "shop/jobs.py:x", "shop:jobs"])
def test_an_app_can_be_named(write: Callable[..., None], said: str) -> None:
    """With a colon, with a dot, as a file, or by the module that has it."""
    write(**{"shop/jobs": "x = make('x')", "shop/__init__": "from shop import jobs"})

    assert name_of(find_app(said)) == "x"


@pytest.mark.parametrize("module", ["celery", "taskq", "app"])
def test_a_package_may_keep_its_app_in_a_module(write: Callable[..., None], module: str) -> None:
    """``shop.celery``, as Django's users have it."""
    write(**{"shop/__init__": "", f"shop/{module}": "app = make('a')"})

    assert name_of(find_app("shop")) == "a"


def test_a_module_called_app_is_no_app(write: Callable[..., None]) -> None:
    """An attribute that is a module is not taken for the app; the app in it is found."""
    write(**{"shop/__init__": "from shop import app", "shop/app": "app = make('a')"})

    assert name_of(find_app("shop")) == "a"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("shpo", r"there is no module 'shpo' in .*; did you mean 'shop'\?"),
        ("", "there is no module ''"),
        ("nothing.at.all", "there is no module 'nothing.at.all'"),
        ("shop:ap", r"in shop there is nothing of that name; did you mean 'shop:app'\?"),
        ("shop:number", r"'number' is no app, but 5; did you mean 'shop:app'\?"),
        ("shop.ap", "in shop there is nothing of that name"),
        ("other", r"other has no app; make one there with `app = TaskQ\('other'\)`"),
        ("other:app", "in other there is nothing of that name$"),
    ],
)
def test_an_app_that_is_not_there_is_named(
    write: Callable[..., None], said: str, message: str
) -> None:
    """The error says what was looked for, where, and what was probably meant."""
    write(shop="app = make('a'); number = 5", other="")

    with pytest.raises(CommandError, match=message) as error:
        find_app(said)

    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f():\n    return 1 / 0\nf()", r"shop\.py:3: ZeroDivisionError: division by zero"),
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
    ],
)
def test_a_module_that_fails_says_where(
    write: Callable[..., None], text: str, message: str
) -> None:
    """An app that cannot be imported is one line with file, line and error."""
    write(shop=text)

    with pytest.raises(CommandError, match=rf"importing 'shop' failed at .*{message}"):
        find_app("shop")


def test_a_module_with_a_syntax_error_is_named(write: Callable[..., None]) -> None:
    """A file that is no Python is one line too."""
    write(shop="app = = 5")

    with pytest.raises(CommandError, match=r"importing 'shop' failed.*SyntaxError.*shop\.py"):
        find_app("shop")
