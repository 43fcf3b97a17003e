"""Canvases that run here: ``apply``, and ``task_always_eager``."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.canvas import chain, chord, chunks, group, xmap
from taskq.errors import ChordError
from tests.unit.canvas.paper_app import PaperApp


@pytest.fixture
def app() -> PaperApp:
    app = PaperApp()
    app.task("add")
    app.task("total", sum)
    app.task("fail", lambda *args: 1 / 0)
    app.task("celery.starmap", lambda task, it: [sum(args) for args in it])
    app.task("celery.map", lambda task, it: list(it))
    return app


def test_a_chain_hands_results_on(app: PaperApp) -> None:
    """Each step gets the result of the one before."""
    result: Any = (app.sig("add", 1) | app.sig("add", 10) | app.sig("add", 100)).apply((1000,))

    assert result.get() == 1111
    assert (result.parent.get(), result.parent.parent.get()) == (1011, 1001)
    assert not app.sent


def test_a_chain_stops_at_the_step_that_fails(app: PaperApp) -> None:
    """Its result is that of the chain."""
    result: Any = (app.sig("add", 1) | app.sig("fail") | app.sig("add", 100)).apply()

    assert (result.state, result.parent.get()) == ("FAILURE", 1)
    assert [name for name, *_ in app.applied] == ["add", "fail"]
    with pytest.raises(ZeroDivisionError):
        result.get()


def test_what_a_chain_says_is_said_once(app: PaperApp) -> None:
    """Args go to the first step, links and the id to the last, errbacks to each."""
    canvas: Any = (app.sig("add", 1) | app.sig("add", 10)).clone((100,))
    canvas.link(app.sig("total"))
    canvas.link_error(app.sig("fail"))
    result = canvas.apply((1000,), task_id="last", link=app.sig("add"))

    assert result.get() == 1111
    (_, first, early), (_, _, late) = app.applied
    assert first == (1000, 100, 1)
    assert ("link" in early, "task_id" in early, late["task_id"]) == (False, False, "last")
    assert [each.task for each in late["link"]] == ["total", "add"]
    assert [each.task for each in early["link_error"]] == ["fail"]
    assert [each.task for each in late["link_error"]] == ["fail"]


def test_an_empty_chain_does_nothing(app: PaperApp) -> None:
    """It has no result."""
    assert chain(app=app).apply() is None


def test_a_group_runs_all_its_members(app: PaperApp) -> None:
    """Nested ones too; options for a group are not for its members."""
    nested = group(group(app.sig("add", 1)), app.sig("add", 2), countdown=5)

    result: Any = nested.apply((10,), task_id="mine", root_id="r")

    assert (result.id, result.get()) == ("mine", [11, 12])
    assert app.applied[0][2] == {"countdown": 5, "root_id": "r"}


def test_a_chord_runs_header_and_body(app: PaperApp) -> None:
    """The body gets the list of results, and links are its own."""
    canvas = chord([app.sig("add", 1), app.sig("add", 2)], app.sig("total"))

    result: Any = canvas.apply((10,), task_id="mine", link=app.sig("add"))

    assert (result.id, result.get(), result.parent.get()) == ("mine", 23, [11, 12])
    assert [sorted(options) for _, _, options in app.applied] == [[], [], ["link", "task_id"]]


def test_the_body_of_a_chord_can_be_another(app: PaperApp) -> None:
    """Given by name or among the kwargs."""
    canvas = chord([app.sig("add", 1)])

    assert canvas.apply(body=app.sig("total")).get() == 1
    assert canvas.apply((), {"body": app.sig("total")}).get() == 1
    assert canvas.apply().get() == [1]


def test_a_failing_header_stops_a_chord(app: PaperApp) -> None:
    """It raises where that is wanted, and goes on where errors are to be results."""
    canvas = chord([app.sig("fail")], app.sig("keep"))
    app.task("keep", lambda values: values)

    with pytest.raises(ChordError, match="ZeroDivisionError"):
        canvas.apply().get()
    with pytest.raises(ZeroDivisionError):
        canvas.apply(propagate=True)
    assert isinstance(canvas.apply(propagate=False).get()[0], ZeroDivisionError)


def test_maps_and_chunks_run_here(app: PaperApp) -> None:
    """Through the builtin tasks."""
    assert chunks(app.sig("add"), [(1, 2), (3, 4), (5, 6)], 2, app=app).apply().get() == [
        [3, 7],
        [11],
    ]
    assert xmap(app.sig("add"), [1, 2], app=app).apply().get() == [1, 2]


def test_with_always_eager_nothing_is_sent(app: PaperApp) -> None:
    """``apply_async`` of a canvas is ``apply``."""
    app.conf.task_always_eager = True

    canvas = app.sig("add", 1) | group(app.sig("add", 2), app.sig("add", 3)) | app.sig("total")

    assert canvas.delay().get() == 7
    assert group(app.sig("add", 1)).delay().get() == [1]
    assert not app.sent
