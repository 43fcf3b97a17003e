"""Running tasks from their messages, and ending them, as ``celery.app.trace`` has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from taskq import TaskQ, chord, current, signals, states
from taskq.app.context import Context
from taskq.compat.trace import build_tracer
from taskq.compat.tracing import (
    TraceInfo,
    fast_trace_task,
    reset_worker_optimizations,
    setup_worker_optimizations,
    trace_task_ret,
)
from taskq.errors import Ignore, Reject, Retry, TaskqError
from taskq.signals import Signal


@pytest.fixture
def app() -> Iterator[TaskQ]:
    before = current._Process.current, current._Process.default
    made = TaskQ("traced", broker="memory://", backend="cache+memory://", set_as_current=False)
    yield made
    reset_worker_optimizations()
    made.close()
    current._Process.current, current._Process.default = before


@pytest.fixture
def add(app: TaskQ) -> Any:
    return app.task(name="add")(lambda x, y: x + y)


NOTHING_FOLLOWS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def heard(signal: Signal) -> tuple[list[dict[str, Any]], Any]:
    told: list[dict[str, Any]] = []

    def hear(**named: Any) -> None:
        told.append(named)

    signal.connect(hear, weak=False)
    return told, lambda: signal.disconnect(hear)


# -- from a message --------------------------------------------------------------------------------


@pytest.mark.parametrize("encoded", [True, False])
def test_a_message_is_run_and_its_result_stored(app: TaskQ, add: Any, encoded: bool) -> None:
    """From bytes, or from arguments that somebody has decoded."""
    body: Any = ([2, 3], {}, NOTHING_FOLLOWS)
    kind = None
    if encoded:
        found = app.ports.codec.encode(list(body), "json")
        body, kind = found.body, found.content_type

    failed, said, runtime_s = trace_task_ret("add", "id-1", {}, body, kind, "utf-8", app)

    assert (failed, said) == (0, "5")
    assert runtime_s >= 0
    assert app.AsyncResult("id-1").get(timeout=1) == 5


def test_a_failure_is_returned_and_stored(app: TaskQ, add: Any) -> None:
    """What it raised comes back with its traceback."""
    failed, info, _ = trace_task_ret(
        "add", "id-2", {}, ([2, "three"], {}, NOTHING_FOLLOWS), None, None, app
    )

    assert (failed, type(info.exception)) == (1, TypeError)
    assert "Traceback" in info.traceback
    assert app.AsyncResult("id-2").state == "FAILURE"


def test_what_follows_is_sent(app: TaskQ, add: Any) -> None:
    """A chord whose members were run so has its body in the queue."""

    @app.task(name="total")
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    messages: list[tuple[Any, Any]] = []
    with app.connection_for_write() as connection:
        result = chord([add.s(1, 1), add.s(2, 2)], total.s()).apply_async()
        queue = connection.SimpleQueue("celery")
        for left in (2, 1, 0):
            message = queue.get(timeout=5)
            headers, body = dict(message.headers), message.body
            messages.append((headers["task"], left))
            trace_task_ret(
                headers["task"],
                headers["id"],
                headers,
                body,
                message.content_type,
                message.content_encoding,
                app,
            )
            message.ack()

    assert [name for name, _ in messages] == ["add", "add", "total"]
    assert result.get(timeout=1) == 6


def test_a_process_is_made_ready_first(app: TaskQ, add: Any) -> None:
    """``fast_trace_task`` knows the app from ``setup_worker_optimizations``, and says so."""
    triple = ([2, 3], {}, NOTHING_FOLLOWS)
    with pytest.raises(TaskqError, match="setup_worker_optimizations"):
        fast_trace_task("add", "id-3", {}, triple, None, None)

    setup_worker_optimizations(app, "me@here")
    assert (current.get_current_app(), app.use_fast_trace_task) == (app, True)
    assert fast_trace_task("add", "id-3", {}, triple, None, None)[:2] == (0, "5")

    reset_worker_optimizations(app)
    assert app.use_fast_trace_task is False
    assert current._Process.default is None


# -- ends ------------------------------------------------------------------------------------------


@pytest.fixture
def req(app: TaskQ) -> Context:
    """A request with an id of its own: the store is that of the process."""
    return Context(id=app.new_id(), args=(1,), kwargs={}, called_directly=False)


def test_a_failure_is_stored_and_told(app: TaskQ, add: Any, req: Context) -> None:
    """As a worker does it: the store, the handler, the signal."""
    told, stop = heard(signals.task_failure)
    try:
        info = TraceInfo(states.FAILURE, ValueError("no")).handle_error_state(add, req)
    finally:
        stop()

    assert str(info.exception) == "no"
    assert app.AsyncResult(req.id).state == "FAILURE"
    assert [each["task_id"] for each in told] == [req.id]


def test_a_retry_is_stored_and_told(app: TaskQ, add: Any, req: Context) -> None:
    """The reason is in the store, the ``Retry`` in the signal."""
    told, stop = heard(signals.task_retry)
    reason = Retry("later", exc=ValueError("busy"))
    try:
        TraceInfo(states.RETRY, reason).handle_error_state(add, req)
    finally:
        stop()

    assert app.AsyncResult(req.id).state == "RETRY"
    assert [each["reason"] for each in told] == [reason]


def test_what_runs_eagerly_is_stored_only_if_the_task_wants_it(app: TaskQ, req: Context) -> None:
    """``store_eager_result``, and ``store_errors_even_if_ignored`` of what is ignored."""
    plain = app.task(name="plain")(lambda: None)
    TraceInfo(states.FAILURE, ValueError("no")).handle_error_state(plain, req, eager=True)
    assert app.AsyncResult(req.id).state == "PENDING"

    keeps = app.task(name="keeps", store_eager_result=True)(lambda: None)
    TraceInfo(states.FAILURE, ValueError("no")).handle_error_state(keeps, req, eager=True)
    assert app.AsyncResult(req.id).state == "FAILURE"


@pytest.mark.parametrize(
    ("state", "error"), [(states.IGNORED, Ignore()), (states.REJECTED, Reject("no"))]
)
def test_what_wants_no_result_gets_none(
    app: TaskQ, add: Any, req: Context, state: str, error: Exception
) -> None:
    """Ignored and rejected tasks leave the store alone."""
    info = TraceInfo(state, error).handle_error_state(add, req)

    assert info.exception is error
    assert app.AsyncResult(req.id).state == "PENDING"


def test_a_tracer_says_how_it_ended(app: TaskQ, add: Any) -> None:
    """By an object of the class that it was given."""

    class Mine(TraceInfo):
        pass

    well = build_tracer("add", add)("id-5", (2, 3), {})
    badly = build_tracer("add", add, Info=Mine)("id-6", (2, "three"), {})

    assert (well.retval, well.info) == (5, None)
    assert (type(badly.info), badly.info.state) == (Mine, "FAILURE")
    assert isinstance(badly.info.retval, TypeError)
