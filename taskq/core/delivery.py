"""The stages of one delivery, as a table.

A delivery comes from the broker, waits for its time or for a slot, runs, ends, and is settled.
Whatever happens to it is an ``Event``; the table says what stage follows.  A pair that is not
in the table must not happen: it is refused with an error, in production too.

Owned here: the stages, and what is remembered of a delivery while it is in the house.
Not owned: when which event happens (the rooms of ``worker.py``), what an ending means
(``outcome.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final

from taskq.core.traits import TaskTraits
from taskq.ports import Delivery, EndingKind, Job


class Stage(IntEnum):
    """Where one delivered message stands."""

    HELD = 1  # waits for its ETA
    READY = 2  # waits for a slot
    RUNNING = 3  # was given to a slot
    ENDING = 4  # its body does not run (any more); its ending is being made
    ORPHANED = 5  # still runs, but the broker took the delivery back
    SETTLED = 6  # the broker has the last word on it; nothing may follow


class Event(IntEnum):
    """What can happen to it."""

    DUE = 1
    DISPATCHED = 2
    ENDED = 3
    CONCLUDED = 4  # it ends without (any more of) its body: expired, revoked, unknown, lost
    RETURNED = 5  # the slot had not begun it, and is gone or was asked to give it back
    HANDED_BACK = 6  # to the broker, for anyone
    CONNECTION_LOST = 7


TRANSITIONS: Final[Mapping[tuple[Stage, Event], Stage]] = MappingProxyType(
    {
        (Stage.HELD, Event.DUE): Stage.READY,
        (Stage.HELD, Event.CONCLUDED): Stage.ENDING,
        (Stage.HELD, Event.HANDED_BACK): Stage.SETTLED,
        (Stage.HELD, Event.CONNECTION_LOST): Stage.SETTLED,
        (Stage.READY, Event.DISPATCHED): Stage.RUNNING,
        (Stage.READY, Event.CONCLUDED): Stage.ENDING,
        (Stage.READY, Event.HANDED_BACK): Stage.SETTLED,
        (Stage.READY, Event.CONNECTION_LOST): Stage.SETTLED,
        (Stage.RUNNING, Event.ENDED): Stage.SETTLED,
        (Stage.RUNNING, Event.CONCLUDED): Stage.ENDING,
        (Stage.RUNNING, Event.RETURNED): Stage.READY,
        (Stage.RUNNING, Event.HANDED_BACK): Stage.SETTLED,
        # With late acks the broker will hand this message to someone else as well.
        (Stage.RUNNING, Event.CONNECTION_LOST): Stage.ORPHANED,
        (Stage.ENDING, Event.ENDED): Stage.SETTLED,
        (Stage.ENDING, Event.HANDED_BACK): Stage.SETTLED,
        (Stage.ENDING, Event.CONNECTION_LOST): Stage.ORPHANED,
        (Stage.ORPHANED, Event.ENDED): Stage.SETTLED,
        (Stage.ORPHANED, Event.CONCLUDED): Stage.SETTLED,
        (Stage.ORPHANED, Event.RETURNED): Stage.SETTLED,
        (Stage.ORPHANED, Event.HANDED_BACK): Stage.SETTLED,
        (Stage.ORPHANED, Event.CONNECTION_LOST): Stage.ORPHANED,
    }
)


class ImpossibleEventError(AssertionError):
    """Something happened to a delivery that cannot happen at its stage: a defect of taskq."""

    def __init__(self, stage: Stage, event: Event, task: str, token: int) -> None:
        super().__init__(stage, event, task, token)
        self.stage, self.event, self.task, self.token = stage, event, task, token

    def __str__(self) -> str:
        return (
            f"delivery {self.token} of {self.task}: {self.event.name} cannot happen "
            f"while it is {self.stage.name}"
        )


@dataclass(frozen=True, slots=True)
class Doom:
    """How a task ends that does not end by itself."""

    kind: EndingKind
    reason: str
    # for who makes the ending, and for monitors
    detail: Mapping[str, Any] = field(default_factory=dict)
    dead_letter: bool = False  # its message goes there, whatever the kind says


class Entry:
    """What the core remembers of one delivery.  Mutable, and seen by the core alone."""

    __slots__ = (
        "claimed",
        "delivery",
        "doom",
        "due_s",
        "expires_s",
        "job",
        "slot",
        "stage",
        "task_name",
        "traits",
    )

    def __init__(self, delivery: Delivery, job: Job, traits: TaskTraits | None) -> None:
        self.delivery = delivery
        self.job = job
        self.task_name = str(job.headers.get("task"))  # as the message has it
        self.traits = traits  # None: no task of that name is registered
        self.stage = Stage.READY
        self.claimed = False  # the broker was told that its body may begin
        self.slot: int | None = None
        self.doom: Doom | None = None  # what is made of it once its body does not run any more
        self.due_s: float | None = None  # POSIX time before which it must not run
        self.expires_s: float | None = None  # POSIX time after which it must not begin

    def move(self, event: Event) -> None:
        """Go to the stage that the table names."""
        stage = TRANSITIONS.get((self.stage, event))
        if stage is None:
            raise ImpossibleEventError(self.stage, event, self.task_name, self.job.token)
        self.stage = stage
