# ruff: noqa: PLR0917 - fixtures are parameters
"""From a delivered message to an ending."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from taskq import current, signals
from taskq.app.result import AsyncResult
from taskq.app.task import Task
from taskq.app.work import Work
from taskq.errors import Ignore, Reject, SoftTimeLimitExceeded
from taskq.ports import Ending, EndingKind, Job
from taskq.signals import Signal
from tests.unit.app.fakes import (
    DictStore,
    LabApp,
    RecordingBroker,
    body_of,
    drain,
    job_of,
    meta_of,
)


@contextmanager
def heard(*watched: Signal) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    told: list[tuple[str, dict[str, Any]]] = []

    def hear(signal: Signal, **named: Any) -> None:
        told.append((str(signal.name), named))

    for each in watched:
        each.connect(hear, weak=False)
    try:
        yield told
    finally:
        for each in watched:
            each.disconnect(hear)


def run(app: LabApp, work: Work, result: AsyncResult[Any]) -> Ending:
    (sent,) = app.lab_broker.take()
    return work(job_of(sent))


@pytest.fixture
def fail(app: LabApp) -> Any:
    @app.task(name="fail")
    def fail(*args: Any) -> None:
        raise ValueError("boom")

    return fail


# -- success ---------------------------------------------------------------------------------------


def test_a_success_is_stored_as_recorded(app: LabApp, work: Work) -> None:
    """What is stored for a success is the text that Celery stores."""
    add = app.task(name="add")(lambda x, y: x + y)
    result = add.delay(2, 3)

    ending = run(app, work, result)

    assert ending.kind is EndingKind.SUCCEEDED
    assert ending.summary == "5"
    assert ending.result is not None
    assert ending.result.expires_s == 86400
    assert ending.result.payload == (
        b'{"status": "SUCCESS", "result": 5, "traceback": null, "children": [], '
        b'"date_done": "2027-01-15T08:00:00+00:00", "task_id": "%s"}' % result.id.encode()
    )


def test_result_extended_adds_what_was_called(app: LabApp, work: Work) -> None:
    """With result_extended name, arguments, worker, retries and queue are stored as well."""
    app.conf.result_extended = True
    add = app.task(name="add")(lambda x, y: x + y)

    ending = run(app, work, add.delay(2, y=3))

    assert ending.result is not None
    meta = meta_of(ending.result)
    assert {key: meta[key] for key in ("name", "args", "kwargs", "worker", "retries", "queue")} == {
        "name": "add",
        "args": [2],
        "kwargs": {"y": 3},
        "worker": "w1@host",
        "retries": 0,
        "queue": "celery",
    }


@pytest.mark.parametrize(
    ("on_task", "on_call", "stored"),
    [(False, None, True), (True, None, False), (True, False, True), (False, True, False)],
)
def test_an_ignored_result_is_not_stored(
    app: LabApp, work: Work, on_task: bool, on_call: bool | None, stored: bool
) -> None:
    """The call says whether its result is stored, and where it does not, the task."""
    task = app.task(name="t", ignore_result=on_task)(lambda: 1)

    options: dict[str, Any] = {} if on_call is None else {"ignore_result": on_call}
    result = task.apply_async(**options)

    assert (run(app, work, result).result is not None) is stored
    assert result.ignored is not stored


def test_the_request_says_what_was_sent(app: LabApp, work: Work) -> None:
    """A body sees in its request everything that the message says."""
    seen: dict[str, Any] = {}

    @app.task(name="look", bind=True)
    def look(self: Any, x: int) -> None:
        request = self.request
        seen.update(
            {name: getattr(request, name) for name in ("id", "args", "kwargs", "headers", "origin")}
        )
        seen["direct"] = request.called_directly
        seen["hostname"] = request.hostname
        seen["key"] = request.delivery_info["routing_key"]
        seen["current"] = current.get_current_task() is self
        seen["options"] = request.as_execution_options()["headers"]
        seen["my"] = request.my

    result = look.apply_async((1,), headers={"my": "v"})
    run(app, work, result)

    assert seen == {
        "id": result.id,
        "args": [1],
        "kwargs": {},
        "headers": {"my": "v"},
        "origin": "gen42@host",
        "direct": False,
        "hostname": "w1@host",
        "key": "celery",
        "current": True,
        "options": {"my": "v"},
        "my": "v",
    }
    assert current.get_current_task() is None
    assert look.request.called_directly


def test_a_task_that_is_called_by_a_body_has_a_request_of_its_own(app: LabApp, work: Work) -> None:
    """A direct call inside of a body does not see the request of the worker."""
    inner_seen: list[Any] = []

    @app.task(name="inner", bind=True)
    def inner(self: Any) -> None:
        inner_seen.append((self.request.called_directly, app.current_worker_task.name))

    @app.task(name="outer", bind=True)
    def outer(self: Any, deep: bool) -> Any:
        inner()
        if deep:
            outer(False)
        return self.request.id

    ending = run(app, work, outer.delay(True))

    assert inner_seen == [(True, "outer"), (True, "outer")]
    assert ending.kind is EndingKind.SUCCEEDED


def test_an_own_call_method_is_called(app: LabApp, work: Work) -> None:
    """A base class with its own __call__ wraps the body, with the worker's request."""
    seen: list[Any] = []

    class Wrapped(Task[..., Any]):
        abstract = True

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            seen.append(self.request.id)
            return ["wrapped", super().__call__(*args, **kwargs)]

    @app.task(name="t", base=Wrapped, bind=True)
    def t(self: Any) -> Any:
        return self.request.id

    result = t.delay()
    ending = run(app, work, result)

    assert seen == [result.id]
    assert ending.result is not None
    assert meta_of(ending.result)["result"] == ["wrapped", result.id]


def test_started_is_stored_before_the_body(app: LabApp, work: Work, store: DictStore) -> None:
    """With track_started the state STARTED is written, with process and node."""
    states_seen: list[Any] = []

    @app.task(name="t", track_started=True, bind=True)
    def t(self: Any) -> None:
        states_seen.append(meta_of(store.records[self.request.id]))

    run(app, work, t.delay())

    assert states_seen[0]["status"] == "STARTED"
    assert states_seen[0]["result"] == {"pid": 42, "hostname": "w1@host"}
    assert states_seen[0]["date_done"] is None


def test_update_state_is_stored_at_once(app: LabApp, work: Work, store: DictStore) -> None:
    """A body may store states of its own while it runs."""

    @app.task(name="t", bind=True)
    def t(self: Any) -> str:
        self.update_state(state="PROGRESS", meta={"done": 1})
        return "ok"

    result = t.delay()
    drain(app, work)

    assert [record.state for record in store.stored] == ["PROGRESS", "SUCCESS"]
    assert result.get() == "ok"


def test_coroutines_are_run_to_their_end(app: LabApp, work: Work) -> None:
    """A coroutine function runs on a loop of the thread, and has the request."""

    @app.task(name="t", bind=True)
    async def t(self: Any, x: int) -> Any:
        await asyncio.sleep(0)
        return [x, self.request.id]

    result = t.delay(1)
    (sent,) = app.lab_broker.take()
    job = job_of(sent)

    assert work.is_async(job)
    assert work(job).summary == f"[1, '{result.id}']"
    assert work(job).summary == f"[1, '{result.id}']"


def test_awaited_bodies_keep_their_requests_apart(app: LabApp, work: Work) -> None:
    """Bodies that run side by side on one loop see each their own request."""

    @app.task(name="t", bind=True)
    async def t(self: Any) -> Any:
        before = self.request.id
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return before == self.request.id

    for _ in range(3):
        t.delay()
    jobs = [job_of(each) for each in app.lab_broker.take()]

    async def all_of_them() -> list[Ending]:
        return list(await asyncio.gather(*(work.awaitable(job) for job in jobs)))

    endings = asyncio.run(all_of_them())

    assert [each.summary for each in endings] == ["True"] * 3


# -- handlers and signals --------------------------------------------------------------------------


class Telling(Task[..., Any]):
    """A base class that writes down which of its handlers is called."""

    abstract = True
    told: list[Any]

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        self.told.append(("before_start", args))

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        self.told.append(("on_success", retval))

    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        self.told.append(("on_failure", exc, "boom" in str(einfo)))

    def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        self.told.append(("on_retry", exc))

    def after_return(
        self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any
    ) -> None:
        self.told.append(("after_return", status, retval))


def test_handlers_of_a_success(app: LabApp, work: Work) -> None:
    """A success calls before_start, on_success and after_return, in this order."""
    t: Any = app.task(name="t", base=Telling, told=[])(lambda x: x)

    run(app, work, t.delay(5))

    assert t.told == [("before_start", [5]), ("on_success", 5), ("after_return", "SUCCESS", 5)]


def test_handlers_of_a_failure(app: LabApp, work: Work) -> None:
    """A failure calls on_failure with the exception and its traceback, and after_return."""
    error = ValueError("boom")

    def body() -> None:
        raise error

    t: Any = app.task(name="t", base=Telling, told=[])(body)
    run(app, work, t.delay())

    assert t.told[1:] == [("on_failure", error, True), ("after_return", "FAILURE", error)]


def test_a_failing_handler_changes_nothing(app: LabApp, work: Work) -> None:
    """What a handler raises is told as an internal error; the task has still succeeded."""

    class Bad(Task[..., Any]):
        abstract = True

        def on_success(self, *args: Any) -> None:
            raise RuntimeError("handler")

    t = app.task(name="t", base=Bad)(lambda: 1)

    with heard(signals.task_internal_error) as told:
        ending = run(app, work, t.delay())

    assert ending.kind is EndingKind.SUCCEEDED
    assert [str(named["exception"]) for _, named in told] == ["handler"]


def test_signals_of_a_success(app: LabApp, work: Work) -> None:
    """Prerun, success and postrun are told, in this order."""
    t = app.task(name="t")(lambda x: x)

    with heard(signals.task_prerun, signals.task_success, signals.task_postrun) as told:
        run(app, work, t.delay(5))

    assert [name for name, _ in told] == ["task_prerun", "task_success", "task_postrun"]
    assert told[0][1]["args"] == [5]
    assert told[1][1]["result"] == 5
    assert told[2][1]["state"] == "SUCCESS"
    assert told[2][1]["sender"] == t


def test_signals_of_a_failure(app: LabApp, work: Work, fail: Any) -> None:
    """A failure is told with exception, arguments and traceback."""
    with heard(signals.task_failure, signals.task_postrun) as told:
        run(app, work, fail.delay(1))

    failure, postrun = (named for _, named in told)
    assert str(failure["exception"]) == "boom"
    assert failure["args"] == [1]
    assert "boom" in failure["einfo"].traceback
    assert postrun["state"] == "FAILURE"


# -- failure ---------------------------------------------------------------------------------------


def test_a_failure_is_stored_with_its_traceback(app: LabApp, work: Work, fail: Any) -> None:
    """What is stored for a failure names class, arguments and module, and begins in user code."""
    ending = run(app, work, fail.delay())

    assert ending.kind is EndingKind.FAILED
    assert not ending.expected
    assert ending.result is not None
    meta = meta_of(ending.result)
    assert meta["result"] == {
        "exc_type": "ValueError",
        "exc_message": ["boom"],
        "exc_module": "builtins",
    }
    assert meta["traceback"].startswith("Traceback")
    assert "run_task.py" not in meta["traceback"]
    assert meta["traceback"] == ending.traceback


def test_a_declared_exception_is_an_expected_failure(app: LabApp, work: Work) -> None:
    """A failure that a task names in throws is marked as expected."""

    @app.task(name="t", throws=(KeyError,))
    def t() -> None:
        raise KeyError("k")

    assert run(app, work, t.delay()).expected


def test_failures_of_ignored_tasks_may_be_stored(app: LabApp, work: Work) -> None:
    """With store_errors_even_if_ignored failures are stored though results are not."""

    def body() -> None:
        raise ValueError

    silent = app.task(name="silent", ignore_result=True)(body)
    loud = app.task(name="loud", ignore_result=True, store_errors_even_if_ignored=True)(body)

    assert run(app, work, silent.delay()).result is None
    assert run(app, work, loud.delay()).result is not None


def test_a_result_that_cannot_be_stored_is_a_failure(app: LabApp, work: Work) -> None:
    """A result that the serializer refuses makes the task fail with EncodeError."""
    t = app.task(name="t")(object)

    ending = run(app, work, t.delay())

    assert ending.kind is EndingKind.FAILED
    assert ending.result is not None
    assert meta_of(ending.result)["result"]["exc_type"] == "EncodeError"


def test_a_soft_time_limit_is_a_failure_unless_it_is_caught(app: LabApp, work: Work) -> None:
    """SoftTimeLimitExceeded fails the task like any other exception."""

    @app.task(name="t")
    def t() -> None:
        raise SoftTimeLimitExceeded(3)

    ending = run(app, work, t.delay())

    assert ending.result is not None
    assert meta_of(ending.result)["result"]["exc_type"] == "SoftTimeLimitExceeded"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_what_ends_the_process_passes_through(
    app: LabApp, work: Work, error: type[BaseException]
) -> None:
    """SystemExit and KeyboardInterrupt are for the pool, and leave no request behind."""

    @app.task(name="t")
    def t() -> None:
        raise error

    t.delay()
    with pytest.raises(error):
        work(job_of(app.lab_broker.take()[0]))

    assert current.frames.get() is None


# -- how a body may want to end --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind", "state"),
    [
        (Ignore(), EndingKind.IGNORED, None),
        (Reject("no", requeue=True), EndingKind.REQUEUED, None),
        (Reject("no", requeue=False), EndingKind.REJECTED, "FAILURE"),
    ],
)
def test_a_body_says_how_it_ends(
    app: LabApp, work: Work, error: Exception, kind: EndingKind, state: str | None
) -> None:
    """Ignore leaves the state alone, Reject requeues or is stored as a failure."""

    @app.task(name="t")
    def t() -> None:
        raise error

    ending = run(app, work, t.delay())

    assert ending.kind is kind
    assert (ending.result.state if ending.result else None) == state


def test_a_retry_is_the_same_call_once_more(app: LabApp, work: Work) -> None:
    """A retry keeps the id and what was said, counts one more, and waits."""

    @app.task(name="t", bind=True)
    def t(self: Any, x: int) -> None:
        raise self.retry(exc=KeyError("again"), countdown=10)

    result = t.apply_async((5,), queue="other", headers={"my": "v"}, priority=3)
    ending = run(app, work, result)

    (again,) = ending.follow_ups
    headers = again.message.headers
    assert ending.kind is EndingKind.RETRIED
    assert headers["id"] == headers["parent_id"] == headers["root_id"] == result.id
    assert headers["retries"] == 1
    assert headers["eta"] == "2027-01-15T08:00:10+00:00"
    assert headers["my"] == "v"
    assert again.routing_key == "other"
    assert again.message.properties["priority"] == 3
    assert body_of(again)[0] == [5]
    assert ending.result is not None
    meta = meta_of(ending.result)
    assert meta["status"] == "RETRY"
    assert meta["result"]["exc_type"] == "KeyError"
    assert meta["children"] == [[[result.id, None], None]]


def test_retries_end_with_the_exception_that_was_given(app: LabApp, work: Work) -> None:
    """When no retry is left the task fails with what retry was given, or with an own error."""

    @app.task(name="given", bind=True, max_retries=2)
    def given(self: Any) -> None:
        raise self.retry(exc=KeyError("k"), countdown=0)

    @app.task(name="own", bind=True, max_retries=1)
    def own(self: Any) -> None:
        raise self.retry(countdown=0)

    one, other = given.delay(), own.delay()
    endings = drain(app, work)

    assert [each.kind for each in endings].count(EndingKind.RETRIED) == 3
    with pytest.raises(KeyError):
        one.get()
    with pytest.raises(Exception, match=r"Can't retry own\["):
        other.get()


def test_a_retry_that_does_not_throw_is_sent_at_once(app: LabApp, work: Work) -> None:
    """With throw=False the body goes on, and the retry is on its way already."""

    @app.task(name="t", bind=True)
    def t(self: Any) -> str:
        self.retry(throw=False, countdown=1)
        return "went on"

    ending = run(app, work, t.delay())

    assert ending.summary == "'went on'"
    assert [each.message.headers["retries"] for each in app.lab_broker.sent] == [1]


def test_a_replacement_has_the_id_of_the_task(app: LabApp, work: Work) -> None:
    """Replace sends another task under the same id, and leaves the state alone."""
    add = app.task(name="add")(lambda x, y: x + y)

    @app.task(name="t", bind=True)
    def t(self: Any, x: int) -> None:
        self.replace(add.s(x, 10))

    result = t.delay(5)
    ending = run(app, work, result)

    (sent,) = ending.follow_ups
    assert ending.kind is EndingKind.REPLACED
    assert ending.result is None
    assert sent.message.headers["id"] == result.id
    assert sent.message.headers["replaced_task_nesting"] == 1


# -- messages that cannot be run -------------------------------------------------------------------


def job(**changes: Any) -> Job:
    given: dict[str, Any] = {
        "token": 7,
        "headers": {"task": "t", "id": "i"},
        "body": b"[[], {}, {}]",
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "properties": {},
        "delivery_info": {},
    }
    return Job(**{**given, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"content_type": "application/x-python-serialize"},
        {"body": b"{"},
        {"body": b"[1]"},
        {"body": b"[[], [], {}]"},
        {"headers": {}, "body": b"[]"},
    ],
)
def test_what_is_no_task_is_malformed(app: LabApp, work: Work, changes: dict[str, Any]) -> None:
    """A body that is refused or cannot be read is malformed, and nothing is stored."""
    app.task(name="t")(lambda: None)

    with heard(signals.task_rejected) as told:
        ending = work(job(**changes))

    assert (ending.token, ending.kind, ending.result) == (7, EndingKind.MALFORMED, None)
    assert len(told) == 1


def test_a_minimal_message_is_enough(app: LabApp, work: Work) -> None:
    """Headers with task and id, and a body of three parts, are a task."""
    app.task(name="t")(lambda: 5)

    assert work(job()).summary == "5"


def test_a_minimal_message_of_protocol_1_is_enough(app: LabApp, work: Work) -> None:
    """A body with task, id and args is a task as well."""
    app.task(name="t")(lambda x: x)
    body = json.dumps({"task": "t", "id": "i", "args": [5]}).encode()

    assert work(job(headers={}, body=body)).summary == "5"


def test_an_unknown_task_is_stored_as_a_failure(app: LabApp, work: Work) -> None:
    """A name that nobody registered is stored as NotRegistered."""
    with heard(signals.task_unknown) as told:
        ending = work(job(headers={"task": "nobody", "id": "i"}))

    assert ending.kind is EndingKind.UNKNOWN
    assert ending.result is not None
    assert meta_of(ending.result)["result"]["exc_type"] == "NotRegistered"
    assert told[0][1]["name"] == "nobody"


def test_a_broken_store_is_an_ending_too(app: LabApp, work: Work, store: DictStore) -> None:
    """What goes wrong beside the body fails the job; the slot goes on."""

    def broken(records: Any) -> None:
        raise ConnectionError("no store")

    app.task(name="t", track_started=True)(lambda: None)
    store.store = broken  # type: ignore[method-assign]  # a store that is down

    chained = json.dumps([[], {}, {"chain": [{"task": "t", "options": {"task_id": "y"}}]}])
    for each in (job(), job(body=chained.encode())):
        ending = work(each)

        assert ending.kind is EndingKind.FAILED
        assert "no store" in ending.summary


# -- endings without a body ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "reason", "state", "exc_type"),
    [
        (EndingKind.REVOKED, "expired", "REVOKED", "TaskRevokedError"),
        (EndingKind.TIMED_OUT, "", "FAILURE", "TimeLimitExceeded"),
        (EndingKind.LOST, "exitcode 9", "FAILURE", "WorkerLostError"),
        (EndingKind.UNKNOWN, "t", "FAILURE", "NotRegistered"),
    ],
)
def test_endings_without_a_body(
    app: LabApp, work: Work, kind: EndingKind, reason: str, state: str, exc_type: str
) -> None:
    """What is revoked, too slow, lost or unknown is stored with a class of its own."""
    app.task(name="t")(lambda: None)

    ending = work.conclude(job(), kind, reason, {})

    assert ending.kind is kind
    assert ending.result is not None
    assert meta_of(ending.result)["status"] == state
    assert meta_of(ending.result)["result"]["exc_type"] == exc_type


def test_a_revoked_task_is_told(app: LabApp, work: Work) -> None:
    """Task_revoked says whether the task expired or was terminated."""
    app.task(name="t")(lambda: None)

    with heard(signals.task_revoked) as told:
        work.conclude(job(), EndingKind.REVOKED, "expired", {})
        work.conclude(job(), EndingKind.REVOKED, "terminated", {"signum": 15})

    assert [(n["expired"], n["terminated"], n["signum"]) for _, n in told] == [
        (True, False, None),
        (False, True, 15),
    ]


def test_a_lost_task_may_be_retried(app: LabApp, work: Work) -> None:
    """With retry_on_worker_lost a lost task is sent again, as long as retries are left."""
    app.task(name="t", retry_on_worker_lost=True, max_retries=1)(lambda: None)
    headers = {"task": "t", "id": "i"}

    first = work.conclude(job(headers=headers), EndingKind.LOST, "exitcode 9", {})
    last = work.conclude(job(headers={**headers, "retries": 1}), EndingKind.LOST, "", {})

    assert first.kind is EndingKind.RETRIED
    assert first.follow_ups[0].message.headers["retries"] == 1
    assert last.kind is EndingKind.LOST


def test_errbacks_of_both_styles(app: LabApp, work: Work, broker: RecordingBroker) -> None:
    """An errback of one argument is sent the id, one of three is called here."""
    called: list[Any] = []

    @app.task(name="old")
    def old(task_id: str) -> None: ...

    @app.task(name="new")
    def new(request: Any, exc: Any, traceback: Any) -> None:
        called.append((request.id, str(exc), "boom" in traceback))

    @app.task(name="star")
    def star(*args: Any) -> None:
        called.append(len(args))

    @app.task(name="fail")
    def fail() -> None:
        raise ValueError("boom")

    result = fail.apply_async(link_error=[old.s(), new.s(), star.s(), old.si("own")])
    ending = run(app, work, result)

    assert called == [(result.id, "boom", True), 3]
    assert [body_of(each)[0] for each in ending.follow_ups] == [[result.id], ["own"]]
    assert [each.message.headers["group_index"] for each in ending.follow_ups] == [0, 1]


def test_the_traits_of_a_task_are_filled_from_the_settings(app: LabApp, work: Work) -> None:
    """What the core must know of a task stands in its traits; an unknown task has none."""
    app.conf.update(task_acks_late=True, task_default_rate_limit="10/m", task_time_limit=60)
    app.task(name="t")(lambda: None)
    app.task(name="u", acks_late=False, acks_on_failure_or_timeout=False, time_limit=5)(
        lambda: None
    )

    t, u = work.traits("t"), work.traits("u")

    assert t is not None
    assert u is not None
    assert (t.acks_late, t.rate_limit, t.time_limit_s, t.acks_on_failure) == (
        True,
        "10/m",
        60,
        True,
    )
    assert (u.acks_late, u.time_limit_s, u.acks_on_failure, u.acks_on_timeout) == (
        False,
        5,
        False,
        False,
    )
    assert work.traits("nobody") is None


# -- what is rare ----------------------------------------------------------------------------------


def test_headers_of_one_protocol_and_a_body_of_the_other_are_understood(
    app: LabApp, work: Work
) -> None:
    """Some senders mix them."""
    app.task(name="t")(lambda x, y: x + y)
    body = json.dumps({"args": [1], "kwargs": {"y": 2}}).encode()

    assert work(job(body=body)).summary == "3"


def test_what_cannot_be_read_is_malformed_however_it_ends(app: LabApp, work: Work) -> None:
    """Nothing is stored for it, since nobody knows whose it was."""
    ending = work.conclude(job(body=b"{"), EndingKind.TIMED_OUT, "", {})

    assert (ending.kind, ending.result) == (EndingKind.MALFORMED, None)


def test_a_handler_that_raises_changes_nothing_of_a_loss(
    app: LabApp, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged."""

    class Clumsy(Task[..., Any]):
        def on_failure(self, *args: Any, **kwargs: Any) -> None:
            raise KeyError("handler")

    app.task(name="t", base=Clumsy)(lambda: None)
    ending = work.conclude(job(), EndingKind.LOST, "exitcode 9", {})

    assert ending.kind is EndingKind.LOST
    assert "KeyError raised beside its body" in caplog.text


def test_where_results_are_ignored_nothing_is_stored(app: LabApp, work: Work) -> None:
    """Neither of a loss, nor of a revocation, nor of the steps that will not come."""
    app.task(name="t", ignore_result=True, retry_on_worker_lost=True)(lambda: None)
    chained = json.dumps([[], {}, {"chain": [{"task": "t", "options": {"task_id": "y"}}]}]).encode()

    headers = {"task": "t", "id": "i", "ignore_result": None}
    way = {"exchange": "media", "routing_key": "m.a"}

    lost = job(headers=headers, delivery_info=way)
    retried = work.conclude(lost, EndingKind.LOST, "", {})
    revoked = work.conclude(job(headers=headers), EndingKind.REVOKED, "revoked", {})
    failed = work.conclude(job(headers=headers, body=chained), EndingKind.TIMED_OUT, "", {})

    assert [each.result for each in (retried, revoked, failed)] == [None, None, None]
    assert app.lab_store.records == {}
    (again,) = retried.follow_ups
    assert (again.exchange, again.routing_key) == ("media", "m.a")


def test_a_rejected_task_tells_its_errbacks(app: LabApp, work: Work) -> None:
    """It has failed, for all who wait for it."""

    @app.task(name="t")
    def t() -> None:
        raise Reject("not here")

    embed = {"errbacks": [{"task": "told", "options": {}}]}
    ending = work(job(body=json.dumps([[], {}, embed]).encode()))

    assert ending.kind is EndingKind.REJECTED
    assert [each.message.headers["task"] for each in ending.follow_ups] == ["told"]


def test_what_runs_on_a_loop_answers_always(
    app: LabApp, work: Work, store: DictStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where there is no body, and where something beside the body raises."""

    @app.task(name="t", track_started=True)
    async def t() -> None: ...

    def broken(records: Any) -> None:
        raise OSError("no store")

    unknown = asyncio.run(work.awaitable(job(headers={"task": "nobody", "id": "i"})))
    monkeypatch.setattr(store, "store", broken)
    failed = asyncio.run(work.awaitable(job()))

    assert (unknown.kind, failed.kind) == (EndingKind.UNKNOWN, EndingKind.FAILED)
