"""Tasks that run where they are called."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from taskq import signals
from taskq.app.eager.store import NeverComesError
from taskq.canvas.primitives import chain, chord, chunks, group, xmap
from taskq.errors import (
    ChordError,
    EncodeError,
    Ignore,
    Reject,
    TaskRevokedError,
    WorkerLostError,
)
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


def test_retries_wait_in_no_time(app: LabApp) -> None:
    """A retry counts, and begins when it is due, on a clock that leaps there."""
    seen: list[tuple[int, float]] = []

    @app.task(name="t", bind=True, max_retries=3)
    def t(self: Any) -> int:
        seen.append((self.request.retries, app.now().timestamp()))
        if self.request.retries < 2:
            raise self.retry(countdown=3600)
        return 5

    app.conf.task_always_eager = True

    assert t.delay().get() == 5
    start_s = seen[0][1]
    assert seen == [(0, start_s), (1, start_s + 3600), (2, start_s + 7200)]


def test_errbacks_hear_of_a_failure_once(app: LabApp) -> None:
    """Not once for each retry, and not of an attempt that is tried again."""
    told: list[Any] = []

    @app.task(name="tell")
    def tell(request: Any, exc: Any, _traceback: Any) -> None:
        told.append((request.retries, repr(exc)))

    @app.task(name="t", bind=True, max_retries=2)
    def t(self: Any) -> None:
        raise self.retry(exc=KeyError("k"), countdown=1)

    assert t.apply(link_error=tell.s()).state == "FAILURE"
    assert told == [(2, "KeyError('k')")]


def test_a_retry_is_no_failure_where_failures_are_raised(app: LabApp) -> None:
    """With task_eager_propagates only how it ends counts."""
    app.conf.task_eager_propagates = True

    @app.task(name="t", bind=True)
    def t(self: Any) -> str:
        if self.request.retries == 0:
            raise self.retry(exc=KeyError("k"))
        return "ended well"

    assert t.apply().get() == "ended well"


def test_a_retry_that_does_not_throw_runs_after_the_body(app: LabApp) -> None:
    """Its message waits, as it would in a queue."""
    seen: list[str] = []

    @app.task(name="t", bind=True)
    def t(self: Any) -> int:
        if self.request.retries == 0:
            self.retry(throw=False)
        seen.append(f"{self.request.retries} ends")
        return int(self.request.retries)

    assert t.apply().get() == 1
    assert seen == ["0 ends", "1 ends"]


def test_what_has_expired_does_not_run(app: LabApp, add: Any) -> None:
    """ETA and expiry are times on the same clock."""
    late = add.apply((1,), countdown=60, expires=10)
    in_time = add.apply((1,), countdown=5, expires=10)

    assert (late.state, in_time.state) == ("REVOKED", "SUCCESS")
    with pytest.raises(TaskRevokedError, match="expired"):
        late.get()


def test_a_rate_limit_costs_virtual_time_only(app: LabApp) -> None:
    """The tasks of one call keep it among each other."""
    seen: list[float] = []
    slow = app.task(name="slow", rate_limit="1/m")(lambda: seen.append(app.now().timestamp()))
    app.conf.task_always_eager = True

    group(slow.s(), slow.s(), slow.s())()

    assert [round(at_s - seen[0]) for at_s in seen] == [0, 60, 120]


def test_a_message_that_is_requeued_comes_again(app: LabApp) -> None:
    """Under late acks, and the request says so."""

    @app.task(name="t", bind=True, acks_late=True)
    def t(self: Any) -> str:
        if not self.request.delivery_info["redelivered"]:
            raise Reject("not yet", requeue=True)
        return "the second time"

    assert t.apply().get() == "the second time"


def test_a_message_that_is_rejected_is_a_failure(app: LabApp) -> None:
    """As it is stored by a worker."""

    @app.task(name="t", acks_late=True)
    def t() -> None:
        raise Reject("no")

    assert t.apply().state == "FAILURE"


def test_all_signals_of_a_worker_are_sent(app: LabApp, add: Any) -> None:
    """From before the message is published until after the body."""
    heard: list[str] = []
    names = (
        "before_task_publish", "after_task_publish", "task_received", "task_prerun",
        "task_success", "task_postrun",
    )  # fmt: skip

    with ExitStack() as stack:
        for name in names:
            signal = getattr(signals, name)
            receiver = partial(lambda name, **_told: heard.append(name), name)
            signal.connect(receiver, weak=False)
            stack.callback(signal.disconnect, receiver)
        add.apply((1, 2))

    assert heard == list(names)


def test_a_body_that_ends_its_process_is_lost(app: LabApp) -> None:
    """``SystemExit`` would end a worker's child; anything else that is no error is the caller's."""

    @app.task(name="leave")
    def leave() -> None:
        raise SystemExit(3)

    @app.task(name="interrupt")
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(WorkerLostError):
        leave.apply().get()
    with pytest.raises(KeyboardInterrupt):
        interrupt.apply()


def test_an_error_that_does_not_come_back_is_shown_as_it_comes(app: LabApp) -> None:
    """One whose class nobody else can find is another one for who reads its result."""

    class OwnError(Exception):
        pass

    @app.task(name="t")
    def t() -> None:
        raise OwnError("it was here")

    error = t.apply().result

    assert (type(error).__name__, isinstance(error, OwnError)) == ("OwnError", False)
    assert isinstance(error.__cause__, OwnError)


def test_what_a_body_sends_runs_before_the_call_returns(app: LabApp, add: Any) -> None:
    """Under task_always_eager; its parent and root are those of a worker."""
    app.conf.task_always_eager = True

    @app.task(name="inner", bind=True)
    def inner(self: Any) -> list[str]:
        return [self.request.root_id, self.request.parent_id]

    @app.task(name="outer")
    def outer() -> Any:
        return [add.delay(1, 2).get(), inner.delay().get()]

    assert outer.apply_async(task_id="top").get() == [3, ["top", "top"]]


def test_what_an_applied_body_sends_is_sent(app: LabApp, add: Any, broker: RecordingBroker) -> None:
    """A plain apply runs its own task and what follows from it, and nothing else."""
    outer = app.task(name="outer")(lambda: add.delay(1, 2).id)

    result = outer.apply(link=add.si(5))

    assert [each.message.headers["id"] for each in broker.sent] == [result.get()]


def test_states_of_its_own_can_be_read(app: LabApp) -> None:
    """Under task_always_eager the store is here, for as long as the outermost call goes on."""
    app.conf.task_always_eager = True

    @app.task(name="t", bind=True, track_started=True)
    def t(self: Any) -> Any:
        own = app.AsyncResult(self.request.id)
        before = own.state
        self.update_state(state="PROGRESS", meta={"done": 1})
        return [before, own.state, own.info]

    assert t.delay().get() == ["STARTED", "PROGRESS", {"done": 1}]


def test_nobody_waits_for_what_never_comes(app: LabApp) -> None:
    """A body that waits for a result that nobody makes is told so."""
    app.conf.task_always_eager = True

    @app.task(name="t")
    def t() -> Any:
        return app.AsyncResult("nobody").get()

    with pytest.raises(NeverComesError, match="nobody"):
        t.delay().get()


def test_coroutines_run_in_the_midst_of_a_loop(app: LabApp) -> None:
    """A call returns when its task has run, also inside of a coroutine, which goes on after it."""

    @app.task(name="t")
    async def t(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    async def caller() -> tuple[int, bool]:
        before = asyncio.current_task()
        value = t.apply((1,)).get()
        await asyncio.sleep(0)
        return value, asyncio.current_task() is before

    assert asyncio.run(caller()) == (2, True)


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


# -- canvases ------------------------------------------------------------------------------------


@pytest.fixture
def total(app: LabApp) -> Any:
    return app.task(name="total")(sum)


@pytest.fixture
def fail(app: LabApp) -> Any:
    return app.task(name="fail")(lambda *_args: 1 / 0)


def test_a_chain_hands_results_on(app: LabApp, add: Any, broker: RecordingBroker) -> None:
    """Each step gets the result of the one before."""
    result: Any = (add.s(1) | add.s(10) | add.s(100)).apply((1000,))

    assert result.get() == 1111
    assert (result.parent.get(), result.parent.parent.get()) == (1011, 1001)
    assert not broker.sent


def test_a_chain_that_breaks_has_failed(app: LabApp, add: Any, fail: Any) -> None:
    """The steps that do not come have failed too, as in a worker's store."""
    result: Any = (add.s(1, 0) | fail.s() | add.s(100)).apply()

    states = [result.state, result.parent.state, result.parent.parent.state]
    assert states == ["FAILURE", "FAILURE", "SUCCESS"]
    with pytest.raises(ZeroDivisionError):
        result.get()


def test_an_empty_chain_does_nothing(app: LabApp) -> None:
    """It has no result."""
    assert chain(app=app).apply() is None


def test_a_group_runs_all_its_members(app: LabApp, add: Any, fail: Any) -> None:
    """Also those behind one that fails; with ``throw`` its error is raised after that."""
    ran: list[int] = []
    keep = app.task(name="keep")(ran.append)
    canvas = group(add.s(1, 1), fail.s(), keep.s(5))

    result: Any = canvas.apply()

    assert [each.state for each in result.results] == ["SUCCESS", "FAILURE", "SUCCESS"]
    with pytest.raises(ZeroDivisionError):
        canvas.apply(throw=True)
    assert ran == [5, 5]


def test_a_chord_runs_header_and_body(app: LabApp, add: Any, total: Any) -> None:
    """The body gets the list of results."""
    result: Any = chord([add.s(1), add.s(2)], total.s()).apply((10,), task_id="mine")

    assert (result.id, result.get(), result.parent.get()) == ("mine", 23, [11, 12])


def test_the_body_of_a_chord_can_be_another(app: LabApp, add: Any, total: Any) -> None:
    """Given by name or among the kwargs."""
    canvas = chord([add.s(1)])

    assert canvas.apply((0,), body=total.s()).get() == 1
    assert canvas.apply((0,), {"body": total.s()}).get() == 1
    assert canvas.apply((0,)).get() == [1]


def test_a_failing_header_stops_a_chord(app: LabApp, fail: Any) -> None:
    """It raises where that is wanted, and goes on where errors are to be results."""
    canvas = chord([fail.s()], app.task(name="keep")(lambda values: list(map(str, values))).s())

    with pytest.raises(ChordError, match="ZeroDivisionError"):
        canvas.apply().get()
    with pytest.raises(ZeroDivisionError):
        canvas.apply(propagate=True)


def test_a_chord_in_a_chain_of_groups_needs_no_store(
    app: LabApp, add: Any, total: Any, store: DictStore
) -> None:
    """Groups, chains and chords in each other run without touching the app's own store."""
    app.conf.task_always_eager = True
    inner = group(add.s(1), add.s(2)) | total.s()

    result = group(add.s(1, 1) | inner | group(add.s(1), add.s(2))).delay()

    assert result.get() == [[8, 9]]
    assert (store.stored, store.sizes) == ([], {})


def test_members_can_be_added_to_a_chord(app: LabApp, add: Any, total: Any) -> None:
    """The body gets their results too, with a plain apply and where all calls are eager."""

    @app.task(name="more", bind=True)
    def more(self: Any) -> int:
        self.add_to_chord(add.s(100, 0))
        return 1

    canvas = chord([more.s(), add.s(10, 0)], total.s())

    assert canvas.apply().get() == 111
    app.conf.task_always_eager = True
    assert canvas.delay().get() == 111


def test_a_canvas_inside_of_a_body_runs_at_once(app: LabApp, add: Any, total: Any) -> None:
    """The body has its result before it goes on."""
    app.conf.task_always_eager = True

    @app.task(name="outer")
    def outer() -> Any:
        return chord([add.s(1, 1), add.s(2, 2)], total.s()).delay().get()

    assert outer.delay().get() == 6


def test_maps_and_chunks_run_here(app: LabApp, add: Any) -> None:
    """Through the builtin tasks."""
    assert chunks(add.s(), [(1, 2), (3, 4), (5, 6)], 2, app=app).apply().get() == [[3, 7], [11]]
    assert xmap(add.s(), [1, 2], app=app).apply().get() == [1, 2]
