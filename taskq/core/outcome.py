"""How a run ended -> what the broker is told and what the log says, as a table.

Read by ``ending.py`` when an ``Ending`` comes in, and by ``losing.py`` when none will come.  What
is stored and what is sent travels in the ``Ending`` itself, made by ``app.work`` where the body
ran, because only there the body of the message is decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias

from taskq.core.effects import Level
from taskq.core.traits import TaskTraits
from taskq.ports import EndingKind, Verdict

VerdictRule: TypeAlias = Callable[[TaskTraits | None], Verdict]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row: the verdict under late acks, the line in the log, the event for monitors."""

    late: VerdictRule
    line: str
    level: Level
    event: str | None = None


def _acknowledge(_: TaskTraits | None) -> Verdict:
    return Verdict.ACK


def _reject(_: TaskTraits | None) -> Verdict:
    return Verdict.REJECT


def _requeue(_: TaskTraits | None) -> Verdict:
    return Verdict.REQUEUE


def _after_failure(traits: TaskTraits | None) -> Verdict:
    return Verdict.ACK if traits is None or traits.acks_on_failure else Verdict.REJECT


def _after_timeout(traits: TaskTraits | None) -> Verdict:
    return Verdict.ACK if traits is None or traits.acks_on_timeout else Verdict.REQUEUE


OUTCOMES: Final[Mapping[EndingKind, Outcome]] = MappingProxyType(
    {
        EndingKind.SUCCEEDED: Outcome(_acknowledge, "task succeeded", Level.INFO, "task-succeeded"),
        EndingKind.FAILED: Outcome(_after_failure, "task failed", Level.ERROR, "task-failed"),
        EndingKind.RETRIED: Outcome(_acknowledge, "task retried", Level.INFO, "task-retried"),
        EndingKind.IGNORED: Outcome(_acknowledge, "task ignored", Level.INFO),
        # For monitors it has succeeded; who ran it may have had no time to tell them.
        EndingKind.REPEATED: Outcome(_acknowledge, "task repeated", Level.INFO, "task-succeeded"),
        EndingKind.REPLACED: Outcome(_acknowledge, "task replaced", Level.INFO),
        EndingKind.REJECTED: Outcome(_reject, "task rejected", Level.WARNING, "task-rejected"),
        EndingKind.REQUEUED: Outcome(_requeue, "task requeued", Level.WARNING, "task-rejected"),
        EndingKind.TIMED_OUT: Outcome(_after_timeout, "time limit", Level.ERROR, "task-failed"),
        EndingKind.REVOKED: Outcome(_acknowledge, "task revoked", Level.INFO, "task-revoked"),
        EndingKind.LOST: Outcome(_after_failure, "task lost", Level.ERROR, "task-failed"),
        EndingKind.UNKNOWN: Outcome(_reject, "unknown task", Level.ERROR, "task-failed"),
        EndingKind.MALFORMED: Outcome(_reject, "unreadable task", Level.ERROR),
    }
)
assert set(OUTCOMES) == set(EndingKind), "a kind of ending has no row"


def verdict(kind: EndingKind, traits: TaskTraits | None, *, claimed: bool) -> Verdict:
    """What the broker is told.

    A claimed delivery is acknowledged, unless it has turned out to be no task: then nothing has
    run, and somebody may want to see it.
    """
    if claimed and kind is not EndingKind.MALFORMED:
        return Verdict.ACK
    return OUTCOMES[kind].late(traits)


class AfterLoss(Enum):
    """What becomes of a task whose body had begun in a process that is lost."""

    REDELIVER = 1  # the broker gives it out again
    CONCLUDE = 2  # that was its end, or ``app.work`` tries it again as a retry


# By: the broker was told that the body begins (early ack), ``reject_on_worker_lost``,
# ``retry_on_worker_lost``.
AFTER_LOSS: Final[Mapping[tuple[bool, bool | None, bool], AfterLoss]] = MappingProxyType(
    {
        # A claimed message is never given out again.
        **{
            (True, reject, retry): AfterLoss.CONCLUDE
            for reject in (None, False, True)
            for retry in (False, True)
        },
        (False, None, False): AfterLoss.REDELIVER,  # late acks mean it
        (False, None, True): AfterLoss.CONCLUDE,  # a retry was asked for, and is counted
        (False, False, False): AfterLoss.CONCLUDE,
        (False, False, True): AfterLoss.CONCLUDE,
        (False, True, False): AfterLoss.REDELIVER,
        (False, True, True): AfterLoss.REDELIVER,
    }
)


def after_loss(traits: TaskTraits, *, claimed: bool) -> AfterLoss:
    """What becomes of a task whose process is lost."""
    said = traits.reject_on_worker_lost
    return AFTER_LOSS[claimed, said if said is None else bool(said), traits.retry_on_worker_lost]
