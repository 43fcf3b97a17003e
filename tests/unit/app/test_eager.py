"""Tasks that run where they are called."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.canvas.primitives import chain, group
from taskq.errors import EncodeError, Ignore
from tests.unit.app.fakes import DictStore, LabApp, RecordingBroker


@pytest.fixture
def add(app: LabApp) -> Any:
    return app.task(name="add")(lambda x, y=0: x + y)


def test_apply_goes_through_the_codec(app: LabApp) -> None:
    """Arguments and result come as they would come from a worker: tuples are lists."""
    same: Any = app.task(name="same")(lambda x: (x, type(x).__name__))

    assert same.apply(((1, 2),)).get() == [[1, 2], "list"]


def test_apply_refuses_what_could_not_be_sent(app: LabApp, add: Any) -> None:
    """An argument that cannot be encoded is refused, a result that cannot is a failure."""
    give = app.task(name="give")(object)

    with pytest.raises(EncodeError, match="argument 0"):
        add.apply((object(),))
    assert give.apply().state == "FAILURE"


def test_failures_are_kept_or_raised(app: LabApp) -> None:
    """A failure is in the result, unless it is to be raised."""

    @app.task(name="fail")
    def fail() -> None:
        raise KeyError("k")

    result = fail.apply()
    assert result.state == "FAILURE"
    assert result.traceback is not None
    with pytest.raises(KeyError):
        fail.apply(throw=True)
    app.conf.task_eager_propagates = True
    with pytest.raises(KeyError):
        fail.apply()


def test_retries_run_at_once(app: LabApp) -> None:
    """A retry under apply does not wait, and counts."""
    seen: list[int] = []

    @app.task(name="t", bind=True, max_retries=3)
    def t(self: Any) -> int:
        seen.append(self.request.retries)
        if self.request.retries < 2:
            raise self.retry(countdown=3600)
        return 5

    assert t.apply().get() == 5
    assert seen == [0, 1, 2]


def test_retries_under_apply_end_as_well(app: LabApp) -> None:
    """When no retry is left the error is that of the task."""

    @app.task(name="t", bind=True, max_retries=1)
    def t(self: Any) -> None:
        raise self.retry(exc=KeyError("k"))

    with pytest.raises(KeyError):
        t.apply().get()


def test_the_request_says_that_it_is_eager(app: LabApp) -> None:
    """A body can see that it runs where it was called."""

    @app.task(name="t", bind=True)
    def t(self: Any) -> Any:
        request = self.request
        return [request.is_eager, request.called_directly, request.id, request.headers]

    result = t.apply(task_id="x", headers={"a": 1})

    assert result.get() == [True, False, "x", {"a": 1}]


def test_links_run_here_too(app: LabApp, add: Any) -> None:
    """Callbacks get the result, errbacks the failure."""
    got: list[Any] = []

    @app.task(name="keep")
    def keep(value: Any) -> None:
        got.append(value)

    @app.task(name="keep_failure")
    def keep_failure(request: Any, exc: Any, traceback: Any) -> None:
        got.append((request.id, repr(exc)))

    @app.task(name="fail")
    def fail() -> None:
        raise KeyError("k")

    add.apply((1, 2), link=keep.s())
    fail.apply(task_id="x", link_error=[keep_failure.s(), keep.s()])

    assert got == [3, ("x", "KeyError('k')"), "x"]


def test_always_eager_sends_nothing(app: LabApp, add: Any, broker: RecordingBroker) -> None:
    """With task_always_eager a call runs at once, whatever its countdown."""
    app.conf.task_always_eager = True

    assert add.delay(1, 2).get() == 3
    assert add.apply_async((1,), countdown=60, ignore_result=True).get() == 1
    assert (add.s(1, 1) | add.s(10)).delay().get() == 12
    assert group(add.s(1), add.s(2))().get() == [1, 2]
    assert broker.sent == []


def test_eager_results_are_stored_where_the_setting_says_so(
    app: LabApp, add: Any, store: DictStore
) -> None:
    """With task_store_eager_result an eager run is stored like any other."""
    add.apply((1, 2))
    assert store.stored == []
    app.conf.task_store_eager_result = True
    later = app.task(name="later")(lambda: 5)

    result = later.apply()

    assert app.AsyncResult(result.id).get() == 5


def test_states_of_an_eager_run_are_stored_no_more_than_its_result(
    app: LabApp, store: DictStore
) -> None:
    """Update_state under apply writes only where the result is written."""

    @app.task(name="t", bind=True)
    def t(self: Any) -> None:
        self.update_state(state="PROGRESS")

    t.apply()

    assert store.stored == []


def test_ignore_under_apply(app: LabApp) -> None:
    """A body that asks to be ignored has the state IGNORED."""

    @app.task(name="t")
    def t() -> None:
        raise Ignore

    assert t.apply().state == "IGNORED"


def test_replace_under_apply_runs_the_replacement(app: LabApp, add: Any) -> None:
    """The result is that of the replacement."""

    @app.task(name="t", bind=True)
    def t(self: Any) -> Any:
        return self.replace(chain(add.s(1, 1), add.s(10)))

    assert t.apply().get() == 12


def test_a_direct_call_is_a_call(app: LabApp) -> None:
    """A task that is called like a function returns and raises like one."""

    @app.task(name="t", bind=True)
    def t(self: Any, x: int) -> Any:
        return [x, self.request.called_directly, self.request.args]

    @app.task(name="r", bind=True)
    def r(self: Any) -> None:
        raise self.retry(exc=KeyError("k"))

    @app.task(name="p", bind=True)
    def p(self: Any) -> None:
        self.replace(t.s(1))

    assert t(5) == [5, True, (5,)]
    with pytest.raises(KeyError):
        r()
    with pytest.raises(Ignore):
        p()


def test_coroutines_run_under_apply(app: LabApp) -> None:
    """A coroutine function is run to its end."""

    @app.task(name="t")
    async def t(x: int) -> int:
        return x + 1

    assert t.apply((1,)).get() == 2
