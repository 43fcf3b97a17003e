"""What monitors are told."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.core.effects import Emit, Run
from taskq.core.inputs import EventsSet, Happened, Revoked, Woke
from taskq.core.outcome import OUTCOMES
from taskq.core.telling import FIELDS
from taskq.ports import EndingKind, JobStarted, Revocation

from .helpers import START, at, core_of, deliver, delivery, end, iso, of


def test_monitors_are_told_of_each_step() -> None:
    """With events on, a task is received, started and ended, each with its id."""
    core = core_of(events=True)

    received = of(Emit, deliver(core, delivery(1, argsrepr="(1,)", retries=2)))
    started = of(Emit, core.handle(Happened((JobStarted(1, 100),)), at(0.5)))
    ended = of(Emit, end(core, 1, summary="3", runtime_s=0.5))

    assert [one.event for one in received] == ["task-received"]
    assert received[0].fields["args"] == "(1,)"
    assert received[0].fields["retries"] == 2
    assert [(one.event, one.fields["uuid"]) for one in started] == [("task-started", "t1")]
    assert ended == [Emit("task-succeeded", {"uuid": "t1", "result": "3", "runtime": 0.5})]


def test_nobody_is_told_without_events() -> None:
    """Events cost nothing where nobody asked for them, or the task does not want them."""
    silent = core_of()
    shy = core_of(events=True, traits={"shy": {"send_events": False}})

    assert of(Emit, deliver(silent, delivery(1))) + of(Emit, end(silent, 1)) == []
    assert of(Emit, deliver(shy, delivery(1, "shy"))) + of(Emit, end(shy, 1)) == []


@pytest.mark.parametrize(
    ("kind", "event"), [(kind, row.event) for kind, row in OUTCOMES.items() if row.event]
)
def test_every_ending_that_is_told_has_its_fields(kind: EndingKind, event: str) -> None:
    """The table of endings names only events whose fields are known."""
    core = core_of(events=True)
    deliver(core, delivery(1))

    [told] = of(Emit, end(core, 1, kind, summary="expired"))

    assert told.event == event
    assert event in FIELDS
    assert {"uuid"} < set(told.fields)


@pytest.mark.parametrize(("headers", "expired"), [({"expires": iso(-1)}, True), ({}, False)])
def test_monitors_are_told_why_a_task_was_revoked(headers: dict[str, Any], expired: bool) -> None:
    """Because it came too late, or because somebody wanted it so."""
    core = core_of(events=True)
    if not expired:
        core.handle(Revoked((Revocation(START + 9, "t1"),)), at(0.0))
    deliver(core, delivery(1, **headers))

    assert of(Emit, end(core, 1, EndingKind.REVOKED)) == [
        Emit(
            "task-revoked",
            {"uuid": "t1", "terminated": False, "signum": None, "expired": expired},
        )
    ]


def test_monitors_can_ask_for_events_and_for_silence() -> None:
    """From the next message on; the pool announces then as well."""
    core = core_of(slots=3)
    [quiet] = of(Run, deliver(core, delivery(1)))
    core.handle(EventsSet(wanted=True), at(0.0))
    told = deliver(core, delivery(2))
    core.handle(EventsSet(wanted=False), at(0.0))
    silent = deliver(core, delivery(3))

    assert not core.events
    assert [one.event for one in of(Emit, told)] == ["task-received"]
    assert of(Emit, silent) == []
    announced = [run.jobs[0].announce for run in (quiet, *of(Run, told), *of(Run, silent))]
    assert announced == [False, True, False]


def test_a_task_is_received_once() -> None:
    """However long it waits here, for its time and for a slot."""
    core = core_of(events=True)

    told = deliver(core, delivery(1, eta=iso(5)), delivery(2))
    told += core.handle(Woke(), at(5.0)) + end(core, 2, when=6.0)

    events = [(one.event, one.fields["uuid"]) for one in of(Emit, told)]
    assert events == [
        ("task-received", "t1"),
        ("task-received", "t2"),
        ("task-succeeded", "t2"),
    ]
