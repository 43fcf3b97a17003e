"""How a body asks to be run again, and what others hear of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskq import signals, states
from taskq.app.context import Context
from taskq.app.task import Task
from taskq.app.work import Work
from taskq.errors import Ignore, MaxRetriesExceededError, Reject, Retry, SoftTimeLimitExceeded
from taskq.ports import Ending, EndingKind, Outgoing
from tests.unit.app.fakes import LabApp, body_of, drain, job_of, meta_of
from tests.unit.app.test_work import Telling, heard

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)  # on the clock of the lab


def first_run(app: LabApp, work: Work, **options: Any) -> tuple[Ending, dict[str, Any]]:
    """Run the one message that is there; returns its ending, and the headers of the retry."""
    (sent,) = app.lab_broker.take()
    ending = work(job_of(sent))
    (again,) = ending.follow_ups
    return ending, dict(again.message.headers)


def retrying(app: LabApp, options: dict[str, Any], **task_options: Any) -> Any:
    """Make a task that retries with these options."""

    @app.task(name="t", bind=True, **task_options)
    def t(self: Any, *args: Any, **kwargs: Any) -> None:
        raise self.retry(**options)

    return t


# -- the options of retry ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"eta": NOW + timedelta(seconds=180), "retries": 1}),
        ({"countdown": 7}, {"eta": NOW + timedelta(seconds=7)}),
        ({"countdown": 0}, {"eta": None}),
        ({"eta": NOW + timedelta(hours=1)}, {"eta": NOW + timedelta(hours=1)}),
        ({"time_limit": 9, "soft_time_limit": 8}, {"timelimit": [9, 8]}),
        ({"shadow": "other name"}, {"shadow": "other name"}),
        ({"ignore_result": True}, {"ignore_result": True}),
    ],
)
def test_a_retry_takes_the_options_of_a_call(
    app: LabApp, work: Work, options: dict[str, Any], expected: dict[str, Any]
) -> None:
    """When it is to run, and anything that ``apply_async`` takes."""
    retrying(app, options).delay()
    _, headers = first_run(app, work)
    if headers["eta"] is not None:
        headers["eta"] = datetime.fromisoformat(headers["eta"])

    assert {name: headers[name] for name in expected} == expected


def test_a_retry_may_go_to_another_queue_with_other_arguments(app: LabApp, work: Work) -> None:
    """``args``, ``kwargs``, ``queue`` and ``priority`` replace what there was."""
    options = {"args": (7,), "kwargs": {"k": 9}, "queue": "slow", "priority": 2}
    retrying(app, options).apply_async((1,), {"k": 1}, queue="fast", priority=8)
    (sent,) = app.lab_broker.take()
    (again,) = work(job_of(sent)).follow_ups

    assert body_of(again)[:2] == [[7], {"k": 9}]
    assert again.routing_key == "slow"
    assert again.message.properties["priority"] == 2


def test_a_retry_keeps_what_the_first_call_said(app: LabApp, work: Work) -> None:
    """Limits, expiry, name, stamps, headers, links; its id, and who began it all."""
    task = retrying(app, {"countdown": 1})
    task.apply_async(
        (1,),
        expires=NOW + timedelta(hours=2),
        time_limit=30,
        soft_time_limit=20,
        shadow="shown",
        headers={"x": "y"},
        link=task.si(),
        parent_id="from",
        root_id="root",
        group_id="g",
        group_index=3,
        reply_to="me",
    )
    (sent,) = app.lab_broker.take()
    (again,) = work(job_of(sent)).follow_ups
    before, after = sent.message.headers, again.message.headers
    same = ("id", "task", "root_id", "parent_id", "group", "group_index", "origin")
    same += ("timelimit", "shadow", "x")

    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert datetime.fromisoformat(after["expires"]) == NOW + timedelta(hours=2)
    assert body_of(again)[2]["callbacks"] == body_of(sent)[2]["callbacks"] != []
    assert again.message.properties["reply_to"] == sent.message.properties["reply_to"]


def test_the_default_delay_is_the_task_s(app: LabApp, work: Work) -> None:
    """``default_retry_delay`` counts where the retry says nothing."""
    retrying(app, {}, default_retry_delay=5).delay()

    _, headers = first_run(app, work)
    assert datetime.fromisoformat(headers["eta"]) == NOW + timedelta(seconds=5)


# -- when no retry is left -----------------------------------------------------------------------


def endings_of(app: LabApp, work: Work, task: Any) -> tuple[int, Any]:
    """Run a call to its end; returns how often its body ran, and its result."""
    result = task.delay()
    runs = len(drain(app, work))
    return runs, result.result


@pytest.mark.parametrize(
    ("task_max", "max_retries", "runs"),
    [(2, None, 3), (0, None, 1), (5, 1, 2), (0, 2, 3), (None, 1, 2)],
)
def test_a_retry_says_how_many_there_may_be(
    app: LabApp, work: Work, task_max: int | None, max_retries: int | None, runs: int
) -> None:
    """It counts more than the task."""
    options = {"countdown": 0, "exc": KeyError("given"), "max_retries": max_retries}
    ran, error = endings_of(app, work, retrying(app, options, max_retries=task_max))

    assert (ran, repr(error)) == (runs, "KeyError('given')")


def test_without_an_exception_of_its_own_it_is_max_retries_exceeded(
    app: LabApp, work: Work
) -> None:
    """With the call that could not be retried; also while another exception is handled."""

    @app.task(name="t", bind=True, max_retries=0)
    def t(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            raise self.retry(countdown=0) from None

    result = t.delay(1, k=2)
    drain(app, work)

    assert type(result.result) is MaxRetriesExceededError
    assert str(result.result) == f"Can't retry t[{result.id}] args:(1,) kwargs:{{'k': 2}}"


def test_the_exception_may_be_given_as_a_class(app: LabApp, work: Work) -> None:
    """As ``raise`` takes it."""
    options = {"exc": KeyError, "countdown": 0}
    ran, error = endings_of(app, work, retrying(app, options, max_retries=1))

    assert (ran, repr(error)) == (2, "KeyError()")


def test_a_maximum_that_a_retry_has_said_holds_for_autoretries_after_it(
    app: LabApp, work: Work
) -> None:
    """Of this call; others of the task keep to the task's own."""
    seen: list[dict[str, Any] | None] = []

    @app.task(name="t", bind=True, autoretry_for=(KeyError,), max_retries=5, default_retry_delay=0)
    def t(self: Any, says: bool) -> None:
        seen.append(self.request.headers)
        if says and not self.request.retries:
            raise self.retry(max_retries=2, countdown=0, headers={"my": "v"})
        raise KeyError

    t.delay(True)
    said = len(drain(app, work))
    t.delay(False)

    assert said == 3
    assert seen == [None, {"my": "v"}, {"my": "v"}]
    assert len(drain(app, work)) == 6


# -- autoretry -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "etas_s"),
    [
        ({"retry_kwargs": {"max_retries": 2, "countdown": 3}}, [3, 3]),
        ({"default_retry_delay": 4, "max_retries": 1}, [4]),
        ({"retry_backoff": True, "retry_jitter": False, "max_retries": 4}, [1, 2, 4, 8]),
        ({"retry_backoff": 3, "retry_jitter": False, "max_retries": 3}, [3, 6, 12]),
        (
            {"retry_backoff": 3, "retry_backoff_max": 5, "retry_jitter": False, "max_retries": 3},
            [3, 5, 5],
        ),
        ({"retry_kwargs": {"max_retries": 0}}, []),
    ],
)
def test_an_autoretry_waits_as_the_task_says(
    app: LabApp, work: Work, options: dict[str, Any], etas_s: list[int]
) -> None:
    """Each pause, and how many there are."""

    @app.task(name="t", autoretry_for=(KeyError,), **options)
    def t() -> None:
        raise KeyError("k")

    t.delay()
    pauses: list[float] = []
    while waiting := app.lab_broker.take():
        ending = work(job_of(waiting[0]))
        app.lab_broker.publish(ending.follow_ups)
        pauses += [pause_s(each) for each in ending.follow_ups]

    assert pauses == etas_s
    assert ending.kind is EndingKind.FAILED


def pause_s(message: Outgoing) -> float:
    return (datetime.fromisoformat(message.message.headers["eta"]) - NOW).total_seconds()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (KeyError("k"), EndingKind.RETRIED),
        (SoftTimeLimitExceeded(), EndingKind.RETRIED),
        (IndexError("spared"), EndingKind.FAILED),
        (Ignore(), EndingKind.IGNORED),
        (Retry(), EndingKind.RETRIED),
        (Reject(requeue=False), EndingKind.RETRIED),
    ],
)
def test_an_autoretry_takes_what_it_is_told_and_spares_the_rest(
    app: LabApp, work: Work, error: Exception, kind: EndingKind
) -> None:
    """``dont_autoretry_for``, and what is no error."""

    @app.task(name="t", autoretry_for=(Exception,), dont_autoretry_for=(IndexError,))
    def t() -> None:
        raise error

    t.delay()
    (ending,) = [work(job_of(each)) for each in app.lab_broker.take()]

    assert ending.kind is kind


# -- what is stored and told ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (Retry(), None),
        (Retry("later", when=3), None),
        (Retry("later", exc=KeyError("k")), "KeyError"),
    ],
)
def test_a_retry_that_is_raised_by_hand_is_a_state_and_no_more(
    app: LabApp, work: Work, error: Retry, result: str | None
) -> None:
    """Nothing is sent; the reason, if there is one, is stored."""

    @app.task(name="t")
    def t() -> None:
        raise error

    t.delay()
    (ending,) = [work(job_of(each)) for each in app.lab_broker.take()]
    assert ending.result is not None
    meta = meta_of(ending.result)

    assert (ending.kind, ending.follow_ups) == (EndingKind.RETRIED, ())
    assert meta["status"] == states.RETRY
    assert (meta["result"] or {}).get("exc_type") == result
    assert "Retry" in meta["traceback"]


@pytest.mark.parametrize("error", [None, KeyError("k")])
def test_handlers_and_signals_of_a_retry(app: LabApp, work: Work, error: Exception | None) -> None:
    """``on_retry`` gets the reason, postrun the ``Retry``; ``after_return`` waits for the end."""
    t: Any = app.task(name="t", bind=True, base=Telling, told=[])(
        lambda self: self.retry(exc=error, countdown=1)
    )

    with heard(signals.task_retry, signals.task_failure, signals.task_postrun) as told:
        t.delay()
        first_run(app, work)

    assert t.told[1:] == [("on_retry", error)]
    assert [name for name, _ in told] == ["task_retry", "task_postrun"]
    assert isinstance(told[0][1]["reason"], Retry)
    assert told[0][1]["request"].retries == 0
    assert told[1][1]["retval"] is told[0][1]["reason"]
    assert told[1][1]["state"] == states.RETRY


def test_a_rejection_is_a_failure_for_those_who_watch(app: LabApp, work: Work) -> None:
    """The signal is sent; the task's own handlers are for what the body did not want."""
    error = Reject("no", requeue=False)

    def body() -> None:
        raise error

    t: Any = app.task(name="t", base=Telling, told=[])(body)
    with heard(signals.task_failure) as told:
        t.delay()
        drain(app, work)

    assert [named["exception"] for _, named in told] == [error]
    assert told[0][1]["einfo"].exception is error
    assert [name for name, *_ in t.told] == ["before_start"]


def test_a_message_that_goes_back_is_no_failure(app: LabApp, work: Work) -> None:
    """Nobody is told anything."""

    @app.task(name="t")
    def t() -> None:
        raise Reject("no", requeue=True)

    with heard(signals.task_failure, signals.task_retry) as told:
        t.delay()
        (ending,) = [work(job_of(each)) for each in app.lab_broker.take()]

    assert (told, ending.kind) == ([], EndingKind.REQUEUED)


def test_an_expected_failure_is_told_like_any_other(app: LabApp, work: Work) -> None:
    """``throws`` changes how loud the log is, and that alone."""

    @app.task(name="t", throws=(KeyError,))
    def t() -> None:
        raise KeyError("k")

    with heard(signals.task_failure) as told:
        t.delay()
        (ending,) = drain(app, work)

    assert (ending.expected, len(told)) == (True, 1)


def test_headers_that_our_workers_write_are_not_the_caller_s() -> None:
    """They are not shown, and a call that is made again does not take them along."""
    request = Context(id="i", my="v")
    request.update({"_sent": {"id": "i", "my": "v", "taskq-attempts": 4}})

    assert request.headers == {"my": "v"}
    assert request.our_header("attempts") == 4
    assert request.our_header("other") is None
    assert request.as_execution_options()["headers"] == {"my": "v"}


# -- soft time limits ----------------------------------------------------------------------------


class Guarding:
    """Writes down when it is armed and disarmed."""

    def __init__(self, told: list[Any]) -> None:
        self.told = told

    def arm(self) -> None:
        self.told.append("arm")

    def disarm(self) -> None:
        self.told.append("disarm")

    def passed(self) -> None:
        self.told.append("passed")


def test_a_soft_limit_guards_the_body_and_nothing_around_it(app: LabApp, work: Work) -> None:
    """Handlers and signals stand outside."""
    told: list[Any] = []

    class Guarded(Task[..., Any]):
        abstract = True

        def before_start(self, *args: Any) -> None:
            told.append("before_start")

        def on_success(self, *args: Any) -> None:
            told.append("on_success")

        def after_return(self, *args: Any) -> None:
            told.append("after_return")

    @app.task(name="t", base=Guarded)
    def t() -> None:
        told.append("body")

    t.delay()
    ending = work(job_of(app.lab_broker.take()[0]), Guarding(told))

    assert ending.kind is EndingKind.SUCCEEDED
    assert told == ["before_start", "arm", "body", "disarm", "on_success", "after_return"]


@pytest.mark.parametrize("on_loop", [False, True])
def test_a_coroutine_has_a_soft_limit_too(app: LabApp, work: Work, on_loop: bool) -> None:
    """On the caller's loop, and where the runner makes one."""
    told: list[Any] = []

    @app.task(name="t", soft_time_limit=0.01)
    async def t() -> None:
        await asyncio.sleep(600)

    t.delay()
    job, guard = job_of(app.lab_broker.take()[0], soft_time_limit_s=0.01), Guarding(told)
    ending = asyncio.run(work.awaitable(job, guard)) if on_loop else work(job, guard)

    assert (ending.kind, ending.summary) == (EndingKind.FAILED, "SoftTimeLimitExceeded()")
    assert told == ["passed"]


def test_a_coroutine_that_cancels_itself_has_failed(app: LabApp, work: Work) -> None:
    """It ends its own task, not the process that it runs in."""

    @app.task(name="t")
    async def t() -> None:
        raise asyncio.CancelledError("enough")

    t.delay()
    ending = work(job_of(app.lab_broker.take()[0]))

    assert (ending.kind, ending.summary) == (EndingKind.FAILED, "CancelledError('enough')")
    assert ending.result is not None
    assert meta_of(ending.result)["status"] == states.FAILURE


def test_a_coroutine_that_is_cancelled_from_outside_has_no_ending(app: LabApp, work: Work) -> None:
    """Whoever cancels it says what became of it."""

    @app.task(name="t")
    async def t() -> None:
        await asyncio.sleep(600)

    t.delay()
    job = job_of(app.lab_broker.take()[0])

    async def main() -> None:
        task = asyncio.create_task(work.awaitable(job))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(main())
