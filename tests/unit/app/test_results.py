"""Handles of results."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from taskq.app.eager_result import EagerResult
from taskq.app.joining import allow_join_result
from taskq.app.on_ready import OnReady
from taskq.app.result import AsyncResult, result_from_tuple
from taskq.app.result_set import GroupResult, ResultSet
from taskq.app.work import Work
from taskq.canvas.primitives import chain, chord, group
from taskq.errors import IncompleteStream
from taskq.errors import TimeoutError as ResultTimeoutError
from taskq.ports import ResultRecord
from tests.unit.app.fakes import DictStore, LabApp, RecordingBroker, body_of, drain


def put(app: LabApp, task_id: str, state: str, result: Any = None, **more: Any) -> Any:
    """Store a state, as a worker would."""
    record = app.backend.record(task_id, result, state, **more)
    app.lab_store.store([record])
    return record


def test_nothing_is_known_of_an_unknown_id(app: LabApp) -> None:
    """A result of which nothing is stored is pending."""
    result = app.AsyncResult("x")

    assert (result.state, result.result, result.ready(), result.exists()) == (
        "PENDING",
        None,
        False,
        False,
    )


def test_a_final_state_is_read_once(app: LabApp, store: DictStore) -> None:
    """Success is kept in the handle; what is not final is asked for again."""
    result = app.AsyncResult("x")
    put(app, "x", "STARTED", {"pid": 1})
    assert result.state == "STARTED"
    put(app, "x", "SUCCESS", 5)
    assert (result.get(), result.successful(), result.status) == (5, True, "SUCCESS")
    store.records.clear()

    assert result.get() == 5
    assert result.date_done is not None
    assert result.date_done.isoformat() == "2027-01-15T08:00:00+00:00"


def test_get_raises_what_the_task_raised(app: LabApp) -> None:
    """A failure is raised, or returned where that is asked for."""
    put(app, "x", "FAILURE", KeyError("k"), traceback="Traceback ...")

    with pytest.raises(KeyError):
        app.AsyncResult("x").get()
    assert isinstance(app.AsyncResult("x").get(propagate=False), KeyError)
    assert app.AsyncResult("x").failed()
    assert app.AsyncResult("x").traceback == "Traceback ..."


def test_get_waits_for_a_hint_and_asks_again(app: LabApp, store: DictStore) -> None:
    """A change that the store tells of is looked up; what it tells is not the truth itself."""

    def meanwhile(timeout_s: float | None) -> list[Any]:
        if len(store.waits) < 3:
            return []
        return [put(app, "x", "SUCCESS", 5)]

    store.meanwhile = meanwhile

    assert app.AsyncResult("x").get(timeout=10) == 5
    assert store.waits[0] == (("x",), 0)
    assert store.stopped == ["x"]


def test_waiting_ends_with_what_was_waited_for(app: LabApp, store: DictStore) -> None:
    """A timeout says what it waited for, where, and the last state that is known."""
    put(app, "x", "STARTED")
    store.meanwhile = lambda timeout_s: app.ports.clock.sleep(timeout_s or 0)

    with pytest.raises(ResultTimeoutError) as caught:
        app.AsyncResult("x", task_name="proj.add").get(timeout=3)

    assert str(caught.value) == (
        "waited 3 s for the result of task proj.add [x] in dict://; its last known state is STARTED"
    )
    assert issubclass(AsyncResult.TimeoutError, ResultTimeoutError)


def test_on_message_gets_each_state(app: LabApp, store: DictStore) -> None:
    """States on the way are told once each, and the final one too."""
    told: list[str] = []
    steps = ["STARTED", "STARTED", "PROGRESS", "SUCCESS"]

    def meanwhile(timeout_s: float | None) -> list[Any]:
        return [put(app, "x", steps.pop(0), 1)]

    store.meanwhile = meanwhile
    app.AsyncResult("x").get(on_message=lambda meta: told.append(meta["status"]))

    assert [state for n, state in enumerate(told) if told[:n].count(state) == 0] == [
        "STARTED",
        "PROGRESS",
        "SUCCESS",
    ]


def test_on_interval_is_called_while_waiting(app: LabApp, store: DictStore) -> None:
    """With on_interval the wait is cut into slices."""
    calls: list[int] = []

    def meanwhile(timeout_s: float | None) -> None:
        if len(calls) == 2:
            put(app, "x", "SUCCESS", 1)

    store.meanwhile = meanwhile
    app.AsyncResult("x").get(interval=0.1, on_interval=lambda: calls.append(1))

    assert len(calls) >= 2
    assert store.waits[1][1] == 0.1


def test_a_callback_gets_id_and_value(app: LabApp) -> None:
    """The callback of get is called with both."""
    put(app, "x", "SUCCESS", 5)
    got: list[Any] = []

    app.AsyncResult("x").get(callback=lambda *args: got.append(args))

    assert got == [("x", 5)]


def test_an_ignored_result_is_none_at_once(app: LabApp, store: DictStore) -> None:
    """Nobody waits for what is not stored."""
    result = app.AsyncResult("x")
    result.ignored = True

    assert result.get() is None
    assert store.waits == []


def test_a_task_may_not_wait_for_another(app: LabApp, work: Work) -> None:
    """Get inside of a task is refused, unless it is allowed."""
    put(app, "x", "SUCCESS", 5)

    @app.task(name="t")
    def t(how: str) -> Any:
        result = app.AsyncResult("x")
        if how == "refused":
            return result.get()
        if how == "option":
            return result.get(disable_sync_subtasks=False)
        with allow_join_result():
            return result.get()

    refused, option, allowed = t.delay("refused"), t.delay("option"), t.delay("allowed")
    drain(app, work)

    with pytest.raises(RuntimeError, match="Never call result"):
        refused.get()
    assert (option.get(), allowed.get()) == (5, 5)


def test_then_is_called_when_it_is_known(app: LabApp) -> None:
    """A callback is called when the result becomes known here, or at once."""
    got: list[Any] = []
    result = app.AsyncResult("x")
    result.then(lambda r: got.append(r.id))
    assert got == []
    put(app, "x", "SUCCESS", 5)
    result.get()
    result.then(lambda r: got.append(r.result))

    assert got == ["x", 5]


def test_forget_deletes(app: LabApp) -> None:
    """What is forgotten is pending again, with what stood before it."""
    put(app, "p", "SUCCESS", 1)
    put(app, "x", "SUCCESS", 5)
    result = app.AsyncResult("x", parent=app.AsyncResult("p"))
    result.get()

    result.forget()

    assert (result.state, result.parent.state) == ("PENDING", "PENDING")


def test_a_result_travels_as_a_tuple(app: LabApp) -> None:
    """Tuples, pickles and copies stand for the same result."""
    result = app.AsyncResult("x", parent=app.AsyncResult("p"))

    assert result.as_tuple() == (("x", (("p", None), None)), None)
    assert result.as_list() == ["x", "p"]
    for again in (
        result_from_tuple(result.as_tuple(), app),
        copy.copy(result),
        pickle.loads(pickle.dumps(AsyncResult("x", app=app, parent=AsyncResult("p", app=app)))),
    ):
        assert again == result
        assert again.parent.id == "p"
    assert result == "x"
    assert str(result) == "x"
    assert repr(result) == "<AsyncResult: x>"
    assert len({result, app.AsyncResult("x")}) == 1


def test_an_id_is_needed() -> None:
    """A handle without an id is refused."""
    with pytest.raises(ValueError, match="needs the id"):
        AsyncResult(None)  # type: ignore[arg-type]  # the mistake that is refused


def test_revoke_is_a_command_to_all_workers(app: LabApp, broker: RecordingBroker) -> None:
    """Revoke publishes the command to the fan-out exchange of the mailboxes."""
    app.AsyncResult("x").revoke(terminate=True, signal="SIGKILL")
    app.AsyncResult("x").revoke_by_stamped_headers({"customer": "acme"})

    first, second = broker.sent
    assert (first.exchange, first.exchange_type) == ("celery.pidbox", "fanout")
    assert body_of(first)["method"] == "revoke"
    assert body_of(first)["arguments"] == {"task_id": "x", "terminate": True, "signal": "SIGKILL"}
    assert body_of(second)["arguments"]["headers"] == {"customer": "acme"}
    assert first.message.headers["clock"] == 1


def test_what_a_task_led_to_is_a_graph(app: LabApp, work: Work) -> None:
    """Children can be walked over, collected and drawn, when all have ended."""
    add = app.task(name="add")(lambda x, y=0: x + y)
    last = chain(add.s(1, 1), add.s(10))()
    first = last.parent
    with pytest.raises(IncompleteStream):
        list(first.iterdeps())
    drain(app, work)

    assert [value for _, value in first.collect()] == [2, 12]
    assert first.get_leaf() == 12
    graph = first.graph
    assert {node.id for node in graph} == {first.id, last.id}
    assert [node.id for node in graph.topsort()] == [last.id, first.id]


# -- several ---------------------------------------------------------------------------------------


def test_a_group_is_waited_for_at_once(app: LabApp, work: Work, store: DictStore) -> None:
    """The values of a group come in the order of its members."""
    add = app.task(name="add")(lambda x, y=0: x + y)
    result = group(add.s(n, n) for n in range(3))()
    assert not result.ready()
    assert result.waiting()
    drain(app, work)

    assert result.get() == result.join() == result.join_native() == [0, 2, 4]
    assert result.completed_count() == 3
    assert result.successful()
    assert [meta["result"] for _, meta in result.iter_native()] == [0, 2, 4]


def test_a_failed_member_is_raised_or_returned(app: LabApp) -> None:
    """Get raises the first error, or gives it in its place."""
    put(app, "a", "SUCCESS", 1)
    put(app, "b", "FAILURE", KeyError("k"))
    result = app.GroupResult("g", [app.AsyncResult("a"), app.AsyncResult("b")])

    with pytest.raises(KeyError):
        result.get()
    one, error = result.get(propagate=False)
    assert one == 1
    assert isinstance(error, KeyError)
    assert (result.ready(), result.successful(), result.failed()) == (True, False, True)
    assert result.completed_count() == 1


def test_an_empty_group_is_ready(app: LabApp) -> None:
    """Nothing has to be waited for."""
    result = app.GroupResult("g", [])

    assert (result.ready(), result.successful(), result.get()) == (True, True, [])


def test_a_group_can_be_saved(app: LabApp, store: DictStore) -> None:
    """A saved group comes back by its id, and can be deleted."""
    result = app.GroupResult("g", [app.AsyncResult("a"), app.AsyncResult("b")])
    result.save()

    assert store.groups["g"] == (
        b'{"result": [["g", null], [[["a", null], null], [["b", null], null]]]}'
    )
    again = app.GroupResult.restore("g")
    assert again == result
    assert isinstance(again, GroupResult)
    result.delete()
    assert app.GroupResult.restore("g") is None


def test_a_set_is_a_collection(app: LabApp) -> None:
    """Results can be added and taken out; each stands there once."""
    a, b = app.AsyncResult("a"), app.AsyncResult("b")
    found = app.ResultSet([a])
    found.add(b)
    found.add(b)
    found.update([a, b])
    assert [each.id for each in found] == ["a", "b"]
    found.remove("a")
    found.discard(a)
    assert len(found) == 1
    assert found[0] is b
    with pytest.raises(KeyError):
        found.remove("a")
    found.clear()
    assert found == ResultSet([], app=app)


def test_then_of_a_set_waits_for_all(app: LabApp) -> None:
    """The callback of a set is called when the last member is known."""
    got: list[Any] = []
    result = app.ResultSet([app.AsyncResult("a"), app.AsyncResult("b")])
    result.then(got.append)
    put(app, "a", "SUCCESS", 1)
    put(app, "b", "SUCCESS", 2)
    assert result[0].get() == 1
    assert got == []
    assert result[1].get() == 2

    assert got == [result]


def test_a_set_is_revoked_with_one_command(app: LabApp, broker: RecordingBroker) -> None:
    """One message names all ids."""
    app.ResultSet([app.AsyncResult("a"), app.AsyncResult("b")]).revoke()

    assert body_of(broker.sent[0])["arguments"]["task_id"] == ["a", "b"]


def test_the_body_of_a_chord_raises_what_its_header_raised(app: LabApp, work: Work) -> None:
    """Waiting for a body looks at the members of the header as well."""

    @app.task(name="fail")
    def fail() -> None:
        raise KeyError("k")

    result = chord([fail.s()])(app.task(name="xsum")(sum).s())
    drain(app, work)

    with pytest.raises(KeyError):
        result.get(timeout=1)


def test_an_eager_result_is_ready() -> None:
    """What ran here is known; forgetting it is nothing."""
    result: EagerResult[int] = EagerResult("x", 5, "SUCCESS")

    assert (result.get(), result.ready(), result.state) == (5, True, "SUCCESS")
    result.forget()
    assert copy.copy(result).get() == 5
    assert repr(result) == "<EagerResult: x>"
    failed: EagerResult[Any] = EagerResult("x", KeyError("k"), "FAILURE")
    with pytest.raises(KeyError):
        failed.get()
    assert isinstance(failed.get(propagate=False), KeyError)


# -- all that is known ---------------------------------------------------------------------------


def test_a_handle_says_what_an_extended_result_holds(app: LabApp) -> None:
    """Name, arguments, who ran it, how often; a handle can be told its id and backend."""
    meta = app.backend.meta("x", 5, "SUCCESS", None)
    meta.update(name="add", args=[1], kwargs={"y": 2}, worker="w1", retries=1, queue="q")
    app.lab_store.store([ResultRecord("x", "SUCCESS", app.backend.encode(meta))])
    result = app.AsyncResult("other")
    result.task_id = "x"
    result.backend = app.backend
    result.ignored = False

    assert (result.task_id, result.name, result.args, result.kwargs) == ("x", "add", [1], {"y": 2})
    assert (result.worker, result.retries, result.queue) == ("w1", 1, "q")
    assert result.info == 5
    assert result.children == []
    assert result.exists()


def test_nothing_is_known_of_the_children_of_a_pending_task(app: LabApp) -> None:
    """None, and not a list."""
    assert app.AsyncResult("x").children is None
    assert app.AsyncResult("x").date_done is None


def test_what_is_stored_as_failed_must_be_an_exception(app: LabApp) -> None:
    """Whoever stored something else is told so."""
    with pytest.raises(RuntimeError, match="task x: stored as failed, with 5"):
        app.AsyncResult("x").throw(5)


def test_the_remote_traceback_is_noted_once(app: LabApp) -> None:
    """Where the settings say so."""
    app.conf.task_remote_tracebacks = True
    put(app, "x", "FAILURE", ValueError("no"), traceback="Traceback ...")
    result = app.AsyncResult("x")
    with pytest.raises(ValueError, match="no"):
        result.get()
    with pytest.raises(ValueError, match="no") as caught:
        result.get()

    assert caught.value.__notes__ == ["the traceback in the worker:\nTraceback ..."]


def test_who_is_told_later_may_give_another_promise(app: LabApp) -> None:
    """``on_ready`` may be replaced, and ``then`` on what has ended calls at once."""
    put(app, "x", "SUCCESS", 5)
    seen: list[Any] = []
    result = app.AsyncResult("x")
    result.on_ready = OnReady()
    assert result.ready()
    result.then(lambda done: seen.append(done.result))

    assert seen == [5]


def test_handles_are_equal_by_id(app: LabApp) -> None:
    """To another handle, to the id as text, and to nothing else; a copy is equal."""
    one, same, other = app.AsyncResult("x"), app.AsyncResult("x"), app.AsyncResult("y")

    assert one == same == "x" == copy.copy(one)
    assert one != other
    assert one != 42
    assert (hash(one), str(one), repr(one)) == (hash("x"), "x", "<AsyncResult: x>")
    assert one.supports_native_join
    assert one.as_list() == ["x"]


def test_tasks_are_revoked_by_their_stamps(app: LabApp, broker: RecordingBroker) -> None:
    """One command to all workers."""
    app.AsyncResult("x").revoke_by_stamped_headers({"customer": "acme"}, terminate=True)
    (sent,) = broker.take()

    assert body_of(sent)["arguments"]["headers"] == {"customer": "acme"}


def test_walking_stops_at_what_has_not_ended(app: LabApp) -> None:
    """Unless one is content with what is there."""
    result = app.AsyncResult("x")

    with pytest.raises(IncompleteStream):
        list(result.iterdeps())
    assert list(result.iterdeps(intermediate=True)) == [(None, result)]


# -- several -------------------------------------------------------------------------------------


def test_a_set_of_results_knows_its_app(app: LabApp) -> None:
    """That of its members, unless it is told."""
    found = ResultSet([AsyncResult("x", app=app)])
    empty = ResultSet([])
    empty.app = app

    assert (found.app, empty.app) == (app, app)
    assert found.backend is app.backend
    assert found.supports_native_join
    assert found.waiting()
    assert (found.completed_count(), found.failed()) == (0, False)


def test_a_set_with_nobody_in_it_is_revoked_by_nobody(app: LabApp, broker: RecordingBroker) -> None:
    """No command goes out."""
    ResultSet([], app=app).revoke()

    assert broker.take() == []


def test_what_one_raised_the_set_raises(app: LabApp) -> None:
    """Or hands to a callback."""
    put(app, "x", "SUCCESS", 5)
    put(app, "y", "FAILURE", ValueError("no"))
    found = ResultSet([app.AsyncResult("x"), app.AsyncResult("y")], app=app)
    seen: list[Any] = []
    found.maybe_throw(callback=lambda task_id, value: seen.append(task_id), propagate=False)

    assert seen == ["x", "y"]
    assert found.failed()
    with pytest.raises(ValueError, match="no"):
        found.maybe_reraise()


def test_results_come_as_they_end(app: LabApp, store: DictStore) -> None:
    """As pairs of id and meta, one that is in the set twice once."""
    put(app, "x", "SUCCESS", 1)
    found = ResultSet([app.AsyncResult("y"), app.AsyncResult("x"), app.AsyncResult("x")], app=app)
    came = found.iter_native(on_interval=lambda: put(app, "y", "SUCCESS", 2))

    assert [(task_id, meta["result"]) for task_id, meta in came] == [("x", 1), ("y", 2)]


def test_all_ways_to_wait_are_one(app: LabApp) -> None:
    """``join`` and ``join_native`` are ``get``, which may hand each value to a callback."""
    put(app, "x", "SUCCESS", 5)
    found = ResultSet([app.AsyncResult("x")], app=app)
    seen: list[Any] = []
    found.get(callback=lambda task_id, value: seen.append((task_id, value)))

    assert found.join() == found.join_native() == [5]
    assert seen == [("x", 5)]


def test_groups_are_equal_by_what_they_are(app: LabApp) -> None:
    """Id, members and parent; also after a pipe."""
    group_of = GroupResult("g", [app.AsyncResult("x")], app=app)
    same = GroupResult("g", [app.AsyncResult("x")], app=app)

    assert group_of == same
    assert group_of == "g"
    assert group_of != 42
    assert group_of != GroupResult("h", [], app=app)
    assert pickle.loads(pickle.dumps(group_of)) == group_of
    several = app.ResultSet([app.AsyncResult("x")])
    assert pickle.loads(pickle.dumps(several)) == several
    assert (str(group_of), repr(group_of)) == ("g", "<GroupResult: g [x]>")
    assert not GroupResult(None, [], app=app)


def test_a_group_is_deleted_and_forgotten(app: LabApp, store: DictStore) -> None:
    """Its own record, its members, and what stood before it."""
    put(app, "x", "SUCCESS", 5)
    put(app, "before", "SUCCESS", 1)
    found = GroupResult("g", [app.AsyncResult("x")], parent=app.AsyncResult("before"), app=app)
    found.save()
    found.delete()
    found.forget()

    assert (GroupResult.restore("g", app=app), store.records) == (None, {})
    assert result_from_tuple(found) is found


# -- eager ---------------------------------------------------------------------------------------


def test_an_eager_failure_is_raised_as_it_was() -> None:
    """What is no exception is an error of its own."""
    error = ValueError("no")
    failed: EagerResult[Any] = EagerResult("x", error, "FAILURE")

    assert failed.get(propagate=False) is error
    with pytest.raises(ValueError, match="no"):
        failed.get()
    with pytest.raises(RuntimeError, match="failed with 5"):
        EagerResult("x", 5, "FAILURE").get()


def test_an_eager_result_travels_and_is_revoked(app: LabApp) -> None:
    """It has ended all the same."""
    done = app.EagerResult("x", 5, "SUCCESS", name="add")
    again = pickle.loads(pickle.dumps(done))
    copied = copy.copy(done)
    done.forget()
    done.revoke()

    assert (again.get(), copied.get(), again.name) == (5, 5, "add")
    assert (done.state, done.ready(), done.supports_native_join) == ("REVOKED", True, False)
    assert (repr(done), done.info) == ("<EagerResult: x>", 5)
