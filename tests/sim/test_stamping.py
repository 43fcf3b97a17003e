"""Stamps mark every message of a workflow, wherever it is sent from."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from taskq import TaskQ, chain, chord, group
from taskq.canvas import StampingVisitor
from taskq.errors import ChordError, TaskRevokedError
from taskq_testing import World
from taskq_testing.checks.registry import run_checks

Make = Callable[..., World]
Seen = list[tuple[str, Any]]
ACME = {"customer": "acme"}


@pytest.fixture
def seen() -> Seen:
    """Which stamps the bodies have seen, by the name of their task."""
    return []


@pytest.fixture
def t(app: TaskQ, seen: Seen) -> Any:
    """The tasks by their names."""

    def see(task: Any) -> None:
        assert task.request.stamped_headers == (list(task.request.stamps or ()) or None)
        seen.append((task.name, dict(task.request.stamps or {})))

    @app.task(bind=True, name="add")
    def add(self: Any, *numbers: int) -> int:
        see(self)
        return sum(numbers)

    @app.task(bind=True, name="total")
    def total(self: Any, numbers: list[int]) -> int:
        see(self)
        return sum(numbers)

    @app.task(bind=True, name="retries")
    def retries(self: Any) -> int:
        see(self)
        if self.request.retries < 2:
            raise self.retry(countdown=60)
        return 1

    @app.task(bind=True, name="fails")
    def fails(self: Any, *args: Any) -> None:
        see(self)
        raise ValueError("no")

    @app.task(bind=True, name="replaced")
    def replaced(self: Any) -> Any:
        see(self)
        raise self.replace(chord([add.s(1), add.s(2) | add.s(3)], total.s()) | add.s(4))

    @app.task(bind=True, name="sends")
    def sends(self: Any) -> None:
        see(self)
        add.delay(1)

    @app.task(bind=True, name="old_errback")
    def old_errback(self: Any, task_id: str) -> None:
        see(self)

    @app.task(name="new_errback")
    def new_errback(request: Any, error: Exception, traceback: Any) -> None:
        seen.append((f"new_errback {type(error).__name__}", dict(request.stamps or {})))

    @app.task(name="slow")
    def slow(*args: Any) -> int:
        time.sleep(100)
        return 1

    return app.tasks


@pytest.fixture
def world(app: TaskQ, taskq_world: Make) -> World:
    """A world with one worker that tells monitors."""
    made = taskq_world(app)
    made.start_worker("w1", task_events=True)
    return made


def names(seen: Seen) -> list[str]:
    assert all(stamps == ACME for _, stamps in seen), seen
    return [name for name, _ in seen]


def test_all_parts_of_a_workflow_are_stamped(t: Any, world: World, seen: Seen) -> None:
    """Steps, members, bodies of chords, and what is chained to those."""
    add, total = t["add"], t["total"]
    canvas = add.s(1) | group(add.s(2), add.s(3) | add.s(4)) | total.s() | add.s(5)

    assert canvas.stamp(customer="acme").delay().get() == (1 + 2) + (1 + 3 + 4) + 5
    assert sorted(names(seen)) == ["add"] * 5 + ["total"]


def test_callbacks_and_errbacks_are_stamped(t: Any, world: World, seen: Seen) -> None:
    """Those that are there when it is stamped."""
    good, bad = t["add"].s(1), t["fails"].s()
    good.link(t["add"].s(2))
    bad.link_error(t["old_errback"].s())
    bad.link_error(t["new_errback"].s())
    group(good, bad).stamp(customer="acme").delay()
    world.run_until_quiet()

    assert sorted(names(seen)) == ["add", "add", "fails", "new_errback ValueError", "old_errback"]


def test_what_is_linked_later_has_no_stamp(t: Any, world: World, seen: Seen) -> None:
    """As in the reference: stamps are no property of the sender."""
    sig = t["add"].s(1).stamp(customer="acme")
    sig.link(t["total"].si([]))
    sig.delay()
    world.run_until_quiet()

    assert seen == [("add", ACME), ("total", {})]


def test_what_a_body_sends_has_no_stamp(t: Any, world: World, seen: Seen) -> None:
    """As in the reference: it is no part of the workflow."""
    t["sends"].s().stamp(customer="acme").delay()
    world.run_until_quiet()

    assert seen == [("sends", ACME), ("add", {})]


def test_the_errback_of_a_chord_sees_the_stamps_of_its_body(
    t: Any, world: World, seen: Seen
) -> None:
    """Old style and new style."""
    body = t["total"].s().on_error(t["new_errback"].s()).on_error(t["old_errback"].s())
    chord([t["fails"].s()], body).stamp(customer="acme").delay()
    world.run_until_quiet()

    assert sorted(names(seen)) == ["fails", "new_errback ChordError", "old_errback"]


def test_retries_keep_stamps(t: Any, world: World, seen: Seen) -> None:
    """Each attempt has them."""
    t["retries"].s().stamp(customer="acme").delay()
    world.run_until_quiet()

    assert names(seen) == ["retries"] * 3


def test_what_replaces_a_task_takes_its_stamps(t: Any, world: World, seen: Seen) -> None:
    """All parts of it (in the reference none)."""
    result = t["replaced"].s().stamp(customer="acme").delay()

    assert result.get() == 1 + (2 + 3) + 4
    assert sorted(names(seen)) == ["add"] * 4 + ["replaced", "total"]


def test_stamps_of_a_replacement_win(app: TaskQ, t: Any, world: World, seen: Seen) -> None:
    """It keeps its own value of a stamp, and takes the others."""

    @app.task(bind=True, name="swaps")
    def swaps(self: Any) -> Any:
        raise self.replace(t["add"].s(1).stamp(customer="other"))

    swaps.s().stamp(customer="acme", order=7).delay().get()

    assert seen == [("add", {"customer": "other", "order": 7})]


def test_a_visitor_stamps_each_part_in_its_own_way(t: Any, world: World, seen: Seen) -> None:
    """What it returns for a signature is that signature's alone."""

    class Names(StampingVisitor):
        def on_signature(self, sig: Any, **headers: Any) -> dict[str, Any]:
            return {"name": sig.task}

        def on_chord_body(self, sig: Any, **header: Any) -> dict[str, Any]:
            return {"is_body": True}

    canvas = chord([t["add"].s(1), t["add"].s(2)], t["total"].s())
    canvas.stamp(Names(), customer="acme").delay()
    world.run_until_quiet()

    assert seen[:2] == [("add", {"name": "add", "customer": "acme"})] * 2
    assert seen[2:] == [("total", {"name": "total", "is_body": True, "customer": "acme"})]


def test_stamps_stand_in_extended_results(app: TaskQ, t: Any, world: World) -> None:
    """Each under its name, as Celery stores them; but none hides what else is there."""
    app.conf.result_extended = True
    result = t["add"].s(1).stamp(customer="acme", status="odd").delay()
    world.run_until_quiet()

    meta = app.backend.get_task_meta(result.id)
    assert meta["stamped_headers"] == ["customer", "status"]
    assert (meta["customer"], meta["status"]) == ("acme", "SUCCESS")


def test_without_stamps_nothing_is_said_of_them(app: TaskQ, t: Any, world: World) -> None:
    """Results and events are what they were."""
    app.conf.update(result_extended=True, task_send_sent_event=True)
    result = t["add"].delay(1)
    world.run_until_quiet()

    assert "stamped_headers" not in app.backend.get_task_meta(result.id)
    assert not any("stamps" in event for event in world.events(uuid=result.id))


def test_monitors_are_told_of_stamps(app: TaskQ, t: Any, world: World) -> None:
    """When it is sent, and when it is received."""
    app.conf.task_send_sent_event = True
    result = t["add"].s(1).stamp(customer="acme").delay()
    world.run_until_quiet()

    told = {event["type"]: event.get("stamps") for event in world.events(uuid=result.id)}
    assert (told["task-sent"], told["task-received"]) == (ACME, ACME)


def test_stamps_of_eager_tasks_are_those_of_sent_ones(t: Any, seen: Seen) -> None:
    """A value stays what it is (the reference makes a list of it there)."""
    chain(t["add"].s(1), t["add"].s(2)).stamp(customer="acme").apply()

    assert names(seen) == ["add", "add"]


def test_options_may_be_stamps(app: TaskQ, t: Any, world: World, seen: Seen) -> None:
    """Named in ``stamped_headers``, with ``apply_async`` and ``send_task``."""
    t["add"].apply_async((1,), stamped_headers=["customer"], customer="acme")
    app.send_task("add", (1,), stamped_headers=["customer"], customer="acme")
    world.run_until_quiet()

    assert names(seen) == ["add", "add"]


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> str:
    """Each kind that is modelled."""
    return str(request.param)


def started(world: World) -> list[Any]:
    return [record.facts["task"] for record in world.trace.find("task.start")]


def test_a_running_chain_is_revoked_by_its_stamp(
    app: TaskQ, t: Any, taskq_world: Make, broker: str
) -> None:
    """What runs goes on; what would follow does not begin, and who waits is told."""
    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    canvas = chain(t["slow"].s(), t["add"].s(1), t["add"].s(2)).stamp(customer="acme")
    result = canvas.delay()
    other = chain(t["slow"].s(), t["add"].s(1)).stamp(customer="other").delay()
    world.run_for(10)
    app.control.revoke_by_stamped_headers(ACME)

    with pytest.raises(TaskRevokedError):
        result.get()
    world.run_until_quiet()
    assert (result.parent.state, result.parent.parent.state) == ("REVOKED", "SUCCESS")
    assert (other.get(), started(world)) == (2, ["slow", "slow", "add"])
    assert run_checks(world) == []


def test_a_running_chain_is_ended_by_its_stamp(
    app: TaskQ, t: Any, taskq_world: Make, broker: str
) -> None:
    """With ``terminate`` what runs ends too."""
    world = taskq_world(app, broker=broker)
    world.start_worker("w1")
    result = chain(t["slow"].s(), t["add"].s(1)).stamp(customer="acme").delay()
    world.run_for(10)
    app.control.revoke_by_stamped_headers(ACME, terminate=True)

    with pytest.raises(TaskRevokedError):
        result.get()
    world.run_until_quiet()
    assert result.parent.state == "REVOKED"
    assert started(world) == ["slow"]


def test_a_running_chord_is_revoked_by_its_stamp(
    app: TaskQ, t: Any, taskq_world: Make, broker: str, seen: Seen
) -> None:
    """Its body does not run; its errback does, once, and says why."""
    world = taskq_world(app, broker=broker)
    world.start_worker("w1", slots=1)
    body = t["total"].s().on_error(t["new_errback"].s())
    result = chord([t["slow"].s(), t["slow"].s(), t["slow"].s()], body).stamp(**ACME).delay()
    world.run_for(10)
    app.control.revoke_by_stamped_headers(ACME)
    world.run_until_quiet()

    assert (result.state, type(result.result)) == ("FAILURE", ChordError)
    assert seen == [("new_errback ChordError", ACME)]
    assert started(world) == ["slow"]
