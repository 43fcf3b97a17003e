"""The page that says which names of Celery's are not here is true."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import taskq
from taskq.compat.celery import resolve
from taskq.conf.settings import TABLE
from tests.docs.parity import PAGE, differences, listed, main

PRODUCT = Path(taskq.__file__).parent
# Read by a name that is put together: ``{command}_{option}`` in ``cli/daemon.py``.
OF_DAEMONS = [
    f"{command}_{option}"
    for command in ("worker", "beat", "events")
    for option in ("logfile", "pidfile", "uid", "gid", "umask", "executable")
]
# Of stores that there is no driver for, which the page says by their names.
OF_NO_STORE = ("azureblockblob_", "cassandra_", "couchbase_", "firestore_", "gcs_")


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


def unread() -> Iterator[str]:
    """Return the settings that no line outside of their table names."""
    files = [path for path in PRODUCT.rglob("*.py") if not path.name.startswith("settings_")]
    words = {
        word for path in files for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))
    }
    for name in TABLE:
        if name not in words and name not in OF_DAEMONS and not name.startswith(OF_NO_STORE):
            yield name


def test_a_setting_that_changes_nothing_is_said_to() -> None:
    """Whoever sets it can look it up; one that is read is not on the page any more."""
    page = PAGE.read_text(encoding="utf-8")
    section = page.partition("## Settings that are known")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    of_stores = set(re.findall(r"`(\w+)", page.partition("## Settings that are known")[0]))

    assert told == set(unread()) - of_stores
