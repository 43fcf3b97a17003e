"""What those who look into a worker are shown: ``inspect``, a state file, tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from taskq.core.delivery import Entry, Stage
from taskq.core.house import House
from taskq.ports import Job, Reading

# In the words of remote control.
StageName: TypeAlias = Literal["active", "reserved", "scheduled"]


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task that a worker has.

    ``active`` is what runs; what was given to a slot and waits there behind another is
    ``reserved``, as is what waits for a slot or for its rate limit.
    """

    job: Job
    stage: StageName
    acknowledged: bool  # the broker was told that its body may begin
    started: Reading | None = None  # since when it runs, where that is known
    pid: int | None = None  # of its slot
    due_s: float | None = None  # wall time that it waits for


def views_of(house: House) -> tuple[TaskView, ...]:
    """Return a view of each task that is here."""
    return tuple(
        _view(entry, house)
        for entry in house.entries.values()
        if entry.stage is not Stage.ENDING  # over but for the telling
    )


def _view(entry: Entry, house: House) -> TaskView:
    token = entry.job.token
    if entry.stage is Stage.HELD:
        return TaskView(entry.job, "scheduled", entry.claimed, due_s=entry.due_s)
    if entry.slot is None:
        return TaskView(entry.job, "reserved", entry.claimed)
    slot = house.slots.get(entry.slot)
    if slot is None or token not in slot.tokens:
        return TaskView(entry.job, "active", entry.claimed)  # its slot has left without it
    if token != slot.oldest:
        return TaskView(entry.job, "reserved", entry.claimed, pid=slot.pid)
    started = slot.started(house.now)
    return TaskView(entry.job, "active", entry.claimed, started=started, pid=slot.pid)


def totals_of(house: House) -> dict[str, int]:
    """Return how many bodies of each task have begun: those that are over, and those that run."""
    totals = house.totals.copy()
    for slot in house.slots.values():
        entry = house.entries.get(slot.oldest) if slot.tokens else None
        if entry is not None:
            totals[entry.task_name] += 1
    return dict(totals)
