"""The ways to stop: each ends, with everything settled, and once."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.core.effects import Conclude, Exit, Recall, Say, Settle, StopPool
from taskq.core.inputs import Buried, Disconnected, Happened, Stop, StopAsked, Woke
from taskq.core.stopping import COLD_S
from taskq.core.worker import WorkerCore
from taskq.ports import EndingKind, LostMessage, Settlement, SlotLost, SlotReady, Verdict

from .helpers import at, core_of, deliver, delivery, end, iso, kinds, of, run_tags, settled


def stop(core: WorkerCore, how: Stop, when: float = 1.0, code: int = 0) -> list[Any]:
    return core.handle(StopAsked(how, code), at(when))


def working(**options: Any) -> WorkerCore:
    """One runs early, one late; one of each waits; one waits for its time."""
    core = core_of(slots=2, **options)
    deliver(
        core,
        delivery(1),
        delivery(2, "late"),
        delivery(3),
        delivery(4, "late"),
        delivery(5, eta=iso(60)),
    )
    return core


def lost(core: WorkerCore, slot: int, *started: int, when: float = 2.0) -> list[Any]:
    return core.handle(Happened((SlotLost(slot, started, (), "stopped", expected=True),)), at(when))


@pytest.mark.parametrize("how", list(Stop))
def test_held_messages_go_back_at_once_at_every_stop(how: Stop) -> None:
    """Others may begin them while this worker ends."""
    effects = stop(working(soft_shutdown_s=5.0), how)

    [settle] = of(Settle, effects)
    given_back = [(one.tag, one.verdict, one.attempted) for one in settle.settlements]
    expected = {3, 4, 5} | ({2} if how is Stop.IMMEDIATE else set())
    assert {tag for tag, _, _ in given_back} == expected
    assert {(what, attempted) for _, what, attempted in given_back} == {(Verdict.REQUEUE, False)}


@pytest.mark.parametrize("how", list(Stop))
def test_an_idle_worker_leaves_at_once(how: Stop) -> None:
    """With the code that was asked for."""
    effects = stop(core_of(soft_shutdown_s=5.0), how, code=1)

    assert [kind for kind in kinds(effects) if kind != "Say"] == ["StopPool", "Exit"]
    assert of(Exit, effects) == [Exit(1)]


@pytest.mark.parametrize(
    ("how", "line"),
    [
        (Stop.WARM, "warm shutdown"),
        (Stop.SOFT, "soft shutdown"),
        (Stop.COLD, "cold shutdown"),
        (Stop.IMMEDIATE, "immediate shutdown"),
    ],
)
def test_each_way_has_its_line(how: Stop, line: str) -> None:
    """It says how many run, and for how long they may."""
    [said] = of(Say, stop(working(soft_shutdown_s=5.0), how))

    assert said.what == line
    assert said.facts == {"running": 2, "soft_s": 5.0}


# -- soft ------------------------------------------------------------------------------------


def test_a_soft_stop_lets_run_what_runs_for_its_time_and_then_turns_cold() -> None:
    """Two stops in one: the second comes by itself."""
    core = working(soft_shutdown_s=5.0)
    asked = stop(core, Stop.SOFT)

    assert core.wake_at == 6.0
    turned = core.handle(Woke(), at(6.0))
    late = lost(core, 1, 2, when=6.1)
    lost(core, 0, 1, when=6.1)
    last = end(core, 1, EndingKind.LOST, when=6.1)

    assert of(StopPool, asked) == []
    assert [said.what for said in of(Say, turned)] == ["cold shutdown"]
    assert of(StopPool, turned) == [StopPool(at_once=True)]
    assert settled(late) == [(2, Verdict.REQUEUE)]
    assert of(Exit, last) == [Exit(0)]


def test_a_soft_stop_ends_when_nothing_runs_any_more() -> None:
    """Nobody waits for the rest of the time."""
    core = working(soft_shutdown_s=5.0)
    stop(core, Stop.SOFT)
    end(core, 1, when=2.0)

    effects = end(core, 2, when=2.5)

    assert kinds(effects) == ["Commit", "StopPool", "Exit"]
    assert of(StopPool, effects) == [StopPool(at_once=False)]


def test_a_soft_stop_without_time_is_a_cold_one() -> None:
    """The default of ``worker_soft_shutdown_timeout`` is 0."""
    assert of(StopPool, stop(working(), Stop.SOFT)) == [StopPool(at_once=True)]


def test_an_idle_worker_may_be_told_to_stay_for_the_time_of_a_soft_stop() -> None:
    """``worker_enable_soft_shutdown_on_idle``."""
    core = core_of(soft_shutdown_s=5.0, soft_shutdown_on_idle=True)

    asked = stop(core, Stop.SOFT)
    over = core.handle(Woke(), at(6.0))

    assert of(Exit, asked) == []
    assert of(Exit, over) == [Exit(0)]


def test_what_waits_behind_a_body_comes_back_at_a_soft_stop_too() -> None:
    """Late acks are given back, claimed ones run here."""
    core = core_of(soft_shutdown_s=50.0)
    deliver(core, delivery(0))
    end(core, 0, when=0.0, runtime_s=0.0001)
    deliver(core, delivery(1), delivery(2), when=0.0)

    stop(core, Stop.SOFT, when=0.0)
    due_s = core.wake_at

    assert due_s is not None
    assert of(Recall, core.handle(Woke(), at(due_s))) == [Recall(0)]


# -- cold ------------------------------------------------------------------------------------


def test_a_body_that_was_cut_off_is_no_attempt() -> None:
    """We ended it ourselves: restarts must not use up the delivery limit of a long task."""
    core = working()
    stop(core, Stop.COLD)

    [settle] = of(Settle, lost(core, 1, 2))

    assert settle.settlements == (Settlement(2, Verdict.REQUEUE, "the worker stopped"),)


def test_the_end_of_a_claimed_body_that_was_cut_off_is_told() -> None:
    """It never begins again, and its chord must not wait for it."""
    core = working()
    stop(core, Stop.COLD)

    [conclude] = of(Conclude, lost(core, 0, 1))
    [commit] = [one for one in end(core, 1, EndingKind.LOST) if type(one).__name__ == "Commit"]

    reason = "the worker was stopped cold after the body had begun"
    assert (conclude.kind, conclude.reason) == (EndingKind.LOST, reason)
    assert commit.finished[0].settlement == Settlement(1, Verdict.REJECT, reason)


def test_a_cold_stop_does_not_wait_for_a_body_that_nothing_can_end() -> None:
    """What is not heard of any more is given back, or left to be found."""
    core = working()
    stop(core, Stop.COLD)

    assert core.wake_at == 1.0 + COLD_S
    effects = core.handle(Woke(), at(1.0 + COLD_S))

    assert settled(effects) == [(2, Verdict.REQUEUE)]
    assert kinds(effects) == ["StopPool", "Settle", "Exit"]
    assert core.wake_at is None


# -- immediate -------------------------------------------------------------------------------


def test_an_immediate_stop_ends_bodies_gives_back_and_leaves() -> None:
    """In this order, in one go; what was claimed and may have begun is found by others."""
    effects = stop(working(), Stop.IMMEDIATE, code=3)

    assert kinds(effects) == ["Say", "StopPool", "Settle", "Exit"]
    assert {tag for tag, _ in settled(effects)} == {2, 3, 4, 5}
    assert of(Exit, effects) == [Exit(3)]


def test_an_ending_that_is_being_made_is_told_though_the_worker_has_left() -> None:
    """Its driver was in the middle of it."""
    core = core_of()
    deliver(core, delivery(1, "nope"))
    stop(core, Stop.IMMEDIATE)

    effects = end(core, 1, EndingKind.UNKNOWN)

    assert settled(effects) == [(1, Verdict.REJECT)]
    assert of(Exit, effects) == []


def test_a_job_that_reached_no_slot_may_have_been_given_back_already() -> None:
    """The broker was lost in the middle of the hand-over, and the worker left meanwhile."""
    core = core_of()
    deliver(core, delivery(1, "late"))
    stop(core, Stop.IMMEDIATE)

    effects = core.handle(Disconnected(keeps_deliveries=False, not_run=(1,)), at(2.0))

    assert settled(effects) == []


# -- one after the other ---------------------------------------------------------------------


def test_a_stronger_stop_takes_over() -> None:
    """With its own exit code: the second Ctrl-C says 1."""
    core = working(soft_shutdown_s=5.0)
    stop(core, Stop.WARM)
    stop(core, Stop.SOFT)

    cold = stop(core, Stop.COLD, code=1)
    left = stop(core, Stop.IMMEDIATE, code=2)

    assert of(StopPool, cold) == [StopPool(at_once=True)]
    assert of(Exit, left) == [Exit(2)]


@pytest.mark.parametrize("how", list(Stop))
def test_nothing_follows_when_the_worker_has_left(how: Stop) -> None:
    """It leaves once."""
    core = core_of()
    stop(core, Stop.WARM)

    assert stop(core, how, when=2.0) == []


def test_a_weaker_stop_is_nothing() -> None:
    """Neither a line nor a longer wait."""
    core = working(soft_shutdown_s=5.0)
    stop(core, Stop.COLD)

    assert stop(core, Stop.SOFT) == stop(core, Stop.WARM) == []


def test_a_lost_claim_that_is_found_at_a_stop_is_told_before_the_end() -> None:
    """It is under the lease of this worker."""
    core = working()
    stop(core, Stop.WARM)
    lost_claim = LostMessage(9, delivery(9).message, "celery", "", "celery", "w9", "gone")
    core.handle(Buried((lost_claim,)), at(2.0))
    end(core, 1, when=3.0)

    assert of(Exit, end(core, 2, when=3.0)) == []
    assert of(Exit, end(core, 9, EndingKind.LOST, when=3.0)) == [Exit(0)]


def test_claimed_jobs_of_a_lost_slot_run_here_at_a_soft_stop() -> None:
    """Nobody else would get them."""
    core = core_of(soft_shutdown_s=50.0)
    deliver(core, delivery(1))
    stop(core, Stop.SOFT)
    core.handle(Happened((SlotLost(0, (), (1,), "gone"),)), at(2.0))

    assert run_tags(core.handle(Happened((SlotReady(0, 7),)), at(2.1))) == [[1]]
