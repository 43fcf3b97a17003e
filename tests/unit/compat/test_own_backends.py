"""Classes of users as result backends: named by path, alias, entry point or loader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from taskq import TaskQ
from taskq.adapters.results.redis import RedisStore
from taskq.canvas import chord
from taskq.compat.backends_base import BaseBackend
from taskq.compat.backends_database import DatabaseBackend
from taskq.compat.backends_driven import FilesystemBackend
from taskq.compat.backends_keyvalue import KeyValueStoreBackend
from taskq.compat.backends_servers import DisabledBackend, RedisBackend
from taskq.compat.backends_store import BackendStore
from taskq.contrib.testing import start_worker
from taskq.wiring.loading import UnknownNameError

HERE = f"{__name__}:"


class ShelfBackend(KeyValueStoreBackend):
    """Keeps values in a dictionary, as a user's first class does."""

    kept: ClassVar[dict[str, Any]] = {}
    calls: ClassVar[list[tuple[str, Any]]] = []

    def get(self, key: Any) -> Any:
        return self.kept.get(_text(key))

    def set(self, key: Any, value: Any) -> None:
        self.calls.append(("set", _text(key)))
        self.kept[_text(key)] = value

    def mget(self, keys: Any) -> list[Any]:
        return [self.get(key) for key in keys]

    def delete(self, key: Any) -> None:
        self.kept.pop(_text(key), None)


class TellingBackend(BaseBackend):
    """Writes down what it is given."""

    calls: ClassVar[list[tuple[Any, ...]]] = []
    metas: ClassVar[dict[str, dict[str, Any]]] = {}

    def encode_result(self, result: Any, state: str) -> Any:
        self.calls.append(("encode_result", result, state))
        return super().encode_result(result, state)

    def _store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **_kwargs: Any,
    ) -> Any:
        told = (request.task, request.args, request.id, [each.id for each in request.children])
        self.calls.append(("_store_result", task_id, result, state, told))
        self.metas[task_id] = {"status": state, "result": result, "traceback": traceback}
        return result

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        found = self.metas.get(task_id, {"status": "PENDING", "result": None})
        return self.meta_from_decoded(dict(found))


class CountingBackend(ShelfBackend):
    """Counts chords in a way of its own."""

    def apply_chord(self, header_result_args: Any, body: Any, **_kwargs: Any) -> None:
        header_id, results = header_result_args
        self.calls.append(("apply_chord", (header_id, len(results))))
        self.kept[header_id] = [each.id for each in results]

    def on_chord_part_return(self, request: Any, state: str, result: Any, **_kwargs: Any) -> None:
        self.calls.append(("on_chord_part_return", (state, result)))
        left = self.kept[request.group]
        left.remove(request.id)
        if not left:
            self.app.signature(request.chord).delay([1, 2])


class QuietRedis(RedisBackend):
    """A subclass that changes nothing of how results are kept."""


class PrefixedRedis(RedisBackend):
    """One that does."""

    def set(self, key: Any, value: Any, expires: Any = None, **retry_policy: Any) -> Any:
        return super().set(key, value, expires, **retry_policy)


@pytest.fixture(autouse=True)
def empty() -> None:
    for cls in (ShelfBackend, TellingBackend):
        cls.calls.clear()
    ShelfBackend.kept.clear()
    TellingBackend.metas.clear()


@pytest.fixture
def make() -> Iterator[Callable[..., TaskQ]]:
    made: list[TaskQ] = []

    def app_with(backend: Any, **settings: Any) -> TaskQ:
        app = TaskQ("own", broker=f"memory://own{len(made)}", backend=backend, set_as_current=False)
        app.conf.update(result_chord_retry_interval=0.05, **settings)
        made.append(app)

        @app.task(name="add")
        def add(x: int, y: int) -> int:
            return x + y

        @app.task(name="fail")
        def fail() -> None:
            raise ValueError("no")

        @app.task(name="total")
        def total(numbers: list[int]) -> int:
            return sum(numbers)

        return app

    yield app_with
    for app in made:
        app.close()


@pytest.mark.parametrize("how", ["path", "dotted path", "setting", "loader", "class"])
def test_a_key_value_class_keeps_results(make: Callable[..., TaskQ], how: str) -> None:
    """However it is named, workers write through it, and clients read through it."""
    path = f"{HERE}ShelfBackend"
    if how == "setting":
        app = make("shelf://here", override_backends={"shelf": path})
    elif how == "loader":
        app = make("shelf")
        app.loader.override_backends = {"shelf": path}
    elif how == "class":
        app = make(None)
        app.backend_cls = ShelfBackend
    else:
        app = make(path if how == "path" else path.replace(":", "."))
    with start_worker(app, perform_ping_check=False, pool="solo"):
        added, failed = app.tasks["add"].delay(2, 2), app.tasks["fail"].delay()

        assert added.get(timeout=30) == 4
        assert isinstance(failed.get(timeout=30, propagate=False), ValueError)
        assert chord([app.tasks["add"].s(1, 2)] * 2)(app.tasks["total"].s()).get(timeout=30) == 6

    assert type(app.backend) is ShelfBackend
    assert ("set", f"celery-task-meta-{added.id}") in ShelfBackend.calls
    assert ShelfBackend.kept[f"celery-task-meta-{added.id}"].startswith('{"status": "SUCCESS"')


def test_a_class_is_given_what_celery_gives_it(make: Callable[..., TaskQ]) -> None:
    """The encoded result, and a request that knows task, arguments and what was sent."""
    app = make(f"{HERE}TellingBackend")
    with start_worker(app, perform_ping_check=False, pool="solo"):
        failed = app.tasks["fail"].delay()
        with pytest.raises(ValueError, match="no"):
            failed.get(timeout=30)

    data = {"exc_type": "ValueError", "exc_message": ["no"], "exc_module": "builtins"}
    name, error, state = TellingBackend.calls[0]
    assert (name, type(error), state) == ("encode_result", ValueError, "FAILURE")
    assert TellingBackend.calls[1] == (
        ("_store_result", failed.id, data, "FAILURE", ("fail", [], failed.id, []))
    )
    assert failed.traceback.splitlines()[-1] == "ValueError: no"


def test_a_class_that_counts_chords_is_told_of_each_member(make: Callable[..., TaskQ]) -> None:
    """It opens the chord, hears of each end, and sends the body."""
    app = make(f"{HERE}CountingBackend")
    with start_worker(app, perform_ping_check=False, pool="solo"):
        add, total = app.tasks["add"], app.tasks["total"]
        assert chord([add.s(1, 2), add.s(3, 4)])(total.s()).get(timeout=30) == 3

    told = [call for call in ShelfBackend.calls if call[0] != "set"]
    assert told[0][0] == "apply_chord"
    assert sorted(told[1:]) == [
        ("on_chord_part_return", ("SUCCESS", 3)),
        ("on_chord_part_return", ("SUCCESS", 7)),
    ]


def test_a_subclass_stays_on_our_store_until_it_changes_something(
    make: Callable[..., TaskQ],
) -> None:
    """What it overrides must be called; where it overrides nothing, nothing gets slower."""
    quiet, own = make(f"{HERE}QuietRedis"), make(f"{HERE}PrefixedRedis+redis://localhost/3")

    assert isinstance(quiet.ports.store, RedisStore)
    assert isinstance(own.ports.store, BackendStore)
    assert isinstance(own.backend, PrefixedRedis)
    assert own.backend.as_uri() == "redis://localhost/3"


def test_each_thread_has_an_object_of_its_own(make: Callable[..., TaskQ]) -> None:
    """Unless the settings say that one will do for all."""
    import threading

    for safe in (False, True):
        app = make(f"{HERE}ShelfBackend", result_backend_thread_safe=safe)
        seen = [app.backend]
        thread = threading.Thread(target=lambda app=app, seen=seen: seen.append(app.backend))
        thread.start()
        thread.join()

        assert (seen[0] is seen[1]) is safe


def test_programs_see_the_class_that_they_know(make: Callable[..., TaskQ], tmp_path: Any) -> None:
    """``app.backend`` is of Celery's class for the store that is configured."""
    kinds = {
        "redis://localhost/1": RedisBackend,
        f"file://{tmp_path}": FilesystemBackend,
        f"db+sqlite:///{tmp_path}/results.db": DatabaseBackend,
        None: DisabledBackend,
    }

    for url, kind in kinds.items():
        assert type(make(url).backend) is kind


def test_rows_are_read_as_airflow_reads_them(make: Callable[..., TaskQ], tmp_path: Any) -> None:
    """By a session on the tables, decoded by the backend."""
    app = make(f"db+sqlite:///{tmp_path}/results.db")
    app.backend.store_result("t", {"a": 1}, "SUCCESS")
    with app.backend.ResultSession() as session:
        rows = session.query(app.backend.task_cls).filter_by(task_id="t").all()
        metas = [app.backend.meta_from_decoded(row.to_dict()) for row in rows]

    assert [(meta["task_id"], meta["status"], meta["result"]) for meta in metas] == [
        ("t", "SUCCESS", b'{"a": 1}')
    ]


def test_an_alias_that_nobody_knows_is_refused(make: Callable[..., TaskQ]) -> None:
    """With those that are known."""
    app = make("reddis://localhost")

    with pytest.raises(UnknownNameError, match="did you mean 'redis'"):
        _ = app.ports


def _text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)
