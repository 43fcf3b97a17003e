"""From the fields of a crontab to moments, in zones whose clocks are changed.

Two rules for the nights in which clocks are changed:

* **Fixed times** (the hours are named) happen once for each local time.  A time that the clock
  skips happens at the moment of the jump (several of them once, together); a time that the clock
  shows twice happens the first time.
* **Times of every hour** (all 24) follow the clock: what it skips does not happen, and an hour
  that it shows twice has its times twice.  So the real distance between them stays.

A zone is asked one way only, from UTC to local time: that is right for every kind of ``tzinfo``.
"""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

__all__ = ["Fields", "next_after"]

MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)
HOURS_OF_A_DAY: Final = 24
MONTHS_OF_A_YEAR: Final = 12
# 29 February falls on a given weekday after 40 years at the latest (12 or 28, over 2100 up to 40).
FARTHEST_YEARS: Final = 41


@dataclass(frozen=True, slots=True)
class Fields:
    """Which local minutes match; each field in ascending order, Sunday is 0."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    weekdays: frozenset[int]
    days: tuple[int, ...]
    months: frozenset[int]

    @property
    def every_hour(self) -> bool:
        """Whether they follow the clock, in the nights in which it is changed."""
        return len(self.hours) == HOURS_OF_A_DAY

    def first_from(self, local: datetime) -> datetime | None:
        """Return the first matching local time that is not before this one."""
        start = local.replace(second=0, microsecond=0)
        if start < local:
            start += MINUTE
        for day in self._days(start.date()):
            at = self._first_time(start.time() if day == start.date() else time.min)
            if at is not None:
                return datetime.combine(day, at)
        return None

    def _first_time(self, start: time) -> time | None:
        index = bisect_left(self.hours, start.hour)
        if index == len(self.hours):
            return None
        if self.hours[index] == start.hour:
            minute = bisect_left(self.minutes, start.minute)
            if minute < len(self.minutes):
                return time(start.hour, self.minutes[minute])
            index += 1
        return time(self.hours[index], self.minutes[0]) if index < len(self.hours) else None

    def _days(self, first: date) -> Iterator[date]:
        for months_on in range(FARTHEST_YEARS * MONTHS_OF_A_YEAR):
            years_on, month = divmod(first.month - 1 + months_on, MONTHS_OF_A_YEAR)
            year = first.year + years_on
            if year > date.max.year:
                return
            if month + 1 in self.months:
                yield from self._days_of(year, month + 1, first)

    def _days_of(self, year: int, month: int, first: date) -> Iterator[date]:
        _, length = monthrange(year, month)
        for number in self.days[: bisect_left(self.days, length + 1)]:
            day = date(year, month, number)
            if day >= first and day.isoweekday() % 7 in self.weekdays:
                yield day


def next_after(fields: Fields, moment: datetime, zone: tzinfo) -> datetime | None:
    """Return the first moment after this one (both aware); in UTC.  None: there is none."""
    try:
        find = _every_hour if fields.every_hour else _fixed
        return find(fields, moment.astimezone(UTC), zone)
    except OverflowError:  # behind the last day that a datetime can say
        return None


def _fixed(fields: Fields, moment: datetime, zone: tzinfo) -> datetime | None:
    local = fields.first_from(_local(moment, zone) + timedelta(microseconds=1))
    while local is not None:
        at = _first_moment_of(local, zone)
        if at > moment:
            return at
        local = fields.first_from(local + MINUTE)  # the clock shows it again: it has been
    return None


def _every_hour(fields: Fields, moment: datetime, zone: tzinfo) -> datetime | None:
    base, inclusive = moment, False
    while True:
        here = _local(base, zone)
        step = timedelta(0) if inclusive else timedelta(microseconds=1)
        local = fields.first_from(here + step)
        if local is None:
            return None
        at = base + (local - here)
        # A change of the clock on the way brings other times.  It can bring back only what is
        # near, or be near what was found: no more than a day in either direction is looked at.
        look = min(at, base + DAY)
        if _offset(look, zone) != _offset(base, zone):
            base, inclusive = _change(base, look, zone), True
        elif look == at:
            return at
        else:
            base, inclusive = max(look, at - 2 * DAY), True


def _first_moment_of(local: datetime, zone: tzinfo) -> datetime:
    """Return when the clock shows a time first; where it skips it, when it jumps."""
    as_utc = local.replace(tzinfo=UTC)
    before, after = _offset(as_utc - DAY, zone), _offset(as_utc + DAY, zone)
    early, late = sorted((as_utc - before, as_utc - after))
    for at in (early, late):
        if _local(at, zone) == local:
            return at
    return _change(early, late, zone)


def _change(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """Return the moment, to the second, between these two at which the zone changes."""
    offset = _offset(low, zone)
    start, seconds = low, int((high - low).total_seconds()) + 1
    before, after = 0, seconds
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(start + timedelta(seconds=middle), zone) == offset:
            before = middle
        else:
            after = middle
    found = start + timedelta(seconds=after)
    return found.replace(microsecond=0)


def _local(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)
