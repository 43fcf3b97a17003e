"""What a worker does with deliveries, as the core decides it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskq.core.delivery import TRANSITIONS, Entry, Event, ImpossibleEventError, Stage
from taskq.core.effects import Commit, Conclude, Exit, Run, Say, SetPrefetch, Settle, StopPool
from taskq.core.inputs import (
    Buried,
    Connected,
    Disconnected,
    Happened,
    LeaseLost,
    Stop,
    StopAsked,
    Woke,
)
from taskq.core.outcome import OUTCOMES, verdict
from taskq.core.slots import Slot
from taskq.core.traits import TaskTraits
from taskq.ports import (
    Ending,
    EndingKind,
    Job,
    JobsReturned,
    JobStarted,
    LostMessage,
    Malformed,
    Settlement,
    SlotLost,
    SlotReady,
    Verdict,
)

from .helpers import START, at, core_of, deliver, delivery, end, iso, kinds, of, run_tags, settled


def test_early_ack_is_claimed_before_the_body_begins() -> None:
    """Under early acks the broker is told before the slot is given the job."""
    effects = deliver(core_of(), delivery(1))

    assert kinds(effects) == ["Settle", "Run"]
    assert settled(effects) == [(1, Verdict.CLAIM)]


def test_late_ack_waits_for_the_body() -> None:
    """Under acks_late a delivery is settled with its result, and not before."""
    core = core_of()
    assert kinds(deliver(core, delivery(1, "late"))) == ["Run"]

    effects = end(core, 1)

    assert kinds(effects) == ["Commit"]
    assert settled(effects) == [(1, Verdict.ACK)]


def test_a_long_task_goes_out_one_at_a_time() -> None:
    """A slot whose task may take long is given no second one."""
    core = core_of(slots=2)

    effects = deliver(core, *(delivery(n) for n in range(1, 6)))

    assert run_tags(effects) == [[1], [2]]
    assert run_tags(end(core, 1, runtime_s=5.0)) == [[3]]


def test_short_tasks_go_out_in_batches_and_are_shared_between_slots() -> None:
    """Once a task is known to be short, each free slot gets its share of what is ready."""
    core = core_of(slots=2)
    deliver(core, delivery(1), delivery(2))
    end(core, 1, runtime_s=0.0001)
    end(core, 2, runtime_s=0.0001)

    effects = deliver(core, *(delivery(n) for n in range(3, 13)))

    assert [len(batch) for batch in run_tags(effects)] == [5, 5]


def test_one_long_run_ends_the_batches_of_that_task() -> None:
    """The estimate of a task goes up at once."""
    core = core_of()
    deliver(core, delivery(1))
    end(core, 1, runtime_s=0.0001)
    deliver(core, delivery(2))
    end(core, 2, runtime_s=9.0)

    assert run_tags(deliver(core, delivery(3), delivery(4))) == [[3]]


def test_prefetch_follows_slots_and_multiplier() -> None:
    """A worker asks for multiplier times slots while it does not know how long tasks take."""
    core = core_of(slots=3, prefetch_multiplier=4)

    assert of(SetPrefetch, core.handle(Connected(), at(1.0))) == [SetPrefetch(12)]


def test_prefetch_multiplier_zero_takes_any_number() -> None:
    """worker_prefetch_multiplier=0 removes the limit."""
    core = core_of(prefetch_multiplier=0)

    assert of(SetPrefetch, core.handle(Connected(), at(1.0))) == [SetPrefetch(0)]


def test_exact_prefetch_holds_no_more_than_can_run() -> None:
    """With -O fair the window is the number of slots."""
    core = core_of(slots=2, exact_prefetch=True)

    assert of(SetPrefetch, core.handle(Connected(), at(1.0))) == [SetPrefetch(2)]


def test_prefetch_grows_while_tasks_are_short() -> None:
    """Messages for some milliseconds of work are taken ahead."""
    core = core_of()
    deliver(core, delivery(1))

    [grown] = of(SetPrefetch, end(core, 1, runtime_s=0.0001))

    assert grown.count == 128


def test_unknown_task_is_concluded_and_rejected() -> None:
    """A message for a task that is not registered never reaches a slot."""
    core = core_of()

    effects = deliver(core, delivery(1, "nope"))

    [conclude] = of(Conclude, effects)
    assert (conclude.kind, conclude.reason) == (EndingKind.UNKNOWN, "nope")
    assert of(Run, effects) == []
    assert settled(end(core, 1, EndingKind.UNKNOWN)) == [(1, Verdict.REJECT)]


def test_malformed_message_is_rejected_and_the_worker_goes_on() -> None:
    """What is no message is rejected with a line in the log; the next one runs."""
    core = core_of()

    effects = deliver(core, Malformed(1, "celery", b"\xff" * 900, "not JSON"), delivery(2))

    assert settled(effects) == [(1, Verdict.REJECT), (2, Verdict.CLAIM)]
    [line] = of(Say, effects)
    assert line.what == "malformed message"
    assert len(line.facts["raw"]) == 200


@pytest.mark.parametrize("bad", [{"eta": "soon"}, {"expires": 5}, {"timelimit": ["x", None]}])
def test_a_bad_time_in_the_headers_is_malformed(bad: dict[str, Any]) -> None:
    """Headers whose times cannot be read cost one rejected message."""
    effects = deliver(core_of(), delivery(1, **bad))

    assert settled(effects) == [(1, Verdict.REJECT)]


def test_expired_task_is_concluded_as_revoked() -> None:
    """A message whose expiry has passed is not run."""
    effects = deliver(core_of(), delivery(1, expires=iso(-1)))

    [conclude] = of(Conclude, effects)
    assert (conclude.kind, conclude.reason) == (EndingKind.REVOKED, "expired")


def test_expiry_is_looked_at_again_before_the_body() -> None:
    """A task that expires while it waits for a slot is not run."""
    core = core_of()
    deliver(core, delivery(1), delivery(2, expires=iso(5)))

    effects = end(core, 1, when=10.0)

    assert of(Run, effects) == []
    assert [c.reason for c in of(Conclude, effects)] == ["expired"]


def test_eta_is_held_and_never_early() -> None:
    """A task waits for its time, also when the wall clock is set back meanwhile."""
    core = core_of()
    assert of(Run, deliver(core, delivery(1, eta=iso(60)))) == []
    assert core.wake_at == 60.0

    early = core.handle(Woke(), at(60.0, wall_s=START + 30))
    due = core.handle(Woke(), at(90.0, wall_s=START + 60))

    assert of(Run, early) == []
    assert run_tags(due) == [[1]]


def test_eta_without_zone_is_in_the_zone_of_the_app() -> None:
    """A naive time in a message means the time of the app's zone."""
    core = core_of()
    naive = (datetime.fromtimestamp(START, UTC) + timedelta(seconds=30)).replace(tzinfo=None)

    deliver(core, delivery(1, eta=naive.isoformat()))

    assert core.wake_at == 30.0


def test_held_tasks_keep_nobody_out() -> None:
    """The prefetch grows by what waits for its time."""
    core = core_of(prefetch_multiplier=1)

    effects = deliver(core, delivery(1, eta=iso(60)), delivery(2, eta=iso(60)))

    assert of(SetPrefetch, effects) == [SetPrefetch(3)]


def test_expired_while_held_is_revoked() -> None:
    """Expiry is checked again after the wait."""
    core = core_of()
    deliver(core, delivery(1, eta=iso(60), expires=iso(30)))

    effects = core.handle(Woke(), at(60.0))

    assert [c.reason for c in of(Conclude, effects)] == ["expired"]


def test_lost_process_of_a_late_task_leads_to_redelivery() -> None:
    """Under acks_late a body whose process dies goes back to the broker."""
    core = core_of()
    deliver(core, delivery(1, "late"))

    effects = core.handle(Happened((SlotLost(0, (1,), (), "killed by signal 9"),)), at(1.0))

    assert settled(effects) == [(1, Verdict.REQUEUE)]
    assert of(Conclude, effects) == []


@pytest.mark.parametrize("task", ["add", "stubborn"])
def test_lost_process_without_redelivery_is_a_failure(task: str) -> None:
    """Early acks, or an explicit reject_on_worker_lost=False: the loss is the task's end."""
    core = core_of(traits={"stubborn": {"acks_late": True, "reject_on_worker_lost": False}})
    deliver(core, delivery(1, task))

    effects = core.handle(Happened((SlotLost(0, (1,), (), "killed by signal 9"),)), at(1.0))

    [conclude] = of(Conclude, effects)
    assert (conclude.kind, conclude.reason) == (EndingKind.LOST, "killed by signal 9")
    assert settled(end(core, 1, EndingKind.LOST)) == [(1, Verdict.ACK)]


def test_jobs_that_a_lost_slot_had_not_begun_run_elsewhere_without_a_second_claim() -> None:
    """What was only handed over is not lost, keeps its order, and is not claimed twice."""
    core = core_of(slots=1)
    deliver(core, delivery(1))
    end(core, 1, runtime_s=0.0001)
    deliver(core, delivery(2), delivery(3), delivery(4))

    lost = core.handle(Happened((SlotLost(0, (2,), (3, 4), "gone"),)), at(1.0))
    effects = core.handle(Happened((SlotReady(0, 999),)), at(2.0))

    assert [c.job.token for c in of(Conclude, lost)] == [2]
    assert run_tags(effects) == [[3, 4]]
    assert settled(effects) == []


def test_a_slot_lost_while_idle_is_one_line_in_the_log() -> None:
    """The operator is told of a process that died though it ran nothing."""
    core = core_of()

    said = core.handle(Happened((SlotLost(0, (), (), "exited with code 1"),)), at(1.0))
    quiet = core_of().handle(Happened((SlotLost(0, (), (), "full", expected=True),)), at(1.0))

    assert [line.what for line in of(Say, said)] == ["process lost"]
    assert of(Say, quiet) == []


def test_news_that_a_body_began_changes_nothing() -> None:
    """``JobStarted`` is for those who watch."""
    core = core_of()
    deliver(core, delivery(1))

    assert core.handle(Happened((JobStarted(1, 100),)), at(0.5)) == []


def test_connection_loss_orphans_late_tasks_and_drops_what_waits() -> None:
    """Where the broker takes deliveries back, a late result is refused and nothing runs twice."""
    core = core_of()
    deliver(core, delivery(1, "late"), delivery(2, "late"), delivery(3, eta=iso(60)))

    core.handle(Disconnected(keeps_deliveries=False), at(1.0))
    effects = end(core, 1)

    assert of(Commit, effects) == []
    assert [line.what for line in of(Say, effects)] == ["late result refused"]
    assert core.wake_at is None
    assert core.waiting == []


def test_connection_loss_leaves_claimed_tasks_alone() -> None:
    """An early-ack body that runs is nobody else's: its result counts."""
    core = core_of()
    deliver(core, delivery(1))

    core.handle(Disconnected(keeps_deliveries=False), at(1.0))

    assert len(of(Commit, end(core, 1))) == 1


def test_leases_outlive_the_connection() -> None:
    """Where deliveries are kept, a reconnect changes nothing."""
    core = core_of()
    deliver(core, delivery(1, "late"), delivery(2, "late"))

    core.handle(Disconnected(keeps_deliveries=True), at(1.0))

    assert settled(end(core, 1)) == [(1, Verdict.ACK)]


def test_jobs_that_reached_no_slot_are_forgotten() -> None:
    """A hand-over that was cut off by the loss of the broker leaves the slot free."""
    core = core_of()
    deliver(core, delivery(1))

    core.handle(Disconnected(keeps_deliveries=False, not_run=(1,)), at(1.0))

    assert core.active == []
    assert run_tags(deliver(core, delivery(2))) == [[2]]


def test_orphan_whose_process_is_lost_is_forgotten() -> None:
    """Nothing is told of a delivery that the broker has given to another."""
    core = core_of()
    deliver(core, delivery(1, "late"))
    core.handle(Disconnected(keeps_deliveries=False), at(1.0))

    effects = core.handle(Happened((SlotLost(0, (1,), (), "gone"),)), at(2.0))

    assert effects == [SetPrefetch(4)] or of(Settle, effects) + of(Conclude, effects) == []


def test_warm_stop_hands_back_what_waits_and_lets_the_rest_end() -> None:
    """A warm stop takes nothing more, gives back at once what has not begun, and ends after it."""
    core = core_of()
    deliver(core, delivery(1, "late"), delivery(2, "late"), delivery(3, eta=iso(60)))

    stopping = core.handle(StopAsked(Stop.WARM), at(1.0))
    ending = end(core, 1)

    assert settled(stopping) == [(2, Verdict.REQUEUE), (3, Verdict.REQUEUE)]
    assert not core.takes
    assert kinds(ending) == ["Commit", "StopPool", "Exit"]


def test_what_arrives_after_a_stop_goes_back() -> None:
    """A delivery that was on its way when the stop came is requeued."""
    core = core_of()
    deliver(core, delivery(1, "late"))
    core.handle(StopAsked(Stop.WARM), at(1.0))

    assert settled(deliver(core, delivery(2))) == [(2, Verdict.REQUEUE)]


def test_cold_stop_gives_back_what_runs() -> None:
    """A cold stop requeues unclaimed running tasks and tells the end of those that had begun."""
    core = core_of(slots=2)
    deliver(core, delivery(1, "late"), delivery(2))

    asked = core.handle(StopAsked(Stop.COLD), at(1.0))
    first = core.handle(Happened((SlotLost(0, (1,), (), "stopped", expected=True),)), at(1.1))
    cut = core.handle(Happened((SlotLost(1, (2,), (), "stopped", expected=True),)), at(1.2))
    last = end(core, 2, EndingKind.LOST)

    assert of(StopPool, asked) == [StopPool(at_once=True)]
    assert settled(asked) == []
    assert of(Settle, first) == [Settle((Settlement(1, Verdict.REQUEUE, "the worker stopped"),))]
    assert [(one.job.token, one.kind) for one in of(Conclude, cut)] == [(2, EndingKind.LOST)]
    assert settled(last) == [(2, Verdict.REJECT)]
    assert of(Exit, last) == [Exit(0)]
    assert of(StopPool, last) == []


def test_cold_stop_gives_back_what_no_body_had_begun() -> None:
    """What was only handed to a slot goes back to the broker, also when it was claimed."""
    core = core_of()
    deliver(core, delivery(1))
    end(core, 1, runtime_s=0.0001)
    deliver(core, delivery(2), delivery(3), delivery(4))

    core.handle(StopAsked(Stop.COLD), at(1.0))
    effects = core.handle(Happened((SlotLost(0, (2,), (3, 4), "stopped", expected=True),)), at(1.1))

    assert settled(effects) == [(3, Verdict.REQUEUE), (4, Verdict.REQUEUE)]
    assert [conclude.job.token for conclude in of(Conclude, effects)] == [2]


def test_what_ends_before_a_cold_stop_has_reached_it_counts() -> None:
    """A result that was on its way is stored."""
    core = core_of()
    deliver(core, delivery(1))
    core.handle(StopAsked(Stop.COLD), at(1.0))

    assert len(of(Commit, end(core, 1))) == 1


def test_a_weaker_stop_after_a_stronger_one_is_nothing() -> None:
    """Warm after cold, or warm after warm, says nothing new."""
    core = core_of()
    core.handle(StopAsked(Stop.COLD), at(1.0))

    assert core.handle(StopAsked(Stop.WARM), at(2.0)) == []


def test_idle_worker_stops_at_once() -> None:
    """With nothing to wait for, a warm stop ends the worker."""
    effects = core_of().handle(StopAsked(Stop.WARM), at(1.0))

    assert [kind for kind in kinds(effects) if kind != "Say"] == ["StopPool", "Exit"]


def test_lines_about_good_ends_are_said_only_when_wanted() -> None:
    """Without narration a task that succeeds costs no line; a failure always has one."""
    quiet, chatty = core_of(), core_of(narrate=True)
    deliver(quiet, delivery(1))
    received = deliver(chatty, delivery(1))

    assert of(Say, end(quiet, 1)) == []
    assert [line.what for line in of(Say, received)] == ["task received"]
    assert [line.what for line in of(Say, end(chatty, 1))] == ["task succeeded"]


def test_failures_are_said() -> None:
    """A failure is an error in the log; one that the task declares in ``throws`` is not."""
    core = core_of()
    deliver(core, delivery(1), delivery(2))

    failed = end(core, 1, EndingKind.FAILED, summary="ValueError('x')", traceback="Traceback ...")
    expected = end(core, 2, EndingKind.FAILED, expected=True)

    [line] = of(Say, failed)
    assert line.what == "task failed"
    assert line.facts["traceback"] == "Traceback ..."
    assert of(Say, expected) == []


def test_limits_come_from_message_task_and_worker_in_this_order() -> None:
    """The call wins over the task, the task over the worker."""
    core = core_of(
        slots=3,
        traits={"limited": {"time_limit_s": 20.0}},
        time_limit_s=30.0,
        soft_time_limit_s=9.0,
    )

    effects = deliver(
        core,
        delivery(1, timelimit=[5, None]),
        delivery(2, "limited", timelimit=[None, None]),
        delivery(3),
    )

    jobs = [job for run in of(Run, effects) for job in run.jobs]
    assert [(job.time_limit_s, job.soft_time_limit_s) for job in jobs] == [
        (5.0, 9.0),
        (20.0, 9.0),
        (30.0, 9.0),
    ]


def test_a_job_says_how_it_was_delivered() -> None:
    """``delivery_info`` of a request comes from the delivery."""
    effects = deliver(core_of(), delivery(1))

    [[job]] = [run.jobs for run in of(Run, effects)]
    assert job.delivery_info == {
        "exchange": "",
        "routing_key": "celery",
        "priority": None,
        "redelivered": False,
    }


@pytest.mark.parametrize("kind", [kind for kind in EndingKind if kind is not EndingKind.MALFORMED])
def test_a_claimed_delivery_is_only_ever_acknowledged(kind: EndingKind) -> None:
    """Whatever happens to an early-ack body, its message does not come back."""
    assert verdict(kind, TaskTraits("t"), claimed=True) is Verdict.ACK


def test_a_claimed_delivery_that_turns_out_to_be_no_task_is_a_dead_letter() -> None:
    assert verdict(EndingKind.MALFORMED, TaskTraits("t"), claimed=True) is Verdict.REJECT


@pytest.mark.parametrize(
    ("kind", "traits", "expected"),
    [
        (EndingKind.FAILED, {}, Verdict.ACK),
        (EndingKind.FAILED, {"acks_on_failure": False}, Verdict.REJECT),
        (EndingKind.TIMED_OUT, {}, Verdict.ACK),
        (EndingKind.TIMED_OUT, {"acks_on_timeout": False}, Verdict.REQUEUE),
        (EndingKind.REJECTED, {}, Verdict.REJECT),
        (EndingKind.REQUEUED, {}, Verdict.REQUEUE),
        (EndingKind.RETRIED, {}, Verdict.ACK),
    ],
)
def test_late_verdicts(kind: EndingKind, traits: dict[str, Any], expected: Verdict) -> None:
    """Under late acks the ending and the task's options decide."""
    assert OUTCOMES[kind].late(TaskTraits("t", acks_late=True, **traits)) is expected


def test_a_rejected_delivery_carries_its_reason() -> None:
    """The dead-letter queue is told why."""
    core = core_of()
    deliver(core, delivery(1, "late"))

    [commit] = of(Commit, end(core, 1, EndingKind.REJECTED, summary="no stock"))

    assert commit.finished[0].settlement == Settlement(1, Verdict.REJECT, "no stock")


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("event", list(Event))
def test_every_pair_is_in_the_table_or_refused(stage: Stage, event: Event) -> None:
    """An event that cannot happen at a stage is an error that names both."""
    job = Job(7, {"task": "add"}, b"", "", "", {}, {})
    entry = Entry(delivery(7), job, None)
    entry.stage = stage

    if (stage, event) in TRANSITIONS:
        entry.move(event)
        assert entry.stage is TRANSITIONS[stage, event]
    else:
        with pytest.raises(ImpossibleEventError, match=f"{event.name} cannot happen while it is"):
            entry.move(event)


def test_a_slot_forgets_only_what_it_was_given() -> None:
    """Removing an unknown token changes no load."""
    slot = Slot(0, 1)
    slot.add(1, 0.5, 0.0)
    slot.remove(2, 1.0)

    assert slot.load_s == 0.5


def test_two_cores_given_the_same_inputs_say_the_same() -> None:
    """The core holds nothing but what it was told."""
    histories = []
    for _ in range(2):
        core = core_of(slots=2)
        said = [repr(deliver(core, *(delivery(n) for n in range(9))))]
        said += [repr(end(core, n, runtime_s=0.001 * n)) for n in range(9)]
        histories.append(said)

    assert histories[0] == histories[1]


def test_endings_of_one_collection_are_committed_together() -> None:
    """What ended together is one commit."""
    core = core_of(slots=3)
    deliver(core, delivery(1), delivery(2), delivery(3))
    endings = tuple(Ending(n, EndingKind.SUCCEEDED, 0.1) for n in (1, 2, 3))

    [commit] = of(Commit, core.handle(Happened(endings), at(1.0)))

    assert [finish.job.token for finish in commit.finished] == [1, 2, 3]


def test_a_lease_that_was_taken_over_orphans_what_runs() -> None:
    """After a silence longer than the lease nothing of it is run, stored or settled here."""
    core = core_of()
    deliver(core, delivery(1, "late"), delivery(2, "late"), delivery(3, eta=iso(60)), delivery(4))

    [line] = of(Say, core.handle(LeaseLost((1, 2, 3, 4, 99)), at(200.0)))
    effects = end(core, 1)

    assert (line.what, line.facts["count"]) == ("lease lost", 4)
    assert settled(effects) == []
    assert core.active == core.waiting == []


def test_claims_of_a_lost_worker_end_as_lost_tasks() -> None:
    """Who buries a claimed message of a lost worker ends its task and settles it, at once."""
    core = core_of()
    message = delivery(1).message
    lost = LostMessage(7, message, "celery", "", "celery", "w9", "worker lost")

    [conclude] = of(Conclude, core.handle(Buried((lost,)), at(1.0)))
    [commit] = of(Commit, end(core, 7, EndingKind.LOST))

    assert (conclude.job.token, conclude.kind) == (7, EndingKind.LOST)
    assert conclude.reason == "worker lost (w9)"
    assert commit.finished[0].settlement == Settlement(7, Verdict.REJECT, "worker lost (w9)")


def test_a_lost_claim_that_somebody_else_has_taken_over_is_forgotten() -> None:
    """Its end is told once, by whoever has it last."""
    message = delivery(1).message
    lost = LostMessage(7, message, "celery", "", "celery", "w9", "worker lost")
    cores = [core_of(), core_of()]
    for core in cores:
        core.handle(Buried((lost,)), at(1.0))

    cores[0].handle(LeaseLost((7,)), at(2.0))
    cores[1].handle(Disconnected(keeps_deliveries=False), at(2.0))

    for core in cores:
        assert settled(end(core, 7, EndingKind.LOST)) == []


def test_a_lost_claim_of_a_task_that_is_tried_again_is_done_with() -> None:
    """Where ``retry_on_worker_lost`` sent it again, nothing of it is a dead letter."""
    core = core_of()
    lost = LostMessage(7, delivery(1).message, "celery", "", "celery", "w9", "worker lost")
    core.handle(Buried((lost,)), at(1.0))

    assert settled(end(core, 7, EndingKind.RETRIED)) == [(7, Verdict.ACK)]


def test_news_of_what_was_given_up_are_nothing() -> None:
    """A pool may tell of jobs and slots that the core has forgotten."""
    core = core_of()
    happened = Happened(
        (
            JobStarted(99, 1),
            JobsReturned(7, ()),
            SlotLost(7, (98,), (97,), "gone", expected=True),
            Ending(96, EndingKind.FAILED),
        )
    )

    assert core.handle(happened, at(1.0)) == []


def test_how_many_have_ended_here() -> None:
    """Whatever their ends were."""
    core = core_of()
    deliver(core, delivery(1), delivery(2))
    end(core, 1, EndingKind.FAILED)

    assert core.processed == 1


def test_an_ending_may_come_after_its_slot_has_left() -> None:
    """A slot that leaves without naming a job does not take the job's ending along."""
    core = core_of(slots=2)
    deliver(core, delivery(1), delivery(2))
    core.handle(Happened((SlotLost(0, (), (), "shrunk", expected=True),)), at(1.0))

    effects = core.handle(Happened((Ending(1, EndingKind.SUCCEEDED, 1.0),)), at(2.0))

    assert len(of(Commit, effects)) == 1


def test_a_buried_message_that_is_no_task_has_no_end() -> None:
    """What another worker could not have run goes to the dead letters, and that is all."""
    core = core_of()
    message = delivery(1, eta="soon").message
    lost = LostMessage(7, message, "celery", "", "celery", "w9", "lost")

    effects = core.handle(Buried((lost,)), at(1.0))

    assert of(Conclude, effects) == []
    assert settled(effects) == [(7, Verdict.REJECT)]


def test_a_job_that_reached_no_slot_is_forgotten_though_its_slot_is_gone() -> None:
    """The broker and a process may be lost at once."""
    core = core_of()
    deliver(core, delivery(1, "late"))
    core.handle(Happened((SlotLost(0, (), (), "gone"),)), at(1.0))

    core.handle(Disconnected(keeps_deliveries=False, not_run=(1,)), at(1.0))

    assert core.active == core.waiting == []
