"""Every so many seconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from taskq.schedules.base import BaseSchedule, schedstate, seconds_of

__all__ = ["humanize_seconds", "maybe_schedule", "schedule"]

_UNITS: Final = (("day", 86400.0), ("hour", 3600.0), ("minute", 60.0), ("second", 1.0))
# A run that is late by no more than this part of its interval does not move those after it.
_LATE: Final = 10


class schedule(BaseSchedule):  # noqa: N801 - Celery's name
    """Every ``run_every`` seconds, counted from the last run.

    With ``relative`` it is due when the clock is at a full unit: ``schedule(3600, relative=True)``
    at full hours.  A run that is a little late (by up to a tenth of the interval) does not make
    those after it late; after a longer pause the distance counts from the run.
    """

    by_clock: ClassVar[bool] = False
    relative: bool = False

    def __init__(
        self,
        run_every: float | timedelta | None = None,
        relative: bool = False,
        nowfun: Callable[[], datetime] | None = None,
        app: Any = None,
    ) -> None:
        self.run_every: timedelta = _distance(run_every)
        self.relative = relative
        super().__init__(nowfun=nowfun, app=app)

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        """Return how long it is until the next run; negative when it is late."""
        return self.due_after(last_run_at) - self._utc(self.now())

    def is_due(self, last_run_at: datetime) -> tuple[bool, float | None]:
        """Say whether it is due, and in how many seconds to ask again."""
        left = self.remaining_estimate(last_run_at)
        if left > timedelta(0):
            return schedstate(is_due=False, next=seconds_of(left))
        if self.relative:
            return schedstate(is_due=True, next=seconds_of(self.remaining_estimate(self.now())))
        return schedstate(is_due=True, next=self.seconds)

    def run_at(self, last_run_at: datetime, now: datetime) -> datetime:
        """Return when it was due, if it is hardly late; else now."""
        due = self.due_after(last_run_at)
        late = self._utc(now) - due
        hardly = timedelta(0) <= late <= self.run_every / _LATE
        return due.astimezone(now.tzinfo) if hardly and now.tzinfo else now

    def due_after(self, last_run_at: datetime) -> datetime:
        """Return when the next run is due, after one that counts from a moment; in UTC."""
        due = self._utc(last_run_at) + self.run_every
        return (
            self._utc(_full_unit(due.astimezone(self.tz), self.run_every)) if self.relative else due
        )

    @property
    def seconds(self) -> float:
        """The distance in seconds."""
        return seconds_of(self.run_every)

    @property
    def human_seconds(self) -> str:
        """The distance in words."""
        return humanize_seconds(self.seconds)

    def __repr__(self) -> str:
        return f"<freq: {self.human_seconds}>"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, schedule):
            return self.run_every == other.run_every
        return self.run_every == other

    __hash__ = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.run_every, self.relative, self.nowfun)


def maybe_schedule(s: Any, relative: bool = False, app: Any = None) -> Any:
    """Return a schedule for a number of seconds or a timedelta; a schedule, or None, as it is."""
    if s is None:
        return None
    if isinstance(s, int | float | timedelta):
        return schedule(s, relative, app=app)
    if not (hasattr(s, "is_due") and hasattr(s, "remaining_estimate")):
        raise TypeError(
            f"{s!r} is no schedule; give a number of seconds, a timedelta, crontab() or solar()"
        )
    s.app = app
    return s


def humanize_seconds(seconds: float) -> str:
    """Return a number of seconds in its largest unit."""
    for unit, size in _UNITS:
        if seconds >= size:
            count = f"{seconds / size:.2f}"
            return f"{count} {unit}{'' if count == '1.00' else 's'}"
    return f"{seconds:.2f} seconds" if seconds else "now"


def _distance(run_every: float | timedelta | None) -> timedelta:
    if run_every is None:
        raise TypeError("schedule() needs a distance; write schedule(10) for every ten seconds")
    found = run_every if isinstance(run_every, timedelta) else timedelta(seconds=run_every)
    if found <= timedelta(0):
        raise ValueError(f"schedule({run_every!r}): the distance has to be more than 0 seconds")
    return found


def _full_unit(moment: datetime, distance: timedelta) -> datetime:
    """Cut a time down to the largest unit that fits into the distance."""
    units = (
        (timedelta(days=1), {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}),
        (timedelta(hours=1), {"minute": 0, "second": 0, "microsecond": 0}),
        (timedelta(minutes=1), {"second": 0, "microsecond": 0}),
        (timedelta(seconds=1), {"microsecond": 0}),
    )
    for size, zeroed in units:
        if distance >= size:
            return moment.replace(**zeroed)  # type: ignore[arg-type]  # fields of a time
    return moment
