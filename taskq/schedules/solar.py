"""When the sun rises, sets, is highest, or is a little below the horizon.

Where it is, is worked out by ephem (extra ``solar``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any, ClassVar, Final, NamedTuple

from taskq.errors import ImproperlyConfigured
from taskq.schedules.base import BaseSchedule, schedstate, seconds_of

__all__ = ["solar"]


class Event(NamedTuple):
    """What to look for."""

    method: str  # of ephem's observer
    horizon: str = "0"  # degrees of the sun above it
    use_center: bool = False  # of the sun's disk; else its upper edge


# The edge of the sun is seen 34 minutes of arc before it is there: the air bends its light.
_SEEN: Final = "-0:34"

EVENTS: Final[Mapping[str, Event]] = {
    "dawn_astronomical": Event("next_rising", "-18", use_center=True),
    "dawn_nautical": Event("next_rising", "-12", use_center=True),
    "dawn_civil": Event("next_rising", "-6", use_center=True),
    "sunrise": Event("next_rising", _SEEN),
    "solar_noon": Event("next_transit"),
    "sunset": Event("next_setting", _SEEN),
    "dusk_civil": Event("next_setting", "-6", use_center=True),
    "dusk_nautical": Event("next_setting", "-12", use_center=True),
    "dusk_astronomical": Event("next_setting", "-18", use_center=True),
}
_MOST_LATITUDE: Final = 90
_MOST_LONGITUDE: Final = 180


class solar(BaseSchedule):  # noqa: N801 - Celery's name
    """At an event of the sun, at a place: degrees north and east of zero are positive.

    Near the poles there are days without it; then it is the next day that has it.
    """

    max_search_days: ClassVar[int] = 365

    _all_events: ClassVar[frozenset[str]] = frozenset(EVENTS)  # packages offer them for choice

    def __init__(self, event: str, lat: float, lon: float, **kwargs: Any) -> None:
        if event not in EVENTS:
            raise ValueError(f"solar({event!r}): there is {', '.join(EVENTS)}")
        if not -_MOST_LATITUDE <= lat <= _MOST_LATITUDE:
            raise ValueError(f"solar(lat={lat!r}): a latitude is from -90 (south) to 90")
        if not -_MOST_LONGITUDE <= lon <= _MOST_LONGITUDE:
            raise ValueError(f"solar(lon={lon!r}): a longitude is from -180 (west) to 180")
        self.ephem = _ephem()
        self.event, self.lat, self.lon = event, lat, lon
        found = EVENTS[event]
        self.method, self.use_center = found.method, found.use_center
        self.cal = self.ephem.Observer()
        self.cal.lat, self.cal.lon = str(lat), str(lon)
        self.cal.elev, self.cal.pressure = 0, 0  # the horizon says what the air does
        self.cal.horizon = found.horizon
        super().__init__(**kwargs)

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first time after a moment; None if there is none within a year."""
        start = self._utc(moment)
        for days in range(self.max_search_days + 1):
            found = self._within_a_day(start + timedelta(days=days))
            if found is not None and found > start:
                return found
        return None

    def _within_a_day(self, start: datetime) -> datetime | None:
        self.cal.date = start.replace(tzinfo=None)
        options = {} if self.method == "next_transit" else {"use_center": self.use_center}
        try:
            found = getattr(self.cal, self.method)(self.ephem.Sun(), **options)
        except self.ephem.CircumpolarError:
            return None  # the sun stays above, or below, on this day
        at: datetime = found.datetime()
        return at.replace(tzinfo=UTC)

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        """Return how long it is until the first time after the last run; negative when late."""
        due = self.next_after(last_run_at)
        if due is None:
            return timedelta(days=self.max_search_days)
        return due - self._utc(self.now())

    def is_due(self, last_run_at: datetime) -> tuple[bool, float | None]:
        """Say whether it is due, and in how many seconds to ask again."""
        left = self.remaining_estimate(last_run_at)
        if left > timedelta(0):
            return schedstate(is_due=False, next=seconds_of(left))
        return schedstate(is_due=True, next=seconds_of(self.remaining_estimate(self.now())))

    def __repr__(self) -> str:
        return f"<solar: {self.event} at latitude {self.lat}, longitude: {self.lon}>"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, solar):
            return (self.event, self.lat, self.lon) == (other.event, other.lat, other.lon)
        return NotImplemented

    __hash__ = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.event, self.lat, self.lon), {"nowfun": self.nowfun}


def _ephem() -> Any:
    try:
        return import_module("ephem")
    except ImportError:
        raise ImproperlyConfigured(
            "solar() needs the library ephem; pip install 'taskq[solar]'"
        ) from None
