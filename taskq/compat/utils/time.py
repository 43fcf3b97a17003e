"""``celery.utils.time``: zones, differences of times, rates."""

from __future__ import annotations

import math
import random  # noqa: TID251 - for outside programs
import time as _time
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cached_property
from typing import Any, Final
from zoneinfo import ZoneInfo

__all__ = [
    "LocalTimezone",
    "add_seconds_to_datetime",
    "adjust_timestamp",
    "delta_resolution",
    "ffwd",
    "get_exponential_backoff_interval",
    "humanize_seconds",
    "is_naive",
    "localize",
    "make_aware",
    "maybe_iso8601",
    "maybe_make_aware",
    "maybe_timedelta",
    "rate",
    "remaining",
    "subtract_datetimes",
    "timezone",
    "to_utc",
    "utcoffset",
    "weekday",
    "yearmonth",
]

DAYNAMES: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHNAMES: Final = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)
RATE_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}


_UNITS: Final = (("day", 86400.0), ("hour", 3600.0), ("minute", 60.0), ("second", 1.0))


# -- zones ---------------------------------------------------------------------------------------


class LocalTimezone(tzinfo):
    """The zone of this machine, as the C library knows it, with its daylight saving."""

    def _is_dst(self, dt: datetime) -> bool:
        parts = (*dt.timetuple()[:8], -1)
        return _time.localtime(_time.mktime(parts)).tm_isdst > 0

    def utcoffset(self, dt: datetime | None) -> timedelta:
        """Return how far it is ahead of UTC."""
        west = _time.altzone if dt is not None and self._is_dst(dt) else _time.timezone
        return timedelta(seconds=-west)

    def dst(self, dt: datetime | None) -> timedelta:
        """Return how much of that is daylight saving."""
        standard = timedelta(seconds=-_time.timezone)
        return self.utcoffset(dt) - standard

    def tzname(self, dt: datetime | None) -> str:
        """Return its name."""
        return _time.tzname[dt is not None and self._is_dst(dt)]

    def fromutc(self, dt: datetime) -> datetime:
        """Return a time of UTC in this zone."""
        there = datetime.fromtimestamp(dt.replace(tzinfo=UTC).timestamp(), tz=None)  # noqa: DTZ006 - the zone is the machine's
        return there.replace(tzinfo=self)

    def __repr__(self) -> str:
        hours = -_time.timezone / 3600
        return f"<LocalTimezone: UTC{hours:+03.0f}>"


class _Zones:
    """``celery.utils.time.timezone``."""

    @cached_property
    def local(self) -> tzinfo:
        """The zone of this machine."""
        return LocalTimezone()

    @cached_property
    def utc(self) -> tzinfo:
        """UTC."""
        return UTC

    def tz_or_local(self, tzinfo: Any = None) -> tzinfo:
        """Return a zone that is given or named, else this machine's."""
        return self.local if tzinfo is None else self.get_timezone(tzinfo)

    def get_timezone(self, zone: Any) -> tzinfo:
        """Return a zone, given it or its name."""
        if not isinstance(zone, str):
            found: tzinfo = zone
            return found
        return UTC if zone.upper() == "UTC" else ZoneInfo(zone)

    def to_local(self, dt: datetime, local: Any = None, orig: Any = None) -> datetime:
        """Return a time in a zone; a naive one is meant in ``orig``, or in UTC."""
        if is_naive(dt):
            dt = make_aware(dt, self.get_timezone(orig or UTC))
        return localize(dt, self.tz_or_local(local))

    def to_system(self, dt: datetime) -> datetime:
        """Return a time in the zone of this machine."""
        return localize(dt, self.local)

    def to_local_fallback(self, dt: datetime) -> datetime:
        """Return a time in the zone of this machine; a naive one is in it already."""
        return make_aware(dt, self.local) if is_naive(dt) else localize(dt, self.local)


timezone: Final = _Zones()


def is_naive(dt: datetime) -> bool:
    """Whether a time has no zone."""
    return dt.tzinfo is None or dt.tzinfo.utcoffset(dt) is None


def make_aware(dt: datetime, tz: tzinfo) -> datetime:
    """Say in which zone a time is meant, whatever it said before."""
    return dt.replace(tzinfo=tz)


def localize(dt: datetime, tz: tzinfo) -> datetime:
    """Return a time in another zone; a naive one is UTC."""
    return (dt.replace(tzinfo=UTC) if is_naive(dt) else dt).astimezone(tz)


def to_utc(dt: datetime) -> datetime:
    """Say that a naive time is UTC."""
    return make_aware(dt, UTC)


def maybe_make_aware(dt: datetime, tz: tzinfo | None = None, naive_as_utc: bool = True) -> datetime:
    """Return a time in a zone; a naive one is UTC, or in that zone already."""
    if is_naive(dt):
        dt = to_utc(dt) if naive_as_utc else make_aware(dt, timezone.tz_or_local(tz))
    return localize(dt, UTC if tz is None else timezone.tz_or_local(tz))


def utcoffset(time: Any = _time, localtime: Callable[..., Any] = _time.localtime) -> float:
    """Return how many hours this machine is behind UTC now."""
    west: float = time.altzone if localtime().tm_isdst else time.timezone
    return west / 3600


def adjust_timestamp(ts: float, offset: float, here: Callable[..., float] = utcoffset) -> float:
    """Move a timestamp from a machine so many hours behind UTC to this one."""
    return ts - (offset - here()) * 3600


# -- differences ---------------------------------------------------------------------------------


class ffwd:  # noqa: N801 - Celery's name
    """Parts of a time that are to be set; added to a time, it sets them.

    A day that the month does not have is its last; then weeks are added, and then days up to the
    weekday (Monday is 0).
    """

    def __init__(  # noqa: PLR0917 - Celery's signature
        self,
        year: int | None = None,
        month: int | None = None,
        weeks: int = 0,
        weekday: int | None = None,
        day: int | None = None,
        hour: int | None = None,
        minute: int | None = None,
        second: int | None = None,
        microsecond: int | None = None,
        **kwargs: Any,
    ) -> None:
        del kwargs
        self.year, self.month, self.day = year, month, day
        self.weeks, self.weekday = weeks, weekday
        self.hour, self.minute, self.second, self.microsecond = hour, minute, second, microsecond
        self.days = weeks * 7
        self._has_time = self.hour is not None or self.minute is not None

    def _fields(self, names: tuple[str, ...]) -> dict[str, int]:
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def __radd__(self, other: Any) -> Any:
        if not isinstance(other, date):
            return NotImplemented
        year, month = self.year or other.year, self.month or other.month
        day = min(monthrange(year, month)[1], self.day or other.day)
        times = self._fields(("hour", "minute", "second", "microsecond"))
        found = other.replace(year=year, month=month, day=day, **times) + timedelta(self.days)
        if self.weekday is None:
            return found
        return found + timedelta((self.weekday - found.weekday()) % 7)

    def __repr__(self) -> str:
        names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
        given = {**self._fields(names), **self._fields(("weeks", "weekday"))}
        return f"ffwd({', '.join(f'{name}={value}' for name, value in given.items())})"


def maybe_timedelta(delta: Any) -> Any:
    """Turn seconds into a difference of times."""
    return timedelta(seconds=delta) if isinstance(delta, int | float) else delta


def delta_resolution(dt: datetime, delta: timedelta) -> datetime:
    """Cut a time to the largest unit that a difference has: days, hours, minutes."""
    seconds = max(delta.total_seconds(), 0)
    parts = ((86400, 3), (3600, 4), (60, 5))
    keep = next((count for size, count in parts if seconds >= size), None)
    if keep is None:
        return dt
    smaller = ("hour", "minute", "second", "microsecond")[keep - 3 :]
    return dt.replace(**dict.fromkeys(smaller, 0))  # type: ignore[arg-type]  # no ``fold`` among them


def remaining(
    start: datetime, ends_in: timedelta, now: datetime | None = None, relative: bool = False
) -> timedelta:
    """Return how long it is until ``ends_in`` after the start; less than nothing when it is over.

    The moments are compared, not what clocks show: an hour that a zone skips is not waited for.
    """
    at = now or datetime.now(UTC)  # noqa: TID251 - for outside programs
    end = start + ends_in
    if relative:
        end = delta_resolution(end, ends_in)
    if is_naive(end) and not is_naive(at):
        end = end.replace(tzinfo=at.tzinfo)
    elif is_naive(at) and not is_naive(end):
        at = at.replace(tzinfo=end.tzinfo)
    return end - at if is_naive(end) else end.astimezone(UTC) - at.astimezone(UTC)


def add_seconds_to_datetime(dt: datetime, seconds: float) -> datetime:
    """Return a time so much later, as time goes by."""
    later = timedelta(seconds=seconds)
    return dt + later if is_naive(dt) else (dt.astimezone(UTC) + later).astimezone(dt.tzinfo)


def subtract_datetimes(end: datetime, start: datetime) -> timedelta:
    """Return how much time goes by from one time to another."""
    if is_naive(end) or is_naive(start):
        return end - start
    return end.astimezone(UTC) - start.astimezone(UTC)


def maybe_iso8601(dt: Any) -> Any:
    """Turn ISO text into a time."""
    return datetime.fromisoformat(dt) if isinstance(dt, str) and dt else dt or None


# -- words ---------------------------------------------------------------------------------------


def rate(r: Any) -> float:
    """Return how many a second a rate is: ``"10/m"``, or a number."""
    if not r:
        return 0
    if not isinstance(r, str):
        found: float = r
        return found
    amount, slash, unit = r.partition("/")
    return float(amount) / (RATE_UNITS[unit] if slash else 1.0)


def weekday(name: str) -> int:
    """Return the number of a day, Sunday being 0."""
    return _number(DAYNAMES, name)


def yearmonth(name: str) -> int:
    """Return the number of a month, January being 1."""
    return _number(MONTHNAMES, name) + 1


def _number(names: tuple[str, ...], name: str) -> int:
    short = name[:3].lower()
    if short not in names:
        raise KeyError(name)
    return names.index(short)


def humanize_seconds(
    secs: float,
    prefix: str = "",
    sep: str = "",
    now: str = "now",
    microseconds: bool = False,
) -> str:
    """Return seconds in words: ``2.00 minutes``."""
    secs = float(secs)
    for unit, size in _UNITS:
        if secs >= size:
            amount = secs / size
            ending = "" if math.isclose(amount, 1) else "s"
            return f"{prefix}{sep}{amount:.2f} {unit}{ending}"
    if microseconds and 0 < secs < 1:
        return f"{prefix}{sep}{secs} seconds"
    return f"{prefix}{sep}{secs:.2f} seconds" if secs > 0 else now


def get_exponential_backoff_interval(
    factor: int, retries: int, maximum: int, full_jitter: bool = False
) -> int:
    """Return how long to wait before a try: it doubles, up to a maximum, or is up to that."""
    countdown: int = min(maximum, factor * (2**retries))
    if full_jitter:
        countdown = random.randrange(countdown + 1)  # noqa: S311 - spread, no secret
    return max(0, countdown)
