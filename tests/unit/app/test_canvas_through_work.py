# ruff: noqa: PLR0917 - fixtures are parameters
"""Chains, groups and chords, as a worker carries them out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from taskq.app.work import Work
from taskq.canvas.primitives import chain, chord, group
from taskq.canvas.signature import signature
from taskq.errors import EncodeError, Ignore, ImproperlyConfigured, TaskRevokedError
from taskq.ports import ChordEnding, ChordFull, EndingKind, Ports
from tests.unit.app.fakes import DictStore, LabApp, body_of, count, drain, job_of, meta_of


@pytest.fixture
def add(app: LabApp) -> Any:
    return app.task(name="add")(lambda x, y=0: x + y)


@pytest.fixture
def xsum(app: LabApp) -> Any:
    return app.task(name="xsum")(sum)


@pytest.fixture
def fail(app: LabApp) -> Any:
    @app.task(name="fail")
    def fail(*args: Any) -> None:
        raise ValueError("boom")

    return fail


def test_each_step_gets_the_result_of_the_one_before(
    app: LabApp, work: Work, add: Any, store: DictStore
) -> None:
    """A chain runs step by step; each step knows its parent, and is a child of it."""
    result = chain(add.s(1, 2), add.s(10), add.s(100))()

    endings = drain(app, work)

    assert [each.summary for each in endings] == ["3", "13", "113"]
    assert result.get() == 113
    first = meta_of(store.records[result.parent.parent.id])
    last = meta_of(store.records[result.id])
    assert first["children"] == [[[result.parent.id, None], None]]
    assert last["parent_id"] == result.parent.id
    assert next(iter(result.collect()))[1] == 113


def test_a_failed_step_fails_the_steps_after_it(
    app: LabApp, work: Work, add: Any, fail: Any, store: DictStore
) -> None:
    """The exception of a step is stored for all later steps, and raised by the last result."""
    result = chain(add.s(1, 2), fail.s(), add.s(1), add.s(2))()

    drain(app, work)

    assert [result.state, result.parent.state] == ["FAILURE", "FAILURE"]
    assert result.parent.parent.parent.state == "SUCCESS"
    with pytest.raises(ValueError, match="boom"):
        result.get()


def test_callbacks_get_the_result(app: LabApp, work: Work, add: Any) -> None:
    """A link is sent with the result in front, by the task that it follows."""
    result = add.apply_async((1, 2), link=[add.s(10), add.si(5, 5)])
    (sent,) = app.lab_broker.take()

    ending = work(job_of(sent))

    assert [body_of(each)[0] for each in ending.follow_ups] == [[3, 10], [5, 5]]
    assert {each.message.headers["parent_id"] for each in ending.follow_ups} == {result.id}


def test_a_chord_sends_its_body_once(app: LabApp, work: Work, add: Any, xsum: Any) -> None:
    """The last member sends the body with the results in the order of the header."""
    result = chord([add.s(1, 2), add.s(3, 4), add.s(5, 6)])(xsum.s())
    jobs = [job_of(each, token=n) for n, each in enumerate(app.lab_broker.take())]
    parts = [work(job).chord for job in reversed(jobs)]

    last = parts[-1]
    assert last is not None
    ended = [count(app, work, jobs[0], part) for part in (*parts, last) if part is not None]

    assert ended == [False, False, True, False]
    (body,) = app.lab_broker.take()
    assert body_of(body)[0] == [[3, 7, 11]]
    assert body.message.headers["id"] == result.id
    assert body.message.headers["group"] == last.group_id


def test_a_failed_member_fails_the_body(
    app: LabApp, work: Work, add: Any, fail: Any, xsum: Any, store: DictStore
) -> None:
    """The body of a failed header is stored as ChordError, and its errbacks are told."""
    told: list[Any] = []

    @app.task(name="errback")
    def errback(request: Any, exc: Any, traceback: Any) -> None:
        told.append((request.id, str(exc), traceback))

    body = xsum.s().on_error(errback.s())
    result = chord([add.s(1, 2), fail.s()])(body)
    drain(app, work)

    meta = meta_of(store.records[result.id])
    failed = result.parent.results[1].id
    text = f"Dependency {failed} raised ValueError('boom')"
    assert meta["result"] == {
        "exc_type": "ChordError",
        "exc_message": [text],
        "exc_module": "celery.exceptions",
    }
    assert told == [(result.id, text, None)]
    with pytest.raises(ValueError, match="boom"):
        result.get()


def test_a_chain_in_a_header_counts_when_it_breaks(
    app: LabApp, work: Work, add: Any, fail: Any, xsum: Any
) -> None:
    """A member that is a chain has failed when one of its steps has."""
    result = chord([add.s(1, 2), chain(fail.s(), add.s(1), add.s(2))])(xsum.s())

    drain(app, work)

    assert result.state == "FAILURE"


def test_a_revoked_member_ends_its_chord(app: LabApp, work: Work, add: Any, xsum: Any) -> None:
    """A chord does not wait for a member that will never run."""
    result = chord([add.s(1, 2), add.s(3, 4)])(xsum.s())
    first, second = (job_of(each) for each in app.lab_broker.take())

    ran = work(first)
    revoked = work.conclude(second, EndingKind.REVOKED, "revoked", {})
    assert ran.chord is not None
    assert revoked.chord is not None
    assert not count(app, work, first, ran.chord)
    assert count(app, work, second, revoked.chord)

    assert result.state == "FAILURE"
    assert TaskRevokedError.__name__ in str(result.result)


def test_an_outer_chord_learns_that_an_inner_one_failed(
    app: LabApp, work: Work, add: Any, fail: Any, xsum: Any
) -> None:
    """A chord that is a member of another one fails it too."""
    inner = chord([add.s(1, 1), fail.s()], xsum.s())
    result = chord([add.s(2, 2), inner])(xsum.s())

    drain(app, work)

    assert result.state == "FAILURE"


def test_a_group_in_the_middle_is_waited_for(app: LabApp, work: Work, add: Any, xsum: Any) -> None:
    """What follows a group in a chain gets the list of its results."""
    result = (add.s(1, 1) | group(add.s(10), add.s(20)) | xsum.s()).delay()

    drain(app, work)

    assert result.get() == 34


@pytest.mark.parametrize(
    ("by", "results"),
    [
        (lambda add: group(add.s(each, each) for each in range(3)), [0, 2, 4]),
        (lambda add: add.chunks([(1, 2), (3, 4), (5, 6)], 2), [[3, 7], [11]]),
        (lambda add: chain(add.s(1, 1), group(add.s(10), add.s(20))), [12, 22]),
        (lambda add: chord([add.s(1, 1), add.s(2, 2)]), [2, 4]),
    ],
    ids=["group", "chunks", "chain", "chord"],
)
def test_what_replaces_a_task_with_many_results_gives_their_list(
    app: LabApp, work: Work, add: Any, by: Any, results: Any
) -> None:
    """A task that is replaced by a group, or by what ends in one, has one result all the same."""

    @app.task(name="fan", bind=True)
    def fan(self: Any) -> None:
        self.replace(by(add))

    result = fan.delay()
    drain(app, work)

    assert result.get() == results


def test_nothing_is_no_replacement(app: LabApp, work: Work) -> None:
    """A task that is replaced by an empty chain fails, and says why."""

    @app.task(name="vanish", bind=True)
    def vanish(self: Any) -> None:
        self.replace(chain())

    result = vanish.delay()
    drain(app, work)

    with pytest.raises(ImproperlyConfigured, match=r"'vanish'.*empty chain"):
        result.get()


def test_a_replacement_is_followed_by_the_rest_of_the_chain(
    app: LabApp, work: Work, add: Any
) -> None:
    """The steps after a replaced task run after its replacement."""

    @app.task(name="swap", bind=True)
    def swap(self: Any, n: int) -> None:
        self.replace(chain(add.s(n, 10), add.s(100)))

    result = chain(swap.s(1), add.s(1000))()
    drain(app, work)

    assert result.get() == 1111
    assert result.parent.get() == 111


def test_a_replaced_member_is_waited_for(app: LabApp, work: Work, add: Any, xsum: Any) -> None:
    """A chord waits for what takes the place of one of its members."""

    @app.task(name="swap", bind=True)
    def swap(self: Any, n: int) -> None:
        self.replace(add.s(n, 10))

    result = chord([swap.s(1), add.s(2, 2)])(xsum.s())
    drain(app, work)

    assert result.get() == 15


def test_a_member_may_add_a_member(app: LabApp, work: Work, add: Any, xsum: Any) -> None:
    """Add_to_chord makes a running chord wait for one more task."""

    @app.task(name="more", bind=True)
    def more(self: Any) -> int:
        self.add_to_chord(add.s(100, 0))
        return 1

    result = chord([more.s(), add.s(2, 2)])(xsum.s())
    drain(app, work)

    assert result.get() == 105


def test_builtin_tasks_run_what_they_are_given(app: LabApp, work: Work, add: Any) -> None:
    """Map, starmap and chunks call the task that they name."""
    one = app.task(name="one")(lambda x: x + 1)
    results = [
        one.map([1, 2]).delay(),
        add.starmap([(1, 2), (3, 4)]).delay(),
        add.chunks([(1, 2), (3, 4), (5, 6)], 2).apply_async(),
    ]

    drain(app, work)

    assert [each.get() for each in results] == [[2, 3], [3, 7], [[3, 7], [11]]]


def test_every_app_has_the_builtin_tasks(app: LabApp) -> None:
    """The tasks that canvases are made of are registered under Celery's names."""
    # Another test of this process may have imported the module that shares ``celery.ping``.
    assert {name for name in app.tasks if name.startswith("celery.")} - {"celery.ping"} == {
        "celery.accumulate",
        "celery.backend_cleanup",
        "celery.chain",
        "celery.chord",
        "celery.chord_unlock",
        "celery.chunks",
        "celery.group",
        "celery.map",
        "celery.starmap",
    }


def test_celerys_chord_unlock_is_carried_out(app: LabApp, work: Work, add: Any, xsum: Any) -> None:
    """A message of a Celery client that waits for a header by asking is understood."""
    members = [add.delay(1, 2), add.delay(3, 4)]
    body = xsum.s()
    result = body.freeze()
    waiting = [job_of(each) for each in app.lab_broker.take()]
    app.send_task(
        "celery.chord_unlock",
        ("g", dict(body)),
        {"result": [each.as_tuple() for each in members], "interval": 1},
    )
    (unlock,) = app.lab_broker.take()

    assert work(job_of(unlock)).kind is EndingKind.RETRIED
    for job in waiting:
        ending = work(job)
        assert ending.result is not None
        app.lab_store.store([ending.result])
    ending = work(job_of(unlock))
    assert ending.kind is EndingKind.REPLACED
    app.lab_broker.publish(ending.follow_ups)
    drain(app, work)
    assert result.get() == 10


@pytest.mark.parametrize("before", ["a step", "a member of an inner chord"])
def test_a_group_that_never_begins_counts_as_the_member_that_it_would_be(
    app: LabApp, work: Work, add: Any, fail: Any, xsum: Any, before: str
) -> None:
    """A chain in a header that ends in a group is one member, also if it breaks before."""
    step = fail.s() if before == "a step" else chord([fail.s(), add.s(1, 1)], xsum.s())
    result = chord([add.s(1, 2), chain(step, group(add.si(3, 4), add.si(5, 6)))])(xsum.s())

    drain(app, work)

    assert result.state == "FAILURE"
    store = app.lab_store
    assert set(store.owners.values()) == {"done"}
    assert {group_id: len(parts) for group_id, parts in store.parts.items()} == store.sizes
    assert set(store.sizes.values()) == {2}


def test_a_body_that_cannot_be_sent_fails(
    app: LabApp, work: Work, add: Any, xsum: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What members returned cannot be put into its message: the chord says so."""
    result = chord([add.s(1, 2), add.s(3, 4)])(xsum.s())
    jobs = [job_of(each, token=n) for n, each in enumerate(app.lab_broker.take())]
    parts = [work(job).chord for job in jobs]

    def refuse(*_: Any, **__: Any) -> Any:
        raise EncodeError("json cannot encode it")

    monkeypatch.setattr("taskq.app.follow.chord_message", refuse)
    assert [count(app, work, jobs[1], part) for part in parts if part] == [False, True]

    assert result.state == "FAILURE"
    assert str(result.result) == "The body cannot be sent: json cannot encode it"


def test_what_follows_a_chord_fails_with_it(
    app: LabApp, work: Work, add: Any, fail: Any, xsum: Any
) -> None:
    """Nobody waits for ever for the last step of a chain whose chord has failed."""
    result = (group(add.s(1, 2), fail.s()) | xsum.s() | add.s(1) | add.s(2)).delay()

    drain(app, work)

    assert [result.state, result.parent.state, result.parent.parent.state] == ["FAILURE"] * 3


# -- messages of Celery's clients, and what is rare ----------------------------------------------


@pytest.mark.parametrize(
    ("name", "make", "results"),
    [
        ("group", lambda add, _: {"tasks": [add.s(1, 2), add.s(3, 4)]}, [3, 7]),
        ("chain", lambda add, _: {"tasks": [add.s(1, 2), add.s(7)]}, [3, 10]),
        ("chord", lambda add, xsum: {"header": [add.s(1, 2)], "body": xsum.s()}, [3, 3]),
        ("chunks", lambda add, _: {"task": add.s(), "it": [[1, 2], [3, 4]], "n": 1}, [[3], [7]]),
    ],
)
def test_a_canvas_that_came_as_a_task_is_sent(
    app: LabApp, work: Work, add: Any, xsum: Any, name: str, make: Any, results: list[Any]
) -> None:
    """Its result is the handle of what was sent."""
    result = app.send_task(f"celery.{name}", (), make(add, xsum))
    drain(app, work)

    stored = [meta_of(record) for record in app.lab_store.stored]
    assert result.state == "SUCCESS"
    assert [meta["result"] for meta in stored if meta["task_id"] != result.id] == results


def test_a_failing_step_fails_all_that_should_have_followed(
    app: LabApp, work: Work, add: Any, fail: Any, xsum: Any, store: DictStore
) -> None:
    """Also the members and the body of a chord among the steps, and the members of a group."""
    canvas = chain(
        fail.s(), group(add.s(1), add.s(2)), xsum.s(), chord([add.s(3)]), group(add.s(4), add.s(5))
    )
    canvas.delay()
    drain(app, work)

    states = [meta_of(record)["status"] for record in store.records.values()]
    assert set(states) == {"FAILURE"}
    assert len(states) >= 6


def test_an_errback_that_raises_or_is_unknown_harms_nobody(
    app: LabApp, work: Work, fail: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The one is logged, the other is sent to whoever knows it."""

    @app.task(name="clumsy")
    def clumsy(request: Any, exc: Any, traceback: Any) -> None:
        raise KeyError("errback")

    fail.apply_async(link_error=[clumsy.s(), signature("elsewhere", app=app)])
    (sent,) = app.lab_broker.take()
    ending = work(job_of(sent))

    assert ending.kind is EndingKind.FAILED
    assert [each.message.headers["task"] for each in ending.follow_ups] == ["elsewhere"]
    assert "errback clumsy of task" in caplog.text


def test_a_member_without_a_body_finishes_nothing(
    app: LabApp, work: Work, add: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Its message names no chord; that is said, and the chord ends with nothing."""
    add.delay(1, 2)
    (sent,) = app.lab_broker.take()

    assert work.chord_ending(job_of(sent), ChordFull(0, "g", ()), 0) == ChordEnding("g")
    assert "names no body" in caplog.text


def test_a_member_can_be_added_to_a_chord_only(app: LabApp, work: Work, add: Any) -> None:
    """Elsewhere it is an error, and nothing is sent."""

    @app.task(name="more", bind=True)
    def more(self: Any) -> None:
        self.add_to_chord(add.s(1, 2))

    result = more.delay()
    drain(app, work)

    with pytest.raises(ValueError, match="not member of any chord"):
        result.get()


class FixedStore(DictStore):
    """A store that counts chords, and cannot make them larger."""

    grow_chord: Any = None


class FixedApp(LabApp):
    def make_ports(self) -> Ports:
        return replace(super().make_ports(), store=FixedStore())


def test_a_store_must_be_able_to_grow_a_chord() -> None:
    """One that cannot is named, and the member fails."""
    app = FixedApp("fixed", set_as_current=False)
    add = app.task(name="add")(lambda x, y: x + y)

    @app.task(name="more", bind=True)
    def more(self: Any) -> None:
        self.add_to_chord(add.s(1, 2))

    result: Any = chord([more.s()])(add.s(1))
    drain(app, Work(app, "w1@host"))

    assert "cannot add members to a chord that runs" in str(result.parent.results[0].result)
    app.close()


def test_what_replaces_a_task_takes_its_callbacks_and_stamps(
    app: LabApp, work: Work, add: Any
) -> None:
    """As if it had been sent in its place."""

    @app.task(name="swap", bind=True)
    def swap(self: Any) -> None:
        self.replace(add.s(1, 2))

    sig = swap.s()
    sig.stamp(customer="acme")
    sig.apply_async(link=add.s(10), link_error=add.si(0, 0))
    (sent,) = app.lab_broker.take()
    ending = work(job_of(sent))

    (replacement,) = ending.follow_ups
    headers, embed = replacement.message.headers, body_of(replacement)[2]
    assert (headers["stamped_headers"], headers["stamps"]) == (["customer"], {"customer": "acme"})
    assert [each["args"] for each in embed["callbacks"]] == [[10]]
    assert [each["args"] for each in embed["errbacks"]] == [[0, 0]]


def test_a_direct_call_has_no_place_to_be_replaced_in(app: LabApp, add: Any) -> None:
    """It ends there."""

    @app.task(name="swap", bind=True)
    def swap(self: Any) -> Any:
        return self.replace(add.s(1, 2))

    with pytest.raises(Ignore, match="Replaced"):
        swap()
    assert swap.apply().result == 3
