"""The page that says which names of Celery's are not here is true."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from taskq.compat.celery import resolve
from tests.docs.parity import differences, listed, main


def is_there(name: str) -> bool:
    """Whether a name leads somewhere."""
    try:
        resolve(name)
    except (AttributeError, KeyError, ImportError):
        return False
    return True


@pytest.mark.parametrize(("name", "parameters"), listed().items())
def test_what_is_listed_is_not_here(name: str, parameters: tuple[str, ...]) -> None:
    """Neither the name, nor, of one that is here, the parameters; but what it belongs to is."""
    if not parameters:
        assert not is_there(name), f"{name} is here: take it off docs/parity.md"
        return
    taken = inspect.signature(resolve(name)).parameters.values()
    kinds = {"**" if each.kind is each.VAR_KEYWORD else "" for each in taken}
    names = {each.name for each in taken} | {f"**{each}" for each in ("kwargs",) if "**" in kinds}
    assert not names & set(parameters)


def test_the_page_lists_something() -> None:
    """The lines of its tables are read: short names belong to the name before them."""
    page = listed()

    assert page["celery.bin.base.LEXER"] == ()
    assert page["celery.app.routes.Router"] == ("create_missing",)


def test_the_page_is_compared_with_a_list_of_names(tmp_path: Path) -> None:
    """A name covers what is below it; what is on one side only is said."""
    page = sorted(listed())
    assert differences([*page, "celery.worker.loops.asynloop"]) == []

    path = tmp_path / "names"
    path.write_text("\n".join(f"    missing {name}  (member)" for name in page))
    assert main(str(path)) == 0
    path.write_text("\n".join([*page[1:], "celery.app.new_name"]))
    assert main(str(path)) == 1
    assert differences([*page[1:], "celery.app.new_name"]) == [
        "missing, and not on the page: celery.app.new_name",
        f"on the page, and not missing: {page[0]}",
    ]
