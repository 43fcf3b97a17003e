"""What waits behind a task that suddenly lasts is called back, where it has somewhere to go."""

from __future__ import annotations

from typing import Any

from taskq.core.effects import Exit, Recall, Run, Settle
from taskq.core.inputs import Delivered, Disconnected, Happened, Stop, StopAsked, Woke
from taskq.core.slots import PATIENCE_S, Slot
from taskq.core.stopping import COLD_S
from taskq.core.worker import WorkerCore
from taskq.ports import JobsReturned, Settlement, SlotLost, SlotReady, Verdict

from .helpers import at, core_of, deliver, delivery, end, of

QUICK_S = 0.0001


def hanging(task: str = "add", *, slots: int = 2) -> WorkerCore:
    """A core whose slot 0 hangs in job 1, with 2 to 5 behind it; other slots have nothing."""
    core = core_of(slots=1)
    deliver(core, delivery(0, task))
    end(core, 0, when=0.0, runtime_s=QUICK_S)
    deliver(core, *(delivery(tag, task) for tag in range(1, 6)))
    if slots > 1:
        happened(core, *(SlotReady(number, 100 + number) for number in range(1, slots)))
    return core


def happened(core: WorkerCore, *events: Any, when: float = 0.0) -> list[Any]:
    return core.handle(Happened(events), at(when))


def overdue(core: WorkerCore) -> float:
    assert core.wake_at is not None
    return core.wake_at


def runs(effects: list[Any]) -> dict[int, list[int]]:
    return {run.slot: [job.token for job in run.jobs] for run in of(Run, effects)}


def test_what_waits_behind_a_long_task_is_called_back() -> None:
    """After its patience the core asks the slot, once, because another one is idle."""
    core = hanging()
    moment_s = overdue(core)

    early = core.handle(Woke(), at(moment_s - 0.001))
    due = core.handle(Woke(), at(moment_s))
    later = core.handle(Woke(), at(moment_s + 100))

    assert PATIENCE_S <= moment_s < PATIENCE_S + 0.01
    assert [of(Recall, effects) for effects in (early, due, later)] == [[], [Recall(0)], []]
    assert core.wake_at is None


def test_what_comes_back_runs_elsewhere_in_its_order_without_a_second_claim() -> None:
    """The idle slot gets it, one job at a time: the task is known to last now."""
    core = hanging()
    core.handle(Woke(), at(1.0))

    effects = happened(core, JobsReturned(0, (2, 3, 4, 5)), when=1.01)

    assert runs(effects) == {1: [2]}
    assert of(Settle, effects) == []
    assert [job.token for job in core.waiting] == [3, 4, 5]
    for tag in (2, 3, 4):
        assert runs(end(core, tag, when=1.1, runtime_s=QUICK_S)) == {1: [tag + 1]}


def test_what_comes_back_goes_before_what_waits() -> None:
    """It is at the front of the queue again."""
    core = hanging(slots=1)
    core.handle(Woke(), at(1.0))
    deliver(core, delivery(9), when=1.0)  # slot 0 hangs, so this one waits
    happened(core, SlotReady(1, 101), SlotReady(2, 102), when=1.0)  # slot 1 gets it, 2 is idle

    effects = happened(core, JobsReturned(0, (2, 3, 4, 5)), when=1.1)

    assert runs(effects) == {2: [2]}
    assert runs(end(core, 9, when=1.2, runtime_s=QUICK_S)) == {1: [3]}


def test_nothing_is_called_back_where_no_slot_is_idle() -> None:
    """It would only wait elsewhere, and could not be told apart from ordinary load."""
    core = hanging(slots=1)

    assert core.wake_at is None
    assert of(Recall, core.handle(Woke(), at(50.0))) == []


def test_a_slot_that_becomes_idle_is_noticed() -> None:
    """The moment counts from the start of the job, not from the idleness of another."""
    core = hanging(slots=1)

    assert of(Recall, happened(core, SlotReady(1, 101), when=50.0)) == [Recall(0)]


def test_a_job_alone_in_its_slot_is_not_called_back() -> None:
    """There is nothing to return."""
    core = core_of(slots=2)
    deliver(core, delivery(1))

    assert core.wake_at is None
    assert of(Recall, core.handle(Woke(), at(3600.0))) == []


def test_the_patience_begins_anew_with_each_job() -> None:
    """A batch whose jobs end one after the other is left alone."""
    core = hanging()
    first_s = overdue(core)
    end(core, 1, when=0.2, runtime_s=0.2)

    assert overdue(core) >= 0.2 + PATIENCE_S > first_s


def test_a_slot_that_hangs_gets_nothing_more() -> None:
    """What arrives waits for another slot, also when no one is idle."""
    core = hanging(slots=1)

    assert runs(deliver(core, delivery(9), when=0.1)) == {0: [9]}
    assert runs(deliver(core, delivery(10), when=1.0)) == {}
    assert runs(happened(core, SlotReady(1, 101), when=2.0)) == {1: [10]}


def test_a_slot_gets_nothing_before_it_has_answered() -> None:
    """What is given to it while it is asked could be meant or not."""
    core = hanging()
    core.handle(Woke(), at(1.0))
    end(core, 1, when=1.1, runtime_s=QUICK_S)

    assert runs(deliver(core, delivery(9), delivery(10), when=1.1)) == {1: [9, 10]}
    effects = happened(core, JobsReturned(0, (2, 3, 4, 5)), when=1.2)
    assert runs(effects) == {0: [2, 3], 1: [4, 5]}


def test_an_empty_answer_is_not_followed_by_a_question_at_once() -> None:
    """What had ended when it was asked is told soon."""
    core = hanging()
    core.handle(Woke(), at(1.0))

    effects = happened(core, JobsReturned(0, ()), when=1.1)

    assert of(Recall, effects) == []
    assert core.wake_at == 1.1 + PATIENCE_S
    assert of(Recall, core.handle(Woke(), at(1.1 + PATIENCE_S))) == [Recall(0)]


def test_an_empty_answer_teaches_nothing() -> None:
    """All had ended: the worker itself was away, and the task is as short as before."""
    core = hanging()
    core.handle(Woke(), at(60.0))
    happened(core, JobsReturned(0, ()), when=60.1)
    for tag in range(1, 6):
        end(core, tag, when=60.1, runtime_s=QUICK_S)

    assert runs(deliver(core, *(delivery(n) for n in range(10, 14)), when=61.0)) == {
        0: [10, 11],
        1: [12, 13],
    }


def test_a_slot_that_is_lost_while_it_is_asked_has_answered() -> None:
    """Its loss gives back what it had not begun, and the new one is an ordinary slot."""
    core = hanging("late")
    core.handle(Woke(), at(1.0))

    lost = happened(core, SlotLost(0, (1,), (2, 3, 4, 5), "gone"), when=1.1)
    again = happened(core, SlotReady(0, 200), when=1.2)

    assert runs(lost) == {1: [2, 3, 4, 5]}
    assert of(Recall, again) == []


def test_a_warm_stop_gives_unclaimed_jobs_back_to_the_broker() -> None:
    """Those behind a long body need not wait for it; they may run elsewhere at once."""
    core = hanging("late", slots=1)
    core.handle(StopAsked(Stop.WARM), at(0.0))
    due = core.handle(Woke(), at(overdue(core)))

    effects = happened(core, JobsReturned(0, (2, 3, 4, 5)), when=1.0)

    assert of(Recall, due) == [Recall(0)]
    reason = "the worker stopped"
    assert of(Settle, effects) == [
        Settle(tuple(Settlement(tag, Verdict.REQUEUE, reason) for tag in (2, 3, 4, 5)))
    ]
    assert of(Exit, end(core, 1, when=9.0)) == [Exit(0)]


def test_a_warm_stop_lets_claimed_jobs_run_in_another_slot() -> None:
    """Nobody else will get them; the worker leaves when they have ended."""
    core = hanging()
    core.handle(StopAsked(Stop.WARM), at(0.0))
    core.handle(Woke(), at(overdue(core)))

    effects = happened(core, JobsReturned(0, (2, 3, 4, 5)), when=1.0)
    assert runs(effects) == {1: [2]}
    ended = [end(core, tag, when=1.0, runtime_s=QUICK_S) for tag in (2, 3, 4, 5)]

    assert of(Exit, ended[-1]) == []
    assert of(Exit, end(core, 1, when=9.0)) == [Exit(0)]


def test_a_warm_stop_with_one_slot_keeps_claimed_jobs_for_it() -> None:
    """They wait here for the long body, and are not given to its slot before it has ended."""
    core = hanging(slots=1)
    core.handle(StopAsked(Stop.WARM), at(0.0))
    core.handle(Woke(), at(overdue(core)))

    assert runs(happened(core, JobsReturned(0, (2, 3, 4, 5)), when=1.0)) == {}
    assert runs(end(core, 1, when=9.0)) == {0: [2]}


def test_an_answer_after_a_cold_stop_goes_to_the_broker() -> None:
    """What no body has begun is anybody's, also when it was claimed."""
    core = hanging()
    core.handle(Woke(), at(1.0))
    core.handle(StopAsked(Stop.COLD), at(1.0))

    [settle] = happened(core, JobsReturned(0, (2, 3, 4, 5)), when=1.1)
    assert [one.tag for one in settle.settlements] == [2, 3, 4, 5]
    assert core.wake_at == 1.0 + COLD_S


def test_what_the_broker_took_back_meanwhile_is_forgotten() -> None:
    """A returned job whose delivery is another worker's is not run here."""
    core = hanging("late")
    core.handle(Woke(), at(1.0))
    core.handle(Disconnected(keeps_deliveries=False), at(1.0))

    effects = happened(core, JobsReturned(0, (2, 3, 4, 5)), when=1.1)

    assert runs(effects) == {}
    assert core.waiting == []


def test_the_next_moment_is_that_of_an_eta_or_of_a_recall() -> None:
    """Whichever comes first."""
    core = hanging()
    recall_s = overdue(core)
    eta: dict[str, Any] = {"eta": "2100-01-01T00:00:00+00:00"}

    core.handle(Delivered((delivery(8, **eta),)), at(0.0))
    assert core.wake_at == recall_s
    core.handle(Woke(), at(recall_s))
    assert core.wake_at is not None
    assert core.wake_at > 1e6


def test_a_slot_counts_from_its_oldest_job() -> None:
    """The end of a younger one, or of none of its own, moves nothing."""
    slot = Slot(0, 1)
    slot.add(1, 0.5, 10.0)
    slot.add(2, 0.5, 11.0)
    slot.remove(2, 12.0)
    slot.remove(9, 12.0)

    assert slot.out_s(13.0) == 3.0
    assert slot.recall_at_s is None
    assert slot.load_s == 0.5
