"""Celery's classes of result backends."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from taskq import TaskQ
from taskq.adapters.results.disabled import DisabledStore
from taskq.adapters.results.redis import RedisStore
from taskq.adapters.results.rpc import RpcStore
from taskq.app.result_set import GroupResult
from taskq.compat.celery import resolve


@pytest.fixture
def app() -> Iterator[TaskQ]:
    app = TaskQ("backends", broker="memory://", set_as_current=False)
    yield app
    app.close()


def test_a_backend_may_be_elsewhere_than_the_apps(app: TaskQ) -> None:
    """What is stored through it is there, whatever the settings of the app say."""
    backend = resolve("celery.backends.cache.CacheBackend")(
        app=app, url="cache+memory://elsewhere", expires=5
    )
    backend.store_result("t", 5, "SUCCESS")

    assert json.loads(backend.get(backend.get_key_for_task("t")))["result"] == 5
    assert backend.get_result("t") == 5


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("redis.RedisBackend", RedisStore),
        ("rpc.RPCBackend", RpcStore),
        ("base.DisabledBackend", DisabledStore),
    ],
)
def test_a_backend_without_a_url_has_the_usual_one(app: TaskQ, name: str, kind: type) -> None:
    """The class says which store."""
    assert isinstance(resolve(f"celery.backends.{name}")(app=app).store, kind)


def test_keys_are_celerys(app: TaskQ) -> None:
    """Of tasks, groups, and the parts of a chord."""
    backend = resolve("celery.backends.redis.RedisBackend")(app=app, url="redis://localhost:1/0")

    assert [
        backend.get_key_for_task("ID"),
        backend.get_key_for_group("ID"),
        backend.get_key_for_group("ID", ".j"),
        backend.get_key_for_group("ID", b".s"),
        backend.get_key_for_chord("ID"),
    ] == [
        b"celery-task-meta-ID",
        b"celery-taskset-meta-ID",
        b"celery-taskset-meta-ID.j",
        b"celery-taskset-meta-ID.s",
        b"chord-unlock-ID",
    ]


def test_an_operators_prefix_stands_in_front_of_all_keys(app: TaskQ) -> None:
    """As the store has it."""
    app.conf.result_backend_transport_options = {"global_keyprefix": "shop"}
    backend = resolve("celery.backends.redis.RedisBackend")(app=app, url="redis://localhost:1/0")

    assert backend.get_key_for_task("ID") == b"shop_celery-task-meta-ID"
    assert backend.get_key_for_chord("ID") == b"shop_chord-unlock-ID"


def test_a_saved_group_is_read_by_its_key(app: TaskQ) -> None:
    """And what is stored nowhere is None."""
    backend = resolve("celery.backends.cache.CacheBackend")(app, url="cache+memory://groups")
    group = GroupResult("g", [app.AsyncResult("a")], app=app)
    group.save(backend)

    read = json.loads(backend.get(backend.get_key_for_group("g").decode()))
    assert read == {"result": [["g", None], [[["a", None], None]]]}
    assert [backend.get(key) for key in ("celery-task-meta-none", "something else")] == [None, None]
