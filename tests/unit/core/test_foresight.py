"""What follows an ended task and would begin at once is claimed by the commit that publishes it."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.core.effects import Commit, Run, SetPrefetch, Settle
from taskq.core.inputs import Connected, Delivered, Happened, Revoked
from taskq.ports import Delivery, Ending, EndingKind, Message, Outgoing, Revocation

from .helpers import START, at, core_of, deliver, delivery, end, iso, of, run_tags


def following(task: str = "add", **headers: Any) -> Outgoing:
    message = Message({"task": task, "id": "next", **headers}, b"[]", "application/json", "utf-8")
    return Outgoing(message, "", "celery")


def begins(effects: list[Any]) -> list[tuple[int, ...]]:
    [commit] = of(Commit, effects)
    return [finish.begins for finish in commit.finished]


def test_the_next_step_begins_where_a_slot_has_nothing_to_do() -> None:
    """The slot of the step before it is free by then."""
    core = core_of(slots=1)
    deliver(core, delivery(1))
    effects = end(core, 1, follow_ups=(following(),))

    assert begins(effects) == [(0,)]
    assert of(Commit, effects)[0].takes


@pytest.mark.parametrize(
    "step",
    [
        following("late"),  # not claimed at all: it comes again if its worker is lost
        following("limited"),
        following("unknown"),
        following(eta=iso(60)),
        following(expires=iso(60)),
        following(id="revoked"),
    ],
    ids=["late", "limited", "unknown", "eta", "expires", "revoked"],
)
def test_what_something_may_be_in_the_way_of_is_not_claimed_ahead(step: Outgoing) -> None:
    """Its message is looked at first, and claimed when it is handed out."""
    core = core_of(slots=2, traits={"limited": {"rate_limit": "1/s"}})
    core.handle(Revoked((Revocation(START + 999, "revoked"),)), at(0.0))
    deliver(core, delivery(1))

    assert begins(end(core, 1, follow_ups=(step,))) == [()]


def test_no_more_is_claimed_ahead_than_slots_are_idle() -> None:
    """One of two slots is at work, so of a group of three one begins."""
    core = core_of(slots=2)
    deliver(core, delivery(1), delivery(2))

    assert begins(end(core, 1, follow_ups=(following(),) * 3)) == [(0,)]


def test_those_that_end_together_share_the_idle_slots() -> None:
    """The first to end goes first."""
    core = core_of(slots=2)
    deliver(core, delivery(1), delivery(2))
    endings = tuple(
        Ending(tag, EndingKind.SUCCEEDED, 1.0, follow_ups=(following(), following()))
        for tag in (1, 2)
    )

    assert begins(core.handle(Happened(endings), at(1.0))) == [(0, 1), ()]


def test_nothing_is_claimed_ahead_of_what_is_ready() -> None:
    """What was taken before begins before."""
    core = core_of(slots=1)
    deliver(core, delivery(1), delivery(2), delivery(3))
    effects = end(core, 1, follow_ups=(following(),))

    assert run_tags(effects) == [[2]]
    assert begins(effects) == [()]


def test_what_came_claimed_is_run_without_a_claim() -> None:
    """One round trip fewer, and the same promise."""
    core = core_of(slots=1)
    step = delivery(1)
    claimed = Delivery(1, step.message, step.queue, "", step.routing_key, claimed=True)
    effects = core.handle(Delivered((claimed,)), at(0.0))

    assert of(Settle, effects) == []
    assert [type(effect) for effect in effects if isinstance(effect, Run | Settle)] == [Run]


def test_a_worker_that_takes_nothing_ahead_takes_nothing_along() -> None:
    """How many may be taken is known when the window has been told, and that is later."""
    core = core_of(slots=1, exact_prefetch=True)
    core.handle(Connected(), at(0.0))
    deliver(core, delivery(1))
    effects = end(core, 1, follow_ups=(following(),))

    assert (begins(effects), of(Commit, effects)[0].takes) == ([()], False)
    assert of(SetPrefetch, effects) == []
