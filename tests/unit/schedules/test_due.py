"""When schedules are due, and how long it takes until they are."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq import TaskQ
from taskq.errors import ImproperlyConfigured
from taskq.schedules import BaseSchedule, crontab, maybe_schedule, schedstate, schedule, solar
from taskq.schedules.interval import humanize_seconds

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def at(moment: datetime, **settings: Any) -> dict[str, Any]:
    """Let a schedule stand at a moment."""
    app = TaskQ("due", set_as_current=False)
    app.conf.update(settings)
    return {"app": app, "nowfun": lambda: moment}


def ago(**parts: float) -> datetime:
    return NOON - timedelta(**parts)


# -- intervals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (ago(seconds=0), (False, 60.0)),
        (ago(seconds=20), (False, 40.0)),
        (ago(seconds=60), (True, 60.0)),
        (ago(days=3), (True, 60.0)),
        (ago(seconds=20).replace(tzinfo=None), (False, 40.0)),
        (ago(seconds=20).astimezone(ZoneInfo("Asia/Tokyo")), (False, 40.0)),
    ],
)
def test_an_interval_counts_from_the_last_run(last: datetime, expected: tuple[bool, float]) -> None:
    """Naive times are UTC; other zones are the same moments."""
    every_minute = schedule(60, **at(NOON))

    assert every_minute.is_due(last) == schedstate(*expected)


def test_a_relative_interval_is_due_at_full_units() -> None:
    """Every hour, relative: at the full hours of the app's zone."""
    kolkata = at(NOON, timezone="Asia/Kolkata")  # half an hour beside UTC: 17:30 there
    hourly = schedule(timedelta(hours=1), relative=True, **kolkata)

    assert hourly.is_due(NOON - timedelta(minutes=20)) == (False, 1800.0)
    assert hourly.is_due(NOON - timedelta(minutes=40)) == (True, 1800.0)


@given(late_s=st.floats(0, 200), every_s=st.floats(1, 100))
def test_a_little_late_is_not_later_the_next_time(late_s: float, every_s: float) -> None:
    """A run up to a tenth of the distance late counts from when it was due, others from now."""
    one = schedule(every_s, **at(NOON))
    due = NOON + timedelta(seconds=every_s)
    now = due + timedelta(seconds=late_s)

    counted = one.run_at(NOON, now)

    assert counted == (due if now - due <= one.run_every / 10 else now)


@pytest.mark.parametrize("distance", [0, -1, timedelta(0), timedelta(seconds=-5)])
def test_no_distance_is_refused(distance: Any) -> None:
    """Every zero seconds would be a storm."""
    with pytest.raises(ValueError, match="more than 0"):
        schedule(distance)


def test_what_may_stand_for_a_schedule() -> None:
    """Numbers and timedeltas are intervals; schedules are taken as they are."""
    app = TaskQ("due", set_as_current=False)
    own = crontab()

    assert maybe_schedule(1.5) == schedule(1.5)
    assert maybe_schedule(timedelta(minutes=1), relative=True).relative
    assert maybe_schedule(own, app=app) is own
    assert own.app is app
    assert maybe_schedule(None) is None
    with pytest.raises(TypeError, match="'hourly' is no schedule; give a number of seconds"):
        maybe_schedule("hourly")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "now"), (0.5, "0.50 seconds"), (1, "1.00 second"), (90, "1.50 minutes"),
     (3600, "1.00 hour"), (86400 * 2, "2.00 days")],
)  # fmt: skip
def test_seconds_in_words(seconds: float, words: str) -> None:
    """In the largest unit that fits."""
    assert humanize_seconds(seconds) == words


def test_intervals_as_values() -> None:
    """They are compared by their distance, and can be pickled."""
    assert schedule(5) == schedule(timedelta(seconds=5)) == timedelta(seconds=5)
    assert schedule(5) != crontab()
    assert repr(schedule(90)) == "<freq: 1.50 minutes>"
    assert pickle.loads(pickle.dumps(schedule(5, relative=True))).relative


# -- crontabs --------------------------------------------------------------------------------------


def test_a_crontab_is_due_from_its_minute_on() -> None:
    """Not before; then until it has run."""
    midday = crontab(hour=12, minute=0, **at(NOON))

    assert midday.is_due(ago(hours=3)) == (True, 86400.0)
    assert midday.is_due(NOON) == (False, 86400.0)
    assert midday.remaining_estimate(ago(hours=3)) == timedelta(0)
    early = crontab(hour=12, minute=1, **at(NOON))
    assert early.is_due(ago(hours=3)) == (False, 60.0)


@given(
    minute=st.integers(0, 59),
    hour=st.sampled_from(["*", "*/2", "3", "2,3"]),
    last_s=st.integers(0, 400_000),
    gone_s=st.integers(0, 200_000),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
)
def test_due_and_remaining_agree(
    minute: int, hour: str, last_s: int, gone_s: int, zone: str
) -> None:
    """Due means that nothing remains; else what remains is what to wait."""
    last = datetime(2026, 10, 23, tzinfo=UTC) + timedelta(seconds=last_s)
    now = last + timedelta(seconds=gone_s)
    app = TaskQ("due", set_as_current=False)
    app.conf.timezone = zone
    one = crontab(minute, hour, app=app, nowfun=lambda: now)

    is_due, next_s = one.is_due(last)
    remaining = one.remaining_estimate(last)
    run, delta, seen = one.remaining_delta(last)

    assert is_due == (remaining <= timedelta(0))
    assert run + delta - seen == remaining
    upcoming = one.next_after(now)
    assert upcoming is not None
    assert next_s == (upcoming - now).total_seconds()


@pytest.mark.parametrize(
    ("deadline_s", "late_s", "due"),
    [(None, 80_000, True), (600, 300, True), (600, 600, True), (600, 601, False), (0, 0, True)],
)
def test_a_deadline_for_what_was_missed(deadline_s: Any, late_s: int, due: bool) -> None:
    """What should have begun longer ago than the setting says is left out."""
    now = NOON + timedelta(seconds=late_s)
    midday = crontab(hour=12, minute=0, **at(now, beat_cron_starting_deadline=deadline_s))

    assert midday.is_due(ago(hours=3))[0] is due


def test_a_deadline_does_not_forget_a_later_time() -> None:
    """Of two that were missed, the later may still be in time."""
    now = NOON + timedelta(minutes=5)
    hourly = crontab(minute=0, **at(now, beat_cron_starting_deadline=600))

    assert hourly.is_due(ago(hours=5))[0]


def test_crontabs_as_values() -> None:
    """They are compared by what they mean, and can be pickled."""
    weekdays = crontab(0, 8, day_of_week="mon-fri")

    assert weekdays == crontab("0", "8", day_of_week={1, 2, 3, 4, 5})
    assert weekdays != crontab(0, 9, day_of_week="mon-fri")
    assert weekdays != schedule(5)
    assert pickle.loads(pickle.dumps(weekdays)) == weekdays


def test_a_zone_of_its_own() -> None:
    """A subclass may assign its zone, before anything else as packages do."""

    class Tokyo(crontab):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.tz = ZoneInfo("Asia/Tokyo")
            super().__init__(*args, **kwargs)

    assert Tokyo(hour=21, minute=0, **at(NOON)).is_due(ago(hours=1)) == (True, 86400.0)


# -- the sun ---------------------------------------------------------------------------------------


GREENWICH = (51.48, 0.0)


@pytest.mark.parametrize(
    ("event", "hour", "minute"),
    [
        ("dawn_astronomical", None, None),  # not in a London summer
        ("dawn_nautical", 2, 0),
        ("dawn_civil", 3, 0),
        ("sunrise", 3, 50),
        ("solar_noon", 11, 58),
        ("sunset", 20, 8),
        ("dusk_civil", 20, 58),
        ("dusk_nautical", 21, 58),
    ],
)
def test_the_sun_over_greenwich(event: str, hour: int | None, minute: int | None) -> None:
    """Within ten minutes of what almanacs say for 1 June, in UTC."""
    midnight = datetime(2026, 6, 1, tzinfo=UTC)

    found = solar(event, *GREENWICH, **at(midnight)).next_after(midnight)

    assert found is not None
    if hour is None or minute is None:
        assert found.month > 6
        return
    assert abs(found - midnight.replace(hour=hour, minute=minute)) < timedelta(minutes=12)


@given(
    day=st.integers(0, 3650),
    event=st.sampled_from(["sunrise", "solar_noon", "sunset"]),
    lat=st.floats(-60, 60),
    lon=st.floats(-180, 180),
)
def test_each_day_has_its_sun(day: int, event: str, lat: float, lon: float) -> None:
    """Between the polar circles an event is about a day after the one before."""
    start = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day)
    one = solar(event, lat, lon, **at(start))

    first = one.next_after(start)
    assert first is not None
    second = one.next_after(first + timedelta(seconds=1))
    assert second is not None
    assert timedelta(hours=23, minutes=30) < second - first < timedelta(hours=24, minutes=30)
    assert one.is_due(start) == (False, (first - start).total_seconds())


def test_the_polar_night_ends() -> None:
    """Where there is no sunrise for weeks, it is the next one that there is."""
    tromso = solar("sunrise", 69.65, 18.96, **at(datetime(2026, 12, 1, tzinfo=UTC)))

    found = tromso.next_after(datetime(2026, 12, 1, tzinfo=UTC))

    assert found is not None
    assert datetime(2027, 1, 10, tzinfo=UTC) < found < datetime(2027, 1, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("noon", 0, 0), "solar_noon"), (("sunset", 91, 0), "from -90"),
     (("sunset", 0, 181), "from -180")],
)  # fmt: skip
def test_a_place_that_is_none(arguments: Any, words: str) -> None:
    """Said when the schedule is made."""
    with pytest.raises(ValueError, match=words):
        solar(*arguments)


def test_the_sun_needs_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is said, with how to get it."""

    def no_library(name: str) -> Any:
        raise ImportError(name)

    module = __import__("sys").modules["taskq.schedules.solar"]
    monkeypatch.setattr(module, "import_module", no_library)

    with pytest.raises(ImproperlyConfigured, match=r"taskq\[solar\]"):
        solar("sunset", 0, 0)


def test_the_sun_as_a_value() -> None:
    """Compared by event and place."""
    one = solar("sunset", 10, 20)

    assert one == solar("sunset", 10, 20)
    assert one != solar("sunset", 10, 21)
    assert one != crontab()
    assert pickle.loads(pickle.dumps(one)) == one
    assert repr(one) == "<solar: sunset at latitude 10, longitude: 20>"


# -- all of them -----------------------------------------------------------------------------------


def test_a_schedule_of_a_program_says_it_itself() -> None:
    """The base says nothing of when, and all of the time and the zone."""
    app = SimpleNamespace(
        now=lambda: NOON, timezone=ZoneInfo("Asia/Tokyo"), conf=SimpleNamespace(enable_utc=True)
    )
    base = BaseSchedule(app=app)

    assert base.now() == NOON
    assert base.utc_enabled
    assert base.to_local(NOON).hour == 21
    assert base.maybe_make_aware(NOON.replace(tzinfo=None)) == NOON
    assert base.maybe_make_aware(NOON.replace(tzinfo=None), naive_as_utc=False).hour == 12
    assert base == BaseSchedule()
    with pytest.raises(NotImplementedError):
        base.is_due(NOON)
    with pytest.raises(NotImplementedError):
        base.remaining_estimate(NOON)


def test_the_sun_is_due_until_it_has_run() -> None:
    """From the event on."""
    start = datetime(2026, 6, 1, 4, tzinfo=UTC)
    sunrise = solar("sunrise", *GREENWICH, **at(start))

    is_due, next_s = sunrise.is_due(start - timedelta(hours=2))

    assert is_due
    assert next_s is not None
    assert 23 * 3600 < next_s < 24 * 3600


def test_where_the_sun_does_not_come_within_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked again after as long as was looked ahead."""
    monkeypatch.setattr(solar, "max_search_days", 5)
    winter = datetime(2026, 12, 1, tzinfo=UTC)

    assert solar("sunrise", 69.65, 18.96, **at(winter)).is_due(winter) == (False, 5 * 86400.0)


def test_less_than_a_second_has_no_full_unit() -> None:
    """So relative means nothing there."""
    tenth = schedule(0.1, relative=True, **at(NOON))

    assert tenth.due_after(NOON) == NOON + timedelta(seconds=0.1)


def test_an_interval_needs_a_distance() -> None:
    """Said when it is made."""
    with pytest.raises(TypeError, match=r"write schedule\(10\)"):
        schedule()


def test_a_repeated_hour_that_is_over_is_not_had_again() -> None:
    """Asked in the second pass of a repeated hour, the next time is on the next day."""
    zone = ZoneInfo("Europe/Berlin")
    second_pass = datetime(2026, 10, 25, 2, 10, tzinfo=zone, fold=1)

    found = crontab(minute=30, hour=2).next_after(second_pass, zone)

    assert found == datetime(2026, 10, 26, 2, 30, tzinfo=zone)


def test_schedules_of_several_kinds_are_not_equal() -> None:
    """Another type is another schedule, also if it says nothing of its own."""
    assert BaseSchedule() != 5
