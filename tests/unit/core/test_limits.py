"""Hard time limits: what is over its limit is ended, once, and the right one."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.core.effects import Conclude, Kill, Recall, Run, Say
from taskq.core.inputs import Happened, Stop, StopAsked, TimeLimited, Woke
from taskq.core.killing import ANSWER_S
from taskq.core.worker import WorkerCore
from taskq.ports import EndingKind, JobsReturned, Settlement, SlotLost, SlotReady, Verdict

from .helpers import at, core_of, deliver, delivery, end, iso, of, run_tags, settled

QUICK_S = 0.0001


def over(core: WorkerCore, when: float) -> list[Any]:
    return core.handle(Woke(), at(when))


def lost(
    core: WorkerCore, started: tuple[int, ...], unstarted: tuple[int, ...] = (), when: float = 9.0
) -> list[Any]:
    happened = Happened((SlotLost(0, started, unstarted, "killed", expected=True),))
    return core.handle(happened, at(when))


def test_a_body_that_is_over_its_limit_is_killed_and_has_timed_out() -> None:
    """The kill comes from the parent; what follows from it is the task's end."""
    core = core_of(time_limit_s=3.0)
    deliver(core, delivery(1))

    assert core.wake_at == 3.0
    killed = over(core, 3.0)
    [conclude] = of(Conclude, lost(core, (1,)))
    ended = end(core, 1, EndingKind.TIMED_OUT)

    assert of(Kill, killed) == [Kill(0, 9)]
    assert (conclude.kind, conclude.reason) == (EndingKind.TIMED_OUT, "over 3 s")
    assert settled(ended) == [(1, Verdict.ACK)]
    [line] = of(Say, ended)
    assert (line.what, line.facts["limit_s"]) == ("time limit", 3.0)


def test_the_limit_counts_from_when_a_job_is_the_oldest_of_its_slot() -> None:
    """Whether its process has begun it or not: a frozen one must not escape."""
    core = core_of(time_limit_s=3.0)
    deliver(core, delivery(0))
    end(core, 0, when=0.0, runtime_s=QUICK_S)
    deliver(core, delivery(1), delivery(2), when=1.0)
    end(core, 1, when=2.0, runtime_s=QUICK_S)

    assert of(Kill, over(core, 4.9)) == []
    assert of(Kill, over(core, 5.0)) == [Kill(0, 9)]


def test_nobody_is_killed_twice_for_one_limit() -> None:
    """A pool that cannot end a body has said so."""
    core = core_of(time_limit_s=3.0)
    deliver(core, delivery(1))
    over(core, 3.0)

    assert of(Kill, over(core, 60.0)) == []
    assert core.wake_at is None
    assert settled(end(core, 1, when=90.0)) == [(1, Verdict.ACK)]


def test_those_behind_it_are_asked_back_first() -> None:
    """They have done nothing wrong."""
    core = core_of(time_limit_s=3.0)
    deliver(core, delivery(0))
    end(core, 0, when=0.0, runtime_s=QUICK_S)
    deliver(core, delivery(1), delivery(2), when=0.0)

    asked = over(core, 3.0)
    killed = core.handle(Happened((JobsReturned(0, (2,)),)), at(3.1))

    assert (of(Recall, asked), of(Kill, asked)) == ([Recall(0)], [])
    assert of(Kill, killed) == [Kill(0, 9)]
    assert of(Run, killed) == []


def test_a_frozen_slot_is_killed_without_an_answer() -> None:
    """What it had not begun runs elsewhere, also if it was that which was over its limit."""
    core = core_of(time_limit_s=3.0)
    deliver(core, delivery(0))
    end(core, 0, when=0.0, runtime_s=QUICK_S)
    deliver(core, delivery(1), delivery(2), when=0.0)
    over(core, 3.0)

    killed = over(core, 3.0 + ANSWER_S)
    gone = lost(core, (), (1, 2), when=4.0)
    again = core.handle(Happened((SlotReady(0, 200),)), at(4.1))

    assert of(Kill, killed) == [Kill(0, 9)]
    assert of(Conclude, gone) == []
    assert run_tags(again) == [[1, 2]]
    assert of(Kill, over(core, 4.2)) == []


def test_a_moment_that_was_too_early_is_found_out() -> None:
    """A job that ended leaves its moment behind; the next one has a later one."""
    core = core_of(time_limit_s=3.0)
    deliver(core, delivery(1), delivery(2))
    end(core, 1, when=2.0, runtime_s=2.0)

    assert core.wake_at == 3.0
    assert of(Kill, over(core, 3.0)) == []
    assert core.wake_at == 5.0


def test_a_limit_of_one_that_has_not_begun_is_not_over() -> None:
    """It is looked at again later."""
    core = core_of(traits={"short": {"time_limit_s": 1.0}})
    for tag, task in enumerate(("add", "short")):
        deliver(core, delivery(tag, task))
        end(core, tag, when=0.0, runtime_s=QUICK_S)
    deliver(core, delivery(2, "add"), delivery(3, "short"), when=0.0)

    assert of(Kill, over(core, 1.0)) == []
    assert core.wake_at == 2.0


def test_a_job_that_is_gone_has_no_limit() -> None:
    """Its moment passes."""
    core = core_of(time_limit_s=3.0)
    deliver(core, delivery(1))
    lost(core, (1,), when=1.0)

    assert of(Kill, over(core, 3.0)) == []
    assert core.wake_at is None


@pytest.mark.parametrize("acks_on_timeout", [True, False])
def test_a_late_ack_may_be_given_out_again(acks_on_timeout: bool) -> None:
    """With acks_on_timeout off it is requeued, as an attempt that the delivery limit counts."""
    traits = {"acks_late": True, "acks_on_timeout": acks_on_timeout, "time_limit_s": 3.0}
    core = core_of(traits={"slow": traits})
    deliver(core, delivery(1, "slow"))
    over(core, 3.0)

    [conclude] = of(Conclude, lost(core, (1,)))
    effects = end(core, 1, EndingKind.TIMED_OUT)

    assert conclude.detail == {"again": not acks_on_timeout}
    [commit] = [effect for effect in effects if type(effect).__name__ == "Commit"]
    expected = (
        Settlement(1, Verdict.ACK)
        if acks_on_timeout
        else Settlement(1, Verdict.REQUEUE, attempted=True)
    )
    assert commit.finished[0].settlement == expected


def test_limits_can_be_set_while_the_worker_runs() -> None:
    """For those that come, and those that wait; not for those whose message names its own."""
    core = core_of(soft_time_limit_s=9.0)
    deliver(core, delivery(1), delivery(2), delivery(3, timelimit=[7, None]), delivery(4, "late"))
    core.handle(TimeLimited("add", 5.0, 2.0), at(0.0))
    deliver(core, delivery(5, "add"), delivery(6, eta=iso(900)), when=0.0)

    limits = {}
    for tag in (1, 2, 3, 4):
        for run in of(Run, end(core, tag, runtime_s=9.0)):
            job = run.jobs[0]
            limits[job.token] = (job.time_limit_s, job.soft_time_limit_s)

    assert limits == {2: (5.0, 2.0), 3: (7.0, 2.0), 4: (None, 9.0), 5: (5.0, 2.0)}


def test_limits_that_are_taken_away_are_those_of_the_settings_again() -> None:
    """None means: as the settings say."""
    core = core_of(time_limit_s=3.0)
    core.handle(TimeLimited("add", 5.0, 2.0), at(0.0))
    core.handle(TimeLimited("add", None, None), at(0.0))

    [run] = of(Run, deliver(core, delivery(1)))

    assert (run.jobs[0].time_limit_s, run.jobs[0].soft_time_limit_s) == (3.0, None)


def test_a_warm_stop_keeps_time_limits() -> None:
    """It would wait for ever otherwise."""
    core = core_of(time_limit_s=3.0)
    deliver(core, delivery(1))
    core.handle(StopAsked(Stop.WARM), at(1.0))

    assert core.wake_at == 3.0
    assert of(Kill, over(core, 3.0)) == [Kill(0, 9)]


def test_two_slots_have_their_own_limits() -> None:
    """One is over, the other is not."""
    core = core_of(slots=2)
    deliver(core, delivery(1, timelimit=[3, None]), delivery(2, timelimit=[8, None]), delivery(3))

    assert of(Kill, over(core, 3.0)) == [Kill(0, 9)]
    assert core.wake_at == 8.0
