"""Many results at once: what is asked of the store for them, and how often."""

from __future__ import annotations

import io
from typing import Any

import pytest

from taskq import states
from taskq.app.result_set import GroupResult, ResultSet
from taskq.errors import GroupNotFound, TaskRevokedError
from taskq.errors import TimeoutError as ResultTimeoutError
from tests.unit.app.fakes import DictStore, LabApp

MANY = 1000


class Counted:
    """A store that says how often it was asked, and for how many."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loads: list[int] = []
        load = DictStore.load

        def counting(store: DictStore, ids: Any) -> Any:
            self.loads.append(len(ids))
            return load(store, ids)

        monkeypatch.setattr(DictStore, "load", counting)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


def end(
    app: LabApp, *ids: str, state: str = states.SUCCESS, value: Any = None, **facts: Any
) -> Any:
    """Let tasks end; returns what a store would tell of it."""
    records = [
        app.backend.record(each, each if value is None else value, state, **facts) for each in ids
    ]
    app.lab_store.store(records)
    return records


def ids_of(count: int = MANY) -> list[str]:
    return [f"t{number}" for number in range(count)]


def group_of(app: LabApp, ids: list[str]) -> GroupResult:
    return GroupResult("g", [app.AsyncResult(each) for each in ids], app=app)


# -- how often the store is asked ----------------------------------------------------------------


def test_what_is_there_is_read_at_once(app: LabApp, counted: Counted) -> None:
    """One question, for however many."""
    end(app, *ids_of())

    assert group_of(app, ids_of()).join_native() == ids_of()
    assert counted.loads == [MANY]


def test_what_ends_one_by_one_is_read_when_all_have_ended(app: LabApp, counted: Counted) -> None:
    """Hints tell when; the store is asked before, when it listens, and at the end."""
    ids = ids_of(40)
    coming = iter(ids)
    app.lab_store.meanwhile = lambda timeout_s: timeout_s and end(app, next(coming))

    assert group_of(app, ids).get() == ids
    assert counted.loads == [40, 40, 40]


def test_a_hint_of_a_failure_is_looked_at_at_once(app: LabApp, counted: Counted) -> None:
    """The others are not waited for."""
    ids = ids_of(40)

    def fails(timeout_s: float | None) -> Any:
        return timeout_s and end(app, "t7", state=states.FAILURE, value=ValueError("no"))

    app.lab_store.meanwhile = fails

    with pytest.raises(ValueError, match="no"):
        group_of(app, ids).get()
    assert counted.loads == [40, 40, 1]


def test_a_hint_that_is_lost_is_made_good(app: LabApp, counted: Counted) -> None:
    """Where nothing is heard for a while, all that is open is asked for."""
    ids = ids_of(3)
    silent = iter([["t0"], [], ["t2"], []])

    def meanwhile(timeout_s: float | None) -> Any:
        if not timeout_s:
            return []
        end(app, "t1")  # and nobody says so
        return [record for each in next(silent) for record in end(app, each)]

    app.lab_store.meanwhile = meanwhile

    assert group_of(app, ids).get() == ids
    assert counted.loads == [3, 3, 3, 1]


def test_a_hint_that_is_not_true_is_no_end(app: LabApp, counted: Counted) -> None:
    """What counts is what the store says when it is asked."""
    [lie] = end(app, "t0")
    app.lab_store.forget(["t0"])
    told = iter([[lie], []])

    def meanwhile(timeout_s: float | None) -> Any:
        if not timeout_s:
            return []
        heard = next(told)
        if not heard:
            end(app, "t0")
        return heard

    app.lab_store.meanwhile = meanwhile

    assert group_of(app, ["t0"]).get() == ["t0"]
    assert counted.loads == [1, 1, 1, 1]


def test_questions_about_all_are_one_question(app: LabApp, counted: Counted) -> None:
    """Each of them, as long as not all have ended; afterwards nothing is asked."""
    end(app, *ids_of()[1:])
    found = group_of(app, ids_of())

    assert (found.completed_count(), found.ready(), found.successful()) == (MANY - 1, False, False)
    assert (found.failed(), found.waiting()) == (False, True)
    assert counted.loads == [MANY, 1, 1, 1, 1]
    end(app, "t0")
    assert found.ready()
    counted.loads.clear()
    assert (found.completed_count(), found.ready(), found.successful()) == (MANY, True, True)
    assert counted.loads == []


def test_results_that_come_as_they_end_are_asked_for_one_by_one(
    app: LabApp, counted: Counted
) -> None:
    """Only those that were heard of."""
    ids = ids_of(40)
    coming = iter(ids)
    app.lab_store.meanwhile = lambda timeout_s: timeout_s and end(app, next(coming))

    came = [(task_id, meta["result"]) for task_id, meta in group_of(app, ids).iter_native()]

    assert came == [(each, each) for each in ids]
    assert counted.loads == [40, 40, *[1] * 40]


def test_a_failure_among_many_is_found_in_one_question(app: LabApp, counted: Counted) -> None:
    """``maybe_throw`` reads all at once."""
    end(app, *ids_of())
    end(app, "t9", state=states.FAILURE, value=ValueError("no"))

    with pytest.raises(ValueError, match="no"):
        group_of(app, ids_of()).maybe_throw()
    assert counted.loads == [MANY]


def test_all_are_forgotten_at_once(app: LabApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what stood before them, and those of groups within."""
    forgotten: list[list[str]] = []
    monkeypatch.setattr(DictStore, "forget", lambda _store, ids: forgotten.append(list(ids)))
    inner = GroupResult("inner", [app.AsyncResult("c")], app=app)
    first = app.AsyncResult("first")
    found = GroupResult("g", [app.AsyncResult("a", parent=first), inner], parent=first, app=app)
    found.forget()

    assert sorted(each for ids in forgotten for each in ids) == ["a", "c", "first"]
    assert len(forgotten) == 2


# -- what is waited for --------------------------------------------------------------------------


def test_groups_within_groups_are_waited_for_together(app: LabApp, counted: Counted) -> None:
    """In one question; the values keep their shape."""
    inner = GroupResult("inner", [app.AsyncResult("b"), app.AsyncResult("c")], app=app)
    found = ResultSet([app.AsyncResult("a"), inner], app=app)
    end(app, "a", "b", "c")

    assert found.get() == ["a", ["b", "c"]]
    assert counted.loads == [3]
    assert [task_id for task_id, _ in found.iter_native()] == ["a", "b", "c"]
    assert (found.completed_count(), found.ready()) == (2, True)


def test_the_time_of_a_group_is_that_of_all_its_members(app: LabApp) -> None:
    """Groups within it get no time of their own."""
    app.lab_store.meanwhile = lambda timeout_s: app.ports.clock.sleep(timeout_s or 0)
    inner = GroupResult("inner", [app.AsyncResult("b")], app=app)
    began_s = app.ports.clock.read().elapsed_s

    with pytest.raises(ResultTimeoutError, match="and 1 more in dict://"):
        ResultSet([app.AsyncResult("a"), inner], app=app).get(timeout=7)
    assert app.ports.clock.read().elapsed_s - began_s == pytest.approx(7)


def test_what_stands_before_a_group_may_fail(app: LabApp) -> None:
    """Then its members will not come, and who waits for them is told why."""
    end(app, "before", state=states.REVOKED, value=TaskRevokedError("revoked"))
    before = app.AsyncResult("before")

    with pytest.raises(TaskRevokedError):
        GroupResult("g", [app.AsyncResult("a")], parent=before, app=app).get()
    with pytest.raises(TaskRevokedError):
        GroupResult("g", [app.AsyncResult("a", parent=before)], app=app).get()


# -- what was saved ------------------------------------------------------------------------------


def test_a_saved_group_is_restored_in_order(app: LabApp) -> None:
    """With what stands before it."""
    found = GroupResult("g", [app.AsyncResult(each) for each in "cab"], parent=app.AsyncResult("p"))
    found.app = app
    found.save()

    assert GroupResult.restore("g", app=app) == found
    assert [each.id for each in GroupResult.restore("g", app=app)] == ["c", "a", "b"]
    assert GroupResult.restore("g", app=app).parent == "p"


def test_a_group_that_is_not_there_is_none_or_an_error_that_says_why(app: LabApp) -> None:
    """None as in Celery; who asks for more is told where it was looked for."""
    assert GroupResult.restore("g", app=app) is None
    with pytest.raises(GroupNotFound, match=r"no group g is saved in dict://.*result_expires"):
        GroupResult.restore("g", app=app, must_exist=True)


# -- who led to whom -----------------------------------------------------------------------------


def test_a_graph_has_groups_in_it(app: LabApp, counted: Counted) -> None:
    """What a task sent as a group is one node, its members others; each level is one question."""
    children = [(("g", None), [(("a", None), None), (("b", None), None)])]
    meta = {**app.backend.meta("root", 1, "SUCCESS", None), "children": children}
    [record] = end(app, "root")
    app.lab_store.records["root"] = type(record)("root", "SUCCESS", app.backend.encode(meta))
    end(app, "a", "b")
    root = app.AsyncResult("root")

    assert repr(root.graph) == "root(1)\ng(2)\na(0)\nb(0)"
    assert counted.loads == [1, 2]
    assert next(root.collect()) == (root, 1)
    assert root.get_leaf() == "b"
    drawn = io.StringIO()
    root.graph.to_mermaid(drawn)
    assert drawn.getvalue().splitlines()[1:4] == ['  n0["root"]', '  n1["g"]', '  n2["a"]']
