"""The calls by which Celery's own programs send chains and chords, past the eager setting."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.canvas import chain, chord, group
from tests.unit.canvas.paper_app import PaperApp


@pytest.fixture
def app() -> PaperApp:
    app = PaperApp(task_always_eager=True)
    app.task("add")
    app.task("total", sum)
    return app


def test_a_chain_is_run_in_its_place(app: PaperApp) -> None:
    """Ids, links and the place in a group are those that were given; nothing runs here."""
    result: Any = chain(app.sig("add", 1), app.sig("add", 2), app=app).run(
        (10,),
        group_id="g",
        chord={"task": "total"},
        task_id="last",
        link=app.sig("total"),
        root_id="root",
        parent_id="parent",
        group_index=3,
        app=app,
        queue="slow",
    )

    assert result.id == "last"
    assert not app.applied
    (call,) = app.sent
    assert (call.args, call.root_id, call.parent_id) == ((10, 1), "root", "parent")
    (following,) = call.chain or ()
    options = following["options"]
    assert (options["task_id"], options["group_id"], options["group_index"]) == ("last", "g", 3)
    assert options["chord"] == {"task": "total"}
    assert [each["task"] for each in options["link"]] == ["total"]
    assert app.given[0]["queue"] == "slow"


def test_a_chain_that_is_told_nothing_is_run_as_it_is(app: PaperApp) -> None:
    """Its ids are new, and it stands in no group."""
    result: Any = chain(app.sig("add", 1), app.sig("add", 2), app=app).run()

    (call,) = app.sent
    assert (call.root_id, call.group) == (None, None)
    assert (call.chain or ())[0]["options"]["task_id"] == result.id


def test_steps_are_prepared_the_last_one_first(app: PaperApp) -> None:
    """With their results; a group that something follows has become a chord."""
    given = [app.sig("add", 1), group(app.sig("add"), app.sig("add")), app.sig("total")]
    steps, results = chain(app=app).prepare_steps(
        (5,), {"x": 1}, given, link_error=app.sig("told"), app=app, last_task_id="last"
    )

    assert [step.task for step in steps] == ["celery.chord", "add"]
    assert steps[-1].args == (5, 1)
    assert steps[-1].kwargs == {"x": 1}
    assert [each.task for each in steps[-1].options["link_error"]] == ["told"]
    assert results[0].id == "last"
    assert results[-1].id == steps[-1].id
    assert given[0].options == {}


def test_nothing_is_prepared_of_nothing(app: PaperApp) -> None:
    """Without steps there are no results."""
    assert chain(app=app).prepare_steps((), {}, []) == ([], [])


def test_a_chord_runs_another_header_and_body(app: PaperApp) -> None:
    """With the options of its own."""
    own = chord([app.sig("add")], app.sig("total"), app=app, options={"queue": "slow"})
    result: Any = own.run([app.sig("add", 1)], app.sig("total"), (2,), task_id="b", header_delay=5)

    assert result.id == "b"
    assert [(call.task, call.args) for call in app.sent] == [("add", (2, 1))]
    assert (app.given[0]["countdown"], app.given[0]["queue"]) == (5, "slow")


def test_a_chord_runs_here_where_it_is_told_to(app: PaperApp) -> None:
    """``eager`` sends nothing."""
    own = chord([app.sig("add")], app.sig("total"), app=app)

    own.run([app.sig("add", 1), app.sig("add", 2)], app.sig("total"), eager=True)

    assert (app.applied, app.sent) == ([(["add", "add"], None)], [])
