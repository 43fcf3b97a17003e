"""Crontabs against a slow twin that walks through every minute, in zones with odd clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskq.schedules import crontab
from taskq.schedules.wallclock import Fields, next_after

MINUTE = timedelta(minutes=1)

# Zones, each with a moment (UTC) near which its clock does something odd.
FIRST_S, LAST_S = 31_536_000, 4_102_444_799  # 1971 to 2099

ODD = {
    "Europe/Berlin forward": ("Europe/Berlin", "2026-03-29T01:00Z"),
    "Europe/Berlin back": ("Europe/Berlin", "2026-10-25T01:00Z"),
    "New York forward": ("America/New_York", "2026-03-08T07:00Z"),
    "New York back": ("America/New_York", "2026-11-01T06:00Z"),
    "half an hour forward": ("Australia/Lord_Howe", "2026-10-03T15:30Z"),
    "half an hour back": ("Australia/Lord_Howe", "2026-04-04T15:00Z"),
    "forward at midnight": ("America/Havana", "2026-03-08T05:00Z"),
    "back over midnight": ("America/Havana", "2026-11-01T05:00Z"),
    "a day is skipped": ("Pacific/Apia", "2011-12-30T10:00Z"),
    "a day is skipped, too": ("Pacific/Kwajalein", "1993-08-21T12:00Z"),
    "a leap day": ("Asia/Kathmandu", "2028-02-28T18:15Z"),
    "nothing": ("UTC", "2026-06-01T00:00Z"),
}


def slots_by_walking(
    fields: Fields, zone: tzinfo, start: datetime, end: datetime
) -> list[datetime]:
    """Look at every minute of real time, and at every minute that the clock skips."""
    found: list[datetime] = []
    been: set[datetime] = set()
    moment, last_local = start, None
    while moment <= end:
        local = moment.astimezone(zone).replace(tzinfo=None, fold=0)
        shown = [local]
        if last_local is not None and local - last_local > MINUTE and not fields.every_hour:
            skipped = int((local - last_local) / MINUTE)
            shown = [last_local + MINUTE * n for n in range(1, skipped)] + [local]
        for each in shown:
            again = each in been and not fields.every_hour
            been.add(each)
            if fits(fields, each) and not again and found[-1:] != [moment]:
                found.append(moment)
        moment, last_local = moment + MINUTE, local
    return found


def fits(fields: Fields, local: datetime) -> bool:
    return (
        local.minute in fields.minutes
        and local.hour in fields.hours
        and local.day in fields.days
        and local.month in fields.months
        and local.isoweekday() % 7 in fields.weekdays
    )


def slots(fields: Fields, zone: tzinfo, start: datetime, end: datetime) -> list[datetime]:
    found: list[datetime] = []
    moment: datetime | None = start - timedelta(microseconds=1)
    while (moment := next_after(fields, moment, zone)) is not None and moment <= end:
        found.append(moment)
    return found


def some(low: int, high: int) -> st.SearchStrategy[tuple[int, ...]]:
    everything = st.just(tuple(range(low, high + 1)))
    few = st.sets(st.integers(low, high), min_size=1, max_size=4).map(lambda s: tuple(sorted(s)))
    return everything | few


FIELDS = st.builds(
    Fields,
    minutes=some(0, 59),
    hours=some(0, 23)
    | st.sampled_from([(0,), (1,), (2,), (1, 2, 3), (23, 0)]).map(
        lambda hours: tuple(sorted(hours))
    ),
    weekdays=some(0, 6).map(frozenset),
    days=some(1, 31),
    months=st.just(frozenset(range(1, 13))),
)


@given(fields=FIELDS, odd=st.sampled_from(sorted(ODD)), back_minutes=st.integers(0, 36 * 60))
@settings(max_examples=150, deadline=None)
def test_nothing_is_skipped_and_nothing_is_added(
    fields: Fields, odd: str, back_minutes: int
) -> None:
    """Around each odd moment the times are those that a walk through all minutes finds."""
    name, at = ODD[odd]
    odd_at = datetime.fromisoformat(at)
    zone = ZoneInfo(name)
    # The twin begins a day earlier: it has to know what the clock has shown already.
    begin = odd_at - timedelta(days=3)
    end = odd_at + timedelta(days=2)
    start = odd_at - timedelta(minutes=back_minutes)

    expected = [slot for slot in slots_by_walking(fields, zone, begin, end) if slot >= start]

    assert slots(fields, zone, start, end) == expected


ZONES = sorted(available_timezones())


def change_in(zone: tzinfo, year: int) -> datetime:
    """The day on which a zone changes its clock for the first time in a year; else some day."""
    days = [datetime(year, 1, 2, tzinfo=UTC) + timedelta(days=n) for n in range(363)]
    offsets = [day.astimezone(zone).utcoffset() for day in days]
    changed = (n for n in range(1, len(days)) if offsets[n] != offsets[n - 1])
    return days[next(changed, 100)]


@given(fields=FIELDS, name=st.sampled_from(ZONES), year=st.integers(1975, 2036))
@settings(max_examples=60, deadline=None)
def test_every_zone_has_the_times_that_a_walk_finds(fields: Fields, name: str, year: int) -> None:
    """Around the first change of the year, in every zone that there is."""
    zone = ZoneInfo(name)
    start = change_in(zone, year) - timedelta(hours=30)
    end = start + timedelta(hours=48)
    begin = start - timedelta(days=1)

    expected = [slot for slot in slots_by_walking(fields, zone, begin, end) if slot >= start]

    assert slots(fields, zone, start, end) == expected


@given(
    fields=FIELDS,
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"]),
    moment=st.integers(FIRST_S, LAST_S),
)
@settings(max_examples=300, deadline=None)
def test_the_next_time_is_later_and_fits(fields: Fields, zone: str, moment: int) -> None:
    """The next time is after now, and its local time fits unless the clock has just jumped."""
    place, start = ZoneInfo(zone), datetime.fromtimestamp(moment, UTC)

    found = next_after(fields, start, place)

    if found is None:  # no such day: 31 February, or a 30th on a day of week that is not listed
        assert fields.days[0] > 28
        return
    assert found > start
    before = (found - timedelta(seconds=1)).astimezone(place).utcoffset()
    jumped = before != found.astimezone(place).utcoffset()
    assert jumped or fits(fields, found.astimezone(place))


@pytest.mark.parametrize(
    ("name", "spec", "after", "expected"),
    [
        (
            "a fixed time that is skipped comes at the jump",
            ("30 2 * * *", "Europe/Berlin"),
            "2026-03-28T12:00:00+01:00",
            ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
        ),
        (
            "several that are skipped come once",
            ("0,30 2 * * *", "Europe/Berlin"),
            "2026-03-29T01:00:00+01:00",
            ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"],
        ),
        (
            "a fixed time that is shown twice comes the first time",
            ("30 2 * * *", "Europe/Berlin"),
            "2026-10-25T00:00:00+02:00",
            ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
        ),
        (
            "times of every hour follow the clock forward",
            ("30 * * * *", "Europe/Berlin"),
            "2026-03-29T01:00:00+01:00",
            ["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"],
        ),
        (
            "times of every hour follow the clock back",
            ("30 * * * *", "Europe/Berlin"),
            "2026-10-25T02:00:00+02:00",
            ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"],
        ),
        (
            "a jump of half an hour",
            ("15 2 * * *", "Australia/Lord_Howe"),
            "2026-10-04T00:00:00+10:30",
            ["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"],
        ),
        (
            "a day that is skipped comes at the jump",
            ("0 9 * * *", "Pacific/Apia"),
            "2011-12-29T08:00:00-10:00",
            [
                "2011-12-29T09:00:00-10:00",
                "2011-12-31T00:00:00+14:00",
                "2011-12-31T09:00:00+14:00",
            ],
        ),
        (
            "29 February",
            ("0 0 29 2 *", "UTC"),
            "2096-03-01T00:00:00+00:00",
            ["2104-02-29T00:00:00+00:00"],
        ),
        (
            "both the day of the month and that of the week",
            ("0 0 13 * fri", "UTC"),
            "2026-01-01T00:00:00+00:00",
            ["2026-02-13T00:00:00+00:00", "2026-03-13T00:00:00+00:00"],
        ),
        (
            "the 31st only where there is one",
            ("0 0 31 * *", "UTC"),
            "2026-03-31T00:00:00+00:00",
            ["2026-05-31T00:00:00+00:00", "2026-07-31T00:00:00+00:00"],
        ),
    ],
)
def test_known_nights(name: str, spec: tuple[str, str], after: str, expected: list[str]) -> None:
    """The rule for skipped and repeated times, by examples."""
    line, zone = spec
    schedule, moment = crontab.from_string(line), datetime.fromisoformat(after)
    found = []
    for _ in expected:
        following = schedule.next_after(moment, ZoneInfo(zone))
        assert following is not None
        found.append(following.isoformat())
        moment = following

    assert found == expected, name


def test_times_without_end() -> None:
    """A year of a crontab in a zone with daylight saving has as many times as it has days."""
    schedule, zone = crontab(hour=2, minute=30), ZoneInfo("Europe/Berlin")
    moment, count = datetime(2026, 1, 1, tzinfo=UTC), 0
    while (moment := schedule.next_after(moment, zone)).year == 2026:  # type: ignore[union-attr, assignment]
        count += 1

    assert count == 365


def test_the_end_of_the_calendar() -> None:
    """Behind the year 9999 there is nothing, and no error."""
    assert crontab(month_of_year=1).next_after(datetime(9999, 12, 1, tzinfo=UTC), UTC) is None
    last = datetime(9999, 12, 31, 23, 59, 30, tzinfo=UTC)
    assert crontab().next_after(last, UTC) is None
    assert crontab(hour=3).next_after(last, UTC) is None
