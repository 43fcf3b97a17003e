"""At certain minutes of certain hours and days, on the clock of a zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final, Self

from taskq.schedules.base import BaseSchedule, schedstate, seconds_of
from taskq.schedules.cronspec import ParseException, cronfield, expand
from taskq.schedules.wallclock import Fields, next_after

__all__ = ["crontab"]

# Longest first: February may have 29.
_LENGTHS: Final = {1: 31, 2: 29, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30,
                   12: 31}  # fmt: skip
_FIELDS: Final = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")


class crontab(BaseSchedule):  # noqa: N801 - Celery's name
    """At the minutes at which all five fields match (also day of week *and* day of month).

    ``wallclock.py`` says what happens when clocks are changed.
    """

    def __init__(
        self,
        minute: Any = "*",
        hour: Any = "*",
        day_of_week: Any = "*",
        day_of_month: Any = "*",
        month_of_year: Any = "*",
        **kwargs: Any,
    ) -> None:
        self._orig_minute = minute
        self._orig_hour = hour
        self._orig_day_of_week = day_of_week
        self._orig_day_of_month = day_of_month
        self._orig_month_of_year = month_of_year
        self.minute = expand("minute", minute, 60)
        self.hour = expand("hour", hour, 24)
        self.day_of_week = expand("day_of_week", day_of_week, 7)
        self.day_of_month = expand("day_of_month", day_of_month, 31, 1)
        self.month_of_year = expand("month_of_year", month_of_year, 12, 1)
        self._refuse_never()
        super().__init__(**kwargs)

    @classmethod
    def from_string(cls, crontab: str) -> Self:
        """Read a line as in a crontab: minute, hour, day of month, month, day of week."""
        words = crontab.split()
        if len(words) != len(_FIELDS):
            raise ParseException(
                f"crontab.from_string({crontab!r}): there are {len(words)} fields; write five:"
                " minute, hour, day of month, month, day of week"
            )
        given: dict[str, Any] = dict(zip(_FIELDS, words, strict=True))
        return cls(**given)

    def _refuse_never(self) -> None:
        if min(self.day_of_month) > max(_LENGTHS[month] for month in self.month_of_year):
            raise ValueError(
                f"crontab(day_of_month={self._orig_day_of_month!r},"
                f" month_of_year={self._orig_month_of_year!r}): there is no such day"
            )

    # -- when it is due ---------------------------------------------------------------------------

    def next_after(self, moment: datetime, zone: tzinfo | None = None) -> datetime | None:
        """Return the first time after a moment, in the zone; None behind the year 9999."""
        zone = zone or self.tz
        found = next_after(self._fields(), self._utc(moment), zone)
        return None if found is None else found.astimezone(zone)

    def remaining_delta(
        self, last_run_at: datetime, tz: tzinfo | None = None, ffwd: object = None
    ) -> tuple[datetime, timedelta, datetime]:
        """Return the last run, how long after it the next one is, and the time now; in UTC."""
        del ffwd  # Celery's kind of difference; a timedelta between times in UTC needs none
        last = self._utc(last_run_at)
        due = self.next_after(last, tz) or datetime.max.replace(tzinfo=UTC)
        return last, due.astimezone(UTC) - last, self._utc(self.now())

    def remaining_estimate(self, last_run_at: datetime, ffwd: object = None) -> timedelta:
        """Return how long it is until the first time after the last run; negative when late."""
        last, delta, now = self.remaining_delta(last_run_at, ffwd=ffwd)
        return last + delta - now

    def is_due(self, last_run_at: datetime) -> tuple[bool, float | None]:
        """Say whether it is due, and in how many seconds to ask again.

        What was missed longer ago than ``beat_cron_starting_deadline`` says is not made good.
        """
        left = self.remaining_estimate(last_run_at)
        if left > timedelta(0):
            return schedstate(is_due=False, next=seconds_of(left))
        now = self.now()
        upcoming = seconds_of(self.remaining_estimate(now))
        return schedstate(is_due=self._in_time(last_run_at, now), next=upcoming)

    def _in_time(self, last_run_at: datetime, now: datetime) -> bool:
        deadline_s = self.app.conf.beat_cron_starting_deadline
        if deadline_s is None:
            return True
        moment = self._utc(now)
        since = moment - timedelta(seconds=deadline_s, microseconds=1)
        latest = self.next_after(max(since, self._utc(last_run_at)))
        return latest is not None and latest <= moment

    def _fields(self) -> Fields:
        # Not kept: programs change the sets.
        return Fields(
            tuple(sorted(self.minute)),
            tuple(sorted(self.hour)),
            frozenset(self.day_of_week),
            tuple(sorted(self.day_of_month)),
            frozenset(self.month_of_year),
        )

    # -- as a value -------------------------------------------------------------------------------

    def _written(self) -> tuple[Any, ...]:
        return (
            self._orig_minute,
            self._orig_hour,
            self._orig_day_of_week,
            self._orig_day_of_month,
            self._orig_month_of_year,
        )

    def __str__(self) -> str:
        minute, hour, weekday, day, month = (cronfield(each) for each in self._written())
        return f"{minute} {hour} {day} {month} {weekday} (m/h/dM/MY/d)"

    def __repr__(self) -> str:
        return f"<crontab: {self}>"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, crontab):
            return self._fields() == other._fields() and super().__eq__(other)
        return NotImplemented

    __hash__ = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._written(), {"nowfun": self.nowfun}
