"""What is revoked does not begin; what runs may be ended."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.core.effects import Conclude, Emit, Kill, Recall, Run, Unpark
from taskq.core.inputs import Connected, Disconnected, Happened, RateLimited, Revoked, Woke
from taskq.core.killing import ANSWER_S
from taskq.core.revoked import Revocations
from taskq.core.worker import WorkerCore
from taskq.ports import (
    EndingKind,
    JobsReturned,
    Revocation,
    SlotLost,
    SlotReady,
    Verdict,
)

from .helpers import START, at, core_of, deliver, delivery, end, iso, of, settled

LATER = START + 1000.0
QUICK_S = 0.0001


def revoke(core: WorkerCore, *ids: str, when: float = 1.0, **more: Any) -> list[Any]:
    revocations = tuple(Revocation(LATER, task_id) for task_id in ids)
    return core.handle(Revoked(revocations, **more), at(when))


def concluded(effects: list[Any]) -> list[tuple[int, EndingKind, str]]:
    return [(one.job.token, one.kind, one.reason) for one in of(Conclude, effects)]


def busy(*tags: int, task: str = "add", slots: int = 1) -> WorkerCore:
    """A core whose slot 0 runs the first, and has the others behind it."""
    core = core_of(events=True)
    deliver(core, delivery(0, task))
    end(core, 0, when=0.0, runtime_s=QUICK_S)
    deliver(core, *(delivery(tag, task) for tag in tags))
    if slots > 1:
        core.handle(Happened((SlotReady(1, 101),)), at(0.0))
    return core


def lost(core: WorkerCore, started: tuple[int, ...], unstarted: tuple[int, ...]) -> list[Any]:
    return core.handle(Happened((SlotLost(0, started, unstarted, "killed", expected=True),)), at(2))


# -- those that wait -------------------------------------------------------------------------


def test_what_comes_later_is_not_run() -> None:
    """A revocation is for messages that are still on their way, too."""
    core = core_of()
    revoke(core, "t1")

    effects = deliver(core, delivery(1), when=2.0)

    assert concluded(effects) == [(1, EndingKind.REVOKED, "revoked")]
    assert settled(end(core, 1, EndingKind.REVOKED)) == [(1, Verdict.ACK)]


def test_a_revoked_task_is_not_parked() -> None:
    """Its end is told now, not when its time has come."""
    core = core_of()
    core.handle(Connected(parks=True), at(0.0))
    revoke(core, "t1")

    effects = deliver(core, delivery(1, eta=iso(60)), when=2.0)

    assert concluded(effects) == [(1, EndingKind.REVOKED, "revoked")]


def test_a_revoked_task_that_is_not_known_here_is_revoked() -> None:
    """It is not rejected: another worker may know it, and need not run it either."""
    core = core_of()
    revoke(core, "t1")

    effects = deliver(core, delivery(1, "nope"), when=2.0)

    assert concluded(effects) == [(1, EndingKind.REVOKED, "revoked")]


def test_what_waits_for_a_slot_or_for_its_time_ends_at_once() -> None:
    """Nobody has to wait until it would have begun."""
    core = core_of()
    deliver(core, delivery(1), delivery(2), delivery(3, eta=iso(60)), delivery(4))

    effects = revoke(core, "t2", "t3")

    assert [token for token, _, _ in concluded(effects)] == [2, 3]
    for tag in (2, 3):
        assert settled(end(core, tag, EndingKind.REVOKED)) == [(tag, Verdict.ACK)]
    assert [run.jobs[0].token for run in of(Run, end(core, 1))] == [4]
    assert of(Run, core.handle(Woke(), at(60.0))) == []


def test_what_waits_for_its_rate_limit_ends_at_once_and_holds_up_nobody() -> None:
    """Its place in the line is free."""
    core = core_of(traits={"rated": {"rate_limit": 1}})
    deliver(core, *(delivery(tag, "rated") for tag in (1, 2, 3)))
    end(core, 1, when=0.1)

    effects = revoke(core, "t2", when=0.5)
    end(core, 2, EndingKind.REVOKED, when=0.5)

    assert [token for token, _, _ in concluded(effects)] == [2]
    assert [run.jobs[0].token for run in of(Run, core.handle(Woke(), at(1.0)))] == [3]


def test_parked_messages_are_asked_for_where_the_broker_parks() -> None:
    """By id: what is revoked by a stamp is met when its time has come."""
    core = core_of()
    assert of(Unpark, revoke(core, "t1")) == []
    core.handle(Connected(parks=True), at(1.0))
    stamp = Revocation(LATER, headers={"batch": "b1"})

    effects = core.handle(Revoked((Revocation(LATER, "t2"), stamp)), at(2.0))

    assert of(Unpark, effects) == [Unpark(("t2",))]


def test_what_was_revoked_before_the_broker_was_there_is_asked_for_then() -> None:
    """A state of an earlier life is read first."""
    core = core_of()
    revoke(core, "t1")

    first = core.handle(Connected(parks=True), at(1.0))
    again = core.handle(Connected(parks=True), at(2.0))

    assert of(Unpark, first) == [Unpark(("t1",))]
    assert of(Unpark, again) == []


@pytest.mark.parametrize(
    ("revoked", "stamps", "meant"),
    [
        ({"batch": "b1"}, {"batch": "b1"}, True),
        ({"batch": ["b0", "b1"]}, {"batch": ["b1", "b2"]}, True),
        ({"batch": "b1", "user": "u1"}, {"user": "u1"}, True),
        ({"batch": {"day": 1}}, {"batch": [{"day": 1}]}, True),
        ({"batch": "b1"}, {"batch": "b2"}, False),
        ({"batch": "b1"}, {"user": "b1"}, False),
        ({"batch": "b1"}, {}, False),
        ({"batch": "b1"}, None, False),
    ],
)
def test_stamps_are_met_by_any_of_their_values(revoked: Any, stamps: Any, meant: bool) -> None:
    """A stamp may be one value or a list, in the task and in the command."""
    core = core_of()
    core.handle(Revoked((Revocation(LATER, headers=revoked),)), at(1.0))

    effects = deliver(core, delivery(1, stamps=stamps), when=2.0)

    assert bool(of(Conclude, effects)) is meant


# -- what is remembered -----------------------------------------------------------------------


def test_a_revocation_is_forgotten_when_its_time_is_over() -> None:
    """By id and by stamp; nothing of it is shown any more."""
    core = core_of(slots=2)
    soon = START + 10.0
    core.handle(Revoked((Revocation(soon, "t1"), Revocation(soon, headers={"a": 1}))), at(1.0))
    before = len(core.revocations)

    effects = deliver(core, delivery(1), delivery(2, stamps={"a": 1}), when=10.0)

    assert of(Conclude, effects) == []
    assert (before, len(core.revocations)) == (2, 0)


def test_the_oldest_revocations_go_where_there_are_too_many() -> None:
    """Memory has a bound; one that is said again is new again."""
    core = core_of(most_revocations=2)
    for task_id in ("t1", "t2", "t1", "t3"):
        revoke(core, task_id)

    assert [one.task_id for one in core.revocations] == ["t1", "t3"]


def test_a_revocation_that_is_said_again_lasts_as_long_as_the_longer_one() -> None:
    """Loading an old state takes nothing away."""
    revocations = Revocations(10)
    revocations.add(Revocation(LATER, "t1"))
    revocations.add(Revocation(LATER - 500, "t1"))

    assert revocations.snapshot(at(0.0)) == (Revocation(LATER, "t1"),)


def test_what_is_revoked_is_the_same_object_until_it_changes() -> None:
    """Whoever saves it can see that nothing is to be saved."""
    core = core_of()
    revoke(core, "t1")
    before = core.revocations
    deliver(core, delivery(9))

    assert core.revocations is before
    revoke(core, "t2")
    assert core.revocations is not before


# -- those that run ---------------------------------------------------------------------------


def test_what_runs_goes_on_without_terminate() -> None:
    """As in Celery."""
    core = busy(1)

    effects = revoke(core, "t1")

    assert of(Kill, effects) == []
    assert settled(end(core, 1)) == [(1, Verdict.ACK)]


def test_with_terminate_its_slot_is_killed_and_the_task_is_revoked() -> None:
    """The loss of the slot is its end; monitors are told what it was."""
    core = busy(1)

    killed = revoke(core, "t1", terminate=True, signal=15)
    gone = lost(core, (1,), ())
    ended = end(core, 1, EndingKind.REVOKED)

    assert of(Kill, killed) == [Kill(0, 15)]
    [conclude] = of(Conclude, gone)
    assert (conclude.kind, conclude.reason) == (EndingKind.REVOKED, "terminated")
    assert conclude.detail == {"terminated": True, "signum": 15}
    assert settled(ended) == [(1, Verdict.ACK)]
    assert of(Emit, ended) == [
        Emit("task-revoked", {"uuid": "t1", "terminated": True, "signum": 15, "expired": False})
    ]


def test_a_late_ack_that_is_terminated_does_not_come_again() -> None:
    """It is acknowledged, though its process is lost."""
    core = busy(1, task="late")
    revoke(core, "t1", terminate=True)

    lost(core, (1,), ())

    assert settled(end(core, 1, EndingKind.REVOKED)) == [(1, Verdict.ACK)]


def test_what_ends_before_the_signal_arrives_counts() -> None:
    """Its result is stored, and the slot takes on."""
    core = busy(1)
    revoke(core, "t1", terminate=True)
    deliver(core, delivery(2), when=1.1)

    ended = end(core, 1, when=1.2)

    assert (1, Verdict.ACK) in settled(ended)
    assert [run.slot for run in of(Run, ended)] == [0]


def test_a_slot_that_is_being_ended_gets_nothing() -> None:
    """What is given to it would be lost with it."""
    core = busy(1)
    revoke(core, "t1", terminate=True, when=0.0)

    assert of(Run, deliver(core, delivery(2), when=0.0)) == []


def test_those_behind_it_are_asked_back_before_the_slot_is_killed() -> None:
    """One of them might have begun when the signal arrives."""
    core = busy(1, 2, 3)

    asked = revoke(core, "t1", terminate=True)
    killed = core.handle(Happened((JobsReturned(0, (2, 3)),)), at(1.1))

    assert (of(Recall, asked), of(Kill, asked)) == ([Recall(0)], [])
    assert of(Kill, killed) == [Kill(0, 15)]


def test_a_slot_that_ends_it_meanwhile_is_not_killed() -> None:
    """Nothing is left to end."""
    core = busy(1, 2)
    revoke(core, "t1", terminate=True)

    end(core, 1, when=1.05, runtime_s=QUICK_S)
    effects = core.handle(Happened((JobsReturned(0, ()),)), at(1.1))

    assert of(Kill, effects) == []


def test_a_slot_that_does_not_answer_is_killed_all_the_same() -> None:
    """A frozen process begins nothing, so nobody else is hit."""
    core = busy(1, 2)
    revoke(core, "t1", terminate=True)

    assert core.wake_at == 1.0 + ANSWER_S
    assert of(Kill, core.handle(Woke(), at(1.0 + ANSWER_S))) == [Kill(0, 15)]


def test_what_has_not_begun_in_its_slot_comes_back_and_is_revoked() -> None:
    """With terminate or without: it is no task that runs."""
    core = busy(1, 2, 3)

    asked = revoke(core, "t2")
    effects = core.handle(Happened((JobsReturned(0, (2, 3)),)), at(1.1))

    assert of(Recall, asked) == [Recall(0)]
    assert concluded(effects) == [(2, EndingKind.REVOKED, "revoked")]


def test_what_has_begun_meanwhile_is_ended_when_it_is_the_oldest() -> None:
    """The one before it had ended already when it was revoked."""
    core = busy(1, 2, 3)

    asked = revoke(core, "t2", terminate=True)
    waits = core.handle(Woke(), at(5.0))
    ended = end(core, 1, when=5.1, runtime_s=QUICK_S)

    assert of(Kill, asked) + of(Kill, waits) == []
    assert of(Kill, ended) == [Kill(0, 15)]
    assert concluded(lost(core, (2,), (3,))) == [(2, EndingKind.REVOKED, "terminated")]


def test_those_behind_are_asked_back_once_more() -> None:
    """They were given to the slot after its last answer."""
    core = busy(1, 2)
    revoke(core, "t2", terminate=True, when=0.0)
    core.handle(Happened((JobsReturned(0, ()),)), at(0.0))  # it had begun: 1 is told to end now
    deliver(core, delivery(5), when=0.0)

    effects = end(core, 1, when=0.1, runtime_s=QUICK_S)

    assert (of(Recall, effects), of(Kill, effects)) == ([Recall(0)], [])


def test_a_second_signal_may_be_stronger() -> None:
    """Who asks again is heard; after SIGKILL there is nothing to add."""
    core = busy(1)

    sent = [
        of(Kill, revoke(core, "t1", terminate=True, signal=signal)) for signal in (15, 15, 9, 9, 15)
    ]

    assert sent == [[Kill(0, 15)], [Kill(0, 15)], [Kill(0, 9)], [], []]


def test_a_body_that_is_nobody_elses_any_more_can_be_ended() -> None:
    """An orphan runs on only because nobody ended it."""
    core = busy(1, task="late")
    core.handle(Disconnected(keeps_deliveries=False), at(0.5))

    assert of(Kill, revoke(core, "t1", terminate=True)) == [Kill(0, 15)]
    assert settled(lost(core, (1,), ())) == []


def test_a_job_whose_slot_has_left_is_not_killed() -> None:
    """Its ending is on its way."""
    core = core_of(slots=1)
    deliver(core, delivery(1))
    core.handle(Happened((SlotLost(0, (), (), "shrunk", expected=True),)), at(0.5))

    assert of(Kill, revoke(core, "t1", terminate=True)) == []
    assert settled(end(core, 1)) == [(1, Verdict.ACK)]


def test_a_task_that_has_ended_already_is_left_alone() -> None:
    """Its ending is being made."""
    core = core_of()
    deliver(core, delivery(1, "nope"))

    assert of(Conclude, revoke(core, "t1", terminate=True)) == []


def test_a_limit_that_is_set_later_does_not_bring_a_revoked_task_back() -> None:
    """It has left the line for good."""
    core = core_of(slots=1)
    deliver(core, delivery(1), delivery(2, "late"), delivery(3, "late"))
    revoke(core, "t2")
    core.handle(RateLimited("late", "1/s"), at(1.0))

    assert [run.jobs[0].token for run in of(Run, end(core, 1))] == [3]
