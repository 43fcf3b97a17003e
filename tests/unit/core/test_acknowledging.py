"""What the broker is told, for every combination of what a task may say about it."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.core.effects import Commit, Conclude, Emit, Say, Settle
from taskq.core.inputs import Happened
from taskq.core.outcome import AFTER_LOSS, OUTCOMES, AfterLoss, after_loss, verdict
from taskq.core.traits import TaskTraits
from taskq.core.worker import WorkerCore
from taskq.ports import EndingKind, Settlement, SlotLost, Verdict

from .helpers import at, core_of, deliver, delivery, end, of, settled

TRAITS = st.builds(
    TaskTraits,
    name=st.just("t"),
    acks_late=st.booleans(),
    acks_on_failure=st.booleans(),
    acks_on_timeout=st.booleans(),
    reject_on_worker_lost=st.sampled_from([None, False, True]),
    retry_on_worker_lost=st.booleans(),
)


def lose(core: WorkerCore, tag: int = 1) -> list[Any]:
    return core.handle(Happened((SlotLost(0, (tag,), (), "killed by signal 9"),)), at(1.0))


def test_the_table_of_losses_has_a_row_for_everything() -> None:
    """Claimed or not, and all that a task may say."""
    assert set(AFTER_LOSS) == set(product((False, True), (None, False, True), (False, True)))


@given(TRAITS)
def test_a_lost_body_is_given_out_again_or_its_end_is_told(traits: TaskTraits) -> None:
    """Exactly one of the two; never again what may have begun under early acks."""
    core = core_of(traits={"t": {name: getattr(traits, name) for name in SAID}})
    deliver(core, delivery(1, "t"))

    effects = lose(core)

    again = (1, Verdict.REQUEUE) in settled(effects)
    ended = [conclude.kind for conclude in of(Conclude, effects)] == [EndingKind.LOST]
    assert again != ended
    if not traits.acks_late:
        assert ended
    elif traits.reject_on_worker_lost:
        assert again
    if again:
        assert core.active == core.waiting == []
    else:
        [(tag, what)] = settled(end(core, 1, EndingKind.LOST))
        assert (tag, what) == (1, verdict(EndingKind.LOST, traits, claimed=not traits.acks_late))


SAID = (
    "acks_late",
    "acks_on_failure",
    "acks_on_timeout",
    "reject_on_worker_lost",
    "retry_on_worker_lost",
)


@given(TRAITS, st.sampled_from(EndingKind))
def test_every_ending_is_settled_once(traits: TaskTraits, kind: EndingKind) -> None:
    """Nothing stays open, and nothing claimed comes back."""
    core = core_of(traits={"t": {name: getattr(traits, name) for name in SAID}})
    deliver(core, delivery(1, "t"))

    effects = end(core, 1, kind, summary="why")

    [commit] = of(Commit, effects)
    [finish] = commit.finished
    assert finish.settlement is not None
    assert finish.settlement.tag == 1
    assert finish.settlement.verdict in (Verdict.ACK, Verdict.REJECT, Verdict.REQUEUE)
    if not traits.acks_late:
        no_task = kind is EndingKind.MALFORMED
        assert finish.settlement.verdict is (Verdict.REJECT if no_task else Verdict.ACK)
    if finish.settlement.verdict is Verdict.REJECT:
        assert finish.settlement.reason == "why"
    assert settled(effects) == [(1, finish.settlement.verdict)]
    assert core.active == core.waiting == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, AfterLoss.REDELIVER),
        ({"reject_on_worker_lost": True}, AfterLoss.REDELIVER),
        ({"reject_on_worker_lost": False}, AfterLoss.CONCLUDE),
        ({"retry_on_worker_lost": True}, AfterLoss.CONCLUDE),
        (
            {"reject_on_worker_lost": True, "retry_on_worker_lost": True},
            AfterLoss.REDELIVER,
        ),
        # What Python takes for true, a task may say.
        ({"reject_on_worker_lost": "yes"}, AfterLoss.REDELIVER),
    ],
)
def test_late_acks_after_a_loss(said: dict[str, Any], expected: AfterLoss) -> None:
    """Late acks mean redelivery, but for those that say otherwise or ask for a retry."""
    assert after_loss(TaskTraits("t", acks_late=True, **said), claimed=False) is expected


@pytest.mark.parametrize(("acks", "what"), [(True, Verdict.ACK), (False, Verdict.REJECT)])
def test_a_loss_that_is_a_failure_is_acknowledged_as_one(acks: bool, what: Verdict) -> None:
    """With acks_on_failure off its message goes to the dead letters."""
    traits = TaskTraits("t", acks_late=True, acks_on_failure=acks)

    assert OUTCOMES[EndingKind.LOST].late(traits) is what


def test_what_is_given_out_again_after_a_loss_counts_as_an_attempt() -> None:
    """So poison comes to an end; monitors are told that it goes back."""
    core = core_of(events=True)
    deliver(core, delivery(1, "late"))

    effects = lose(core)

    reason = "killed by signal 9"
    again = Settlement(1, Verdict.REQUEUE, reason, attempted=True)
    assert of(Settle, effects) == [Settle((again,))]
    assert [line.what for line in of(Say, effects)] == ["worker lost, redelivered"]
    assert of(Emit, effects) == [Emit("task-rejected", {"uuid": "t1", "requeue": True})]


def test_a_body_that_asks_for_another_go_is_no_attempt() -> None:
    """``Reject(requeue=True)`` may be said for ever."""
    core = core_of()
    deliver(core, delivery(1, "late"))

    [commit] = of(Commit, end(core, 1, EndingKind.REQUEUED))

    assert commit.finished[0].settlement == Settlement(1, Verdict.REQUEUE)


# -- the delivery limit ----------------------------------------------------------------------


def test_poison_is_given_up() -> None:
    """What killed its process so often goes to the dead letters, and its end is told."""
    core = core_of(delivery_limit=3)

    effects = deliver(core, delivery(1, "late", attempts=3))
    [commit] = of(Commit, end(core, 1, EndingKind.LOST))

    reason = "given out 3 times, and its process was lost each time"
    [conclude] = of(Conclude, effects)
    assert (conclude.kind, conclude.reason) == (EndingKind.LOST, reason)
    assert conclude.detail == {"given_up": True}
    assert commit.finished[0].settlement == Settlement(1, Verdict.REJECT, reason)


@pytest.mark.parametrize(("attempts", "limit"), [(2, 3), (None, 3), (0, 3), (9, 0)])
def test_what_has_attempts_left_is_run(attempts: int | None, limit: int) -> None:
    """Also where the broker does not count, and where there is no limit."""
    core = core_of(delivery_limit=limit)

    assert of(Conclude, deliver(core, delivery(1, "late", attempts=attempts))) == []
    assert [job.token for job in core.active] == [1]
