"""What monitors are told."""

from __future__ import annotations

import pytest

from taskq.core.effects import Emit
from taskq.core.inputs import Happened
from taskq.core.outcome import OUTCOMES
from taskq.core.telling import FIELDS
from taskq.ports import EndingKind, JobStarted

from .helpers import at, core_of, deliver, delivery, end, of


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
