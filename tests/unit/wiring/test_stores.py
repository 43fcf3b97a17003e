"""From a URL to a result store."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from taskq import TaskQ
from taskq.canvas import chord
from taskq.errors import ImproperlyConfigured

CLOUD = {
    "mongodb://user:secret@db/results": "mongodb://user:**@db/results",
    "consul://host/some/path": "consul://host:8500/some/path",
    "couchdb://user:secret@host/box": "couchdb://user:**@host:5984/box",
    "elasticsearch://host/index": "elasticsearch://host:9200/index",
    "arangodb://host/database/collection": "arangodb://host:8529/database/collection",
    "cache+memcached://host:11211/": "cache+memcached://host:11211/",
    "db+postgresql+psycopg2://user:secret@host/results": (
        "db+postgresql+psycopg2://user:***@host/results"
    ),
}


@pytest.fixture
def make() -> Iterator[Callable[..., TaskQ]]:
    made: list[TaskQ] = []

    def app_with(backend: str, **settings: Any) -> TaskQ:
        app = TaskQ("stores", broker="memory://", backend=backend, set_as_current=False)
        app.conf.update(settings)
        made.append(app)
        return app

    yield app_with
    for app in made:
        app.close()


@pytest.mark.parametrize("url", CLOUD)
def test_a_store_says_where_it_is(make: Callable[..., TaskQ], url: str) -> None:
    """Without connecting, and without its password."""
    store = make(url).ports.store

    assert store.name == CLOUD[url]
    assert not store.counts_chords


@pytest.mark.parametrize("alias", ["cassandra", "gs", "azureblockblob", "couchbase", "riak"])
def test_a_store_without_a_driver_says_what_to_do(make: Callable[..., TaskQ], alias: str) -> None:
    """The alias is known, so it is no misspelling."""
    with pytest.raises(ImproperlyConfigured, match=f"'{alias}': taskq has no driver .*stores.md"):
        _ = make(f"{alias}://here").ports


def test_a_library_that_is_not_installed_is_named(
    make: Callable[..., TaskQ], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the extra that brings it along."""
    monkeypatch.delitem(sys.modules, "taskq.adapters.results.mongodb", raising=False)
    monkeypatch.setitem(sys.modules, "pymongo", None)

    with pytest.raises(ImproperlyConfigured, match=r"pip install 'taskq\[mongodb\]'"):
        _ = make("mongodb://host").ports


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("file://folder/x", "three slashes"),
        ("file:///", "names no folder"),
        ("file:///no/such/folder/anywhere", "there is no such folder"),
        ("s3", "set s3_bucket"),
        ("arangodb://host/one", "database/collection"),
        ("db+not a url", "not the URL of a database"),
    ],
)
def test_a_place_that_cannot_be_is_refused(
    make: Callable[..., TaskQ], url: str, problem: str
) -> None:
    """Before a task is lost there."""
    with pytest.raises(ImproperlyConfigured, match=problem):
        _ = make(url).ports


@pytest.mark.parametrize("url", ["rpc://", "disabled://"])
def test_a_store_that_keeps_nothing_refuses_chords(make: Callable[..., TaskQ], url: str) -> None:
    """When one is sent, and with what to configure."""
    app = make(url)
    add = app.task(name="add")(lambda x, y: x + y)

    with pytest.raises(NotImplementedError, match="set result_backend"):
        chord([add.s(1, 2)])(add.s(3))


def test_odd_ids_stay_in_their_folder(make: Callable[..., TaskQ], tmp_path: Path) -> None:
    """An id is a name chosen by whoever sends, and no path."""
    folder = tmp_path / "results"
    folder.mkdir()
    app = make(f"file://{folder}")
    for task_id in ("../outside", "a/b", "..", "ü \n"):
        app.backend.store_result(task_id, 1, "SUCCESS")
        assert app.AsyncResult(task_id).result == 1

    assert [each.name for each in tmp_path.iterdir()] == ["results"]
    assert all(each.is_file() for each in folder.iterdir())
