"""What those who look into a worker see."""

from __future__ import annotations

from typing import Any

from taskq.core.inputs import Connected, Happened, Stop, StopAsked
from taskq.core.views import TaskView
from taskq.core.worker import WorkerCore
from taskq.ports import Reading, SlotLost, SlotReady

from .helpers import START, at, core_of, deliver, delivery, end, iso


def seen(core: WorkerCore) -> dict[int, TaskView]:
    return {view.job.token: view for view in core.views()}


def batch(*tags: int, task: str = "add", **options: Any) -> WorkerCore:
    """A core whose slot has all of them."""
    core = core_of(**options)
    deliver(core, delivery(0, task))
    end(core, 0, when=0.0, runtime_s=0.0001)
    deliver(core, *(delivery(tag, task) for tag in tags), when=1.0)
    return core


def test_what_runs_is_active_since_then() -> None:
    """With the process that runs it."""
    core = batch(1)
    core.handle(Connected(), at(5.0))

    [view] = core.views()

    assert (view.stage, view.pid, view.acknowledged) == ("active", 100, True)
    assert view.started == Reading(START + 1.0, 1.0)


def test_what_waits_in_a_slot_behind_another_is_reserved() -> None:
    """It has not begun."""
    core = batch(1, 2, task="late")

    view = seen(core)[2]

    assert (view.stage, view.pid, view.acknowledged) == ("reserved", 100, False)
    assert view.started is None


def test_what_waits_here_is_reserved_or_scheduled() -> None:
    """For a slot, for its rate limit, for its time."""
    core = core_of(traits={"rated": {"rate_limit": "1/h"}})
    deliver(core, *(delivery(tag, "rated") for tag in (1, 2)))
    deliver(core, delivery(3), delivery(4, eta=iso(60)))

    stages = {token: (view.stage, view.due_s) for token, view in seen(core).items()}

    assert stages == {
        1: ("active", None),
        2: ("reserved", None),
        3: ("reserved", None),
        4: ("scheduled", START + 60),
    }


def test_what_runs_in_a_slot_that_has_left_is_active() -> None:
    """Its ending is on its way; nobody knows since when it ran."""
    core = batch(1)
    core.handle(Happened((SlotLost(0, (), (), "shrunk", expected=True),)), at(2.0))
    gone = core.views()
    core.handle(Happened((SlotReady(0, 200),)), at(2.1))

    for [view] in (gone, core.views()):
        assert (view.stage, view.pid, view.started) == ("active", None, None)


def test_what_is_over_is_not_shown() -> None:
    """Its ending is being made."""
    core = core_of()
    deliver(core, delivery(1, "nope"))

    assert core.views() == ()


def test_slots_are_shown_with_their_processes() -> None:
    """Those that are there now."""
    core = core_of(slots=2)
    core.handle(Happened((SlotLost(0, (), (), "gone"),)), at(1.0))

    assert core.slots == {1: 101}


def test_totals_count_bodies_that_have_begun() -> None:
    """Those that ended, those that were lost, and those that run; none that never began."""
    core = batch(1, 2)
    deliver(core, delivery(3, "nope"))
    core.handle(Happened((SlotLost(0, (1,), (2,), "gone"),)), at(1.0))
    deliver(core, delivery(4, "late"))

    assert core.totals == {"add": 2}


def test_totals_of_a_worker_that_has_left() -> None:
    """What it gave back has not ended here."""
    core = batch(1, task="late")
    core.handle(StopAsked(Stop.IMMEDIATE), at(2.0))

    assert core.totals == {"late": 1}


def test_totals_count_what_runs() -> None:
    """It has begun, though it has not ended."""
    core = core_of(slots=2)
    deliver(core, delivery(1), delivery(2, "late"), delivery(3, "late"))

    assert core.totals == {"add": 1, "late": 1}


def test_the_prefetch_is_shown_as_the_broker_was_told() -> None:
    """Slots times multiplier, while nothing is known of the tasks."""
    core = core_of(slots=2, prefetch_multiplier=3)

    assert core.prefetch == 6
