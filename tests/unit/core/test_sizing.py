"""How many slots the pool is to have: by command, and by the work that there is."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.core.autoscale import STEP_S, Autoscale
from taskq.core.effects import Grow, RestartPool, SetPrefetch, Shrink
from taskq.core.inputs import (
    AutoscaleSet,
    Happened,
    PoolRestartAsked,
    PoolSized,
    Stop,
    StopAsked,
    Woke,
)
from taskq.core.worker import WorkerCore
from taskq.ports import SlotLost, SlotReady

from .helpers import at, core_of, deliver, delivery, end, of


def sized(effects: list[Any]) -> list[Any]:
    return of(Grow, effects) + of(Shrink, effects)


def scaling(
    most: int = 4, least: int = 1, *, slots: int = 1, when: float = 0.0, **more: Any
) -> WorkerCore:
    core = core_of(slots=slots, concurrency=slots, autoscale=(most, least), **more)
    core.handle(Woke(), at(when))
    return core


def comes(core: WorkerCore, *slots: int, when: float = 0.0) -> list[Any]:
    return core.handle(Happened(tuple(SlotReady(n, 100 + n) for n in slots)), at(when))


# -- by command ------------------------------------------------------------------------------


def test_a_pool_grows_and_shrinks_by_command() -> None:
    """By as many slots as it is told."""
    core = core_of(slots=3)

    assert sized(core.handle(PoolSized(2), at(1.0))) == [Grow(2)]
    assert sized(core.handle(PoolSized(-1), at(1.0))) == [Shrink(1)]
    assert sized(core.handle(PoolSized(0), at(1.0))) == []


def test_the_last_slot_stays() -> None:
    """A pool without slots would be a worker that looks alive and does nothing."""
    core = core_of(slots=3)

    assert sized(core.handle(PoolSized(-9), at(1.0))) == [Shrink(2)]
    assert sized(core.handle(PoolSized(-1), at(1.0))) == []


def test_slots_that_are_still_coming_count() -> None:
    """The size that was asked for is what is changed, not what happens to be there."""
    core = core_of(slots=1, concurrency=4)

    assert sized(core.handle(PoolSized(-3), at(1.0))) == [Shrink(3)]


def test_the_window_follows_the_size_and_not_a_slot_that_is_being_replaced() -> None:
    """A process that ends after its last job and is replaced moves nothing."""
    core = core_of(slots=2)
    core.handle(Woke(), at(0.0))

    replaced = core.handle(Happened((SlotLost(0, (), (), "full", expected=True),)), at(1.0))
    grown = core.handle(PoolSized(1), at(2.0))

    assert of(SetPrefetch, replaced) == []
    assert of(SetPrefetch, grown) == [SetPrefetch(12)]


@pytest.mark.parametrize(("allowed", "asked"), [(True, [RestartPool()]), (False, [])])
def test_a_pool_is_restarted_where_that_is_allowed(allowed: bool, asked: list[Any]) -> None:
    """The setting ``worker_pool_restarts`` says whether."""
    core = core_of(can_restart_pool=allowed)

    assert of(RestartPool, core.handle(PoolRestartAsked(), at(1.0))) == asked


# -- by itself -------------------------------------------------------------------------------


def test_a_pool_grows_by_what_waits_up_to_its_most() -> None:
    """At once: work that waits is not waited with."""
    core = scaling(4)

    assert sized(deliver(core, delivery(1), delivery(2), delivery(3))) == [Grow(2)]
    assert sized(deliver(core, delivery(4))) == [Grow(1)]
    assert sized(deliver(core, delivery(5))) == []


def test_slots_that_are_coming_are_not_asked_for_twice() -> None:
    """A process takes a while to start."""
    core = scaling(9)
    deliver(core, delivery(1), delivery(2), delivery(3))

    assert sized(core.handle(Woke(), at(1.0))) == []
    assert sized(comes(core, 1, 2, when=2.0)) == []


def test_an_idle_pool_shrinks_slowly_to_its_least() -> None:
    """Not before it has been kept since the pool last grew, then one after the other."""
    core = scaling(9, 2, slots=2)
    deliver(core, *(delivery(tag) for tag in range(5)))
    comes(core, 2, 3, 4, when=1.0)
    for tag in range(5):
        end(core, tag, when=2.0)

    moments = []
    while core.wake_at is not None:
        moments.append((core.wake_at, sized(core.handle(Woke(), at(core.wake_at)))))

    first_s = 0.0 + 30.0
    assert moments == [
        (first_s, [Shrink(1)]),
        (first_s + STEP_S, [Shrink(1)]),
        (first_s + 2 * STEP_S, [Shrink(1)]),
    ]


def test_a_busy_pool_does_not_shrink() -> None:
    """A slot that has something to do is not one too many."""
    core = scaling(9, 1, slots=2)
    deliver(core, delivery(1), delivery(2))

    assert sized(core.handle(Woke(), at(100.0))) == []
    assert core.wake_at is None
    assert sized(end(core, 1, when=101.0)) == [Shrink(1)]


def test_where_nothing_is_taken_ahead_a_busy_pool_grows() -> None:
    """It cannot see what waits at the broker, and asks for one slot more."""
    core = scaling(3, exact_prefetch=True)

    assert sized(deliver(core, delivery(1, "late"))) == [Grow(1)]


def test_a_pool_that_was_sized_by_hand_moves_its_bounds() -> None:
    """What somebody wants is not undone."""
    core = scaling(4, 2, slots=2)
    core.handle(PoolSized(4), at(1.0))
    assert core.autoscale == (6, 2)

    core.handle(PoolSized(-5), at(1.0))

    assert core.autoscale == (6, 1)


def test_bounds_can_be_set() -> None:
    """The size goes where they are."""
    core = scaling(9, 1, slots=2)

    assert sized(core.handle(AutoscaleSet(8, 5), at(1.0))) == [Grow(3)]
    assert sized(core.handle(AutoscaleSet(3, 1), at(1.0))) == [Shrink(2)]
    assert core.autoscale == (3, 1)


def test_bounds_are_set_only_where_the_pool_scales_itself() -> None:
    """Else the command is refused before it comes here."""
    core = core_of(slots=2)

    assert sized(core.handle(AutoscaleSet(8, 5), at(1.0))) == []
    assert core.autoscale is None


def test_bounds_the_wrong_way_round_and_of_nothing() -> None:
    """One slot is always there."""
    scale = Autoscale(0, 3, keep_s=30.0)
    assert (scale.most, scale.least) == (3, 1)

    scale.bound(0, 0)

    assert (scale.most, scale.least) == (1, 1)


def test_a_worker_that_stops_scales_no_more() -> None:
    """It is on its way out."""
    core = scaling(4)
    deliver(core, delivery(1), delivery(2))

    assert sized(core.handle(StopAsked(Stop.WARM), at(1.0))) == []
    assert core.wake_at is None


def test_a_pool_that_is_not_there_yet_is_not_scaled() -> None:
    """Nobody knows how large it is."""
    core = core_of(slots=0, autoscale=(4, 1))

    assert sized(core.handle(Woke(), at(1.0))) == []
