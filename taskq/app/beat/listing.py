"""What is due when: the entries of a scheduler, for people and programs that look at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from taskq.app.beat.persistent import PersistentScheduler
from taskq.app.beat.scheduler import Scheduler
from taskq.schedules import BaseSchedule, crontab, schedule, solar

__all__ = ["Listed", "listing", "upcoming"]


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry."""

    name: str
    task: str
    schedule: str
    args: Any
    kwargs: Any
    options: Mapping[str, Any]
    last_run_at: datetime | None
    total_run_count: int
    next: tuple[datetime, ...]  # in the zone of the app; the first may be now, for what is late


def listing(scheduler: Any, count: int) -> list[Listed]:
    """Return the entries of a lazy scheduler, in the order in which they come next."""
    if isinstance(scheduler, PersistentScheduler):
        scheduler.preview()
    elif type(scheduler) is Scheduler:
        scheduler.setup_schedule()
    now = scheduler.app.now()
    rows = [_listed(name, entry, now, count) for name, entry in scheduler.schedule.items()]
    never = datetime.max.replace(tzinfo=UTC)
    return sorted(rows, key=lambda row: (row.next[0] if row.next else never, row.name))


def _listed(name: str, entry: Any, now: datetime, count: int) -> Listed:
    last = entry.last_run_at
    return Listed(
        name=str(name),
        task=str(entry.task),
        schedule=str(entry.schedule),
        args=entry.args,
        kwargs=entry.kwargs,
        options=entry.options or {},
        last_run_at=last if entry.total_run_count else None,
        total_run_count=entry.total_run_count,
        next=tuple(upcoming(entry.schedule, last, now, count)),
    )


def upcoming(when: Any, last: datetime | None, now: datetime, count: int) -> list[datetime]:
    """Return the next times of a schedule, in the zone of ``now``; what is late comes now."""
    found: list[datetime] = []
    moment = last or now
    while len(found) < count:
        following = _next(when, moment, now)
        if following is None:
            break
        moment = max(following, now)
        found.append(moment.astimezone(now.tzinfo))
    return found


def _next(when: Any, moment: datetime, now: datetime) -> datetime | None:
    if isinstance(when, crontab | solar):
        return when.next_after(moment)
    if isinstance(when, schedule):
        return when.due_after(moment)
    if isinstance(when, BaseSchedule) and moment <= now:
        # It only says what remains from now on, so it has one time.
        left: timedelta | None = when.remaining_estimate(moment)
        return None if left is None else now + left + timedelta(microseconds=1)
    return None
