"""What all schedules have in common."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from taskq import current

__all__ = ["BaseSchedule", "schedstate"]


class schedstate(NamedTuple):  # noqa: N801 - Celery's name
    """Whether something is due, and in how many seconds to look again."""

    is_due: bool
    next: float | None


class BaseSchedule:
    """A schedule; subclasses say when it is due.

    ``nowfun`` says what time it is; without it the app does.
    """

    # Whether its times stand on the wall (a crontab, the sun), so that a clock which is set back
    # must not have them again; else they have a distance from each other.
    by_clock: ClassVar[bool] = True

    def __init__(self, nowfun: Callable[[], datetime] | None = None, app: Any = None) -> None:
        self.nowfun = nowfun
        self._app = app

    def now(self) -> datetime:
        """Return the time."""
        moment: datetime = (self.nowfun or self.app.now)()
        return moment

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        """Return how long it is until the first time after the last run; negative when late."""
        raise NotImplementedError("a schedule has to say what remains")

    def is_due(self, last_run_at: datetime) -> tuple[bool, float | None]:
        """Say whether it is due, and in how many seconds to ask again."""
        raise NotImplementedError("a schedule has to say when it is due")

    def run_at(self, last_run_at: datetime, now: datetime) -> datetime:
        """Return from when the next distance counts, for a run that happens now."""
        del last_run_at
        return now

    def maybe_make_aware(self, dt: datetime, naive_as_utc: bool = True) -> datetime:
        """Return the time with a zone: naive times are UTC, or those of this schedule's zone."""
        if dt.tzinfo is not None:
            return dt
        return dt.replace(tzinfo=UTC if naive_as_utc else self.tz)

    def to_local(self, dt: datetime) -> datetime:
        """Return the time in the zone of this schedule."""
        return self.maybe_make_aware(dt).astimezone(self.tz)

    @property
    def app(self) -> Any:
        """The app that was given, else the current one."""
        return current.app_or_default(self._app)

    @app.setter
    def app(self, app: Any) -> None:
        self._app = app

    @cached_property
    def tz(self) -> tzinfo:
        """The zone in which its times are meant: the app's, unless it is assigned."""
        zone: tzinfo = self.app.timezone
        return zone

    @cached_property
    def utc_enabled(self) -> bool:
        """The setting ``enable_utc``."""
        return bool(self.app.conf.enable_utc)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, BaseSchedule):
            return other.nowfun == self.nowfun
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # an app may be given later, as in Celery

    # -- for subclasses ---------------------------------------------------------------------------

    def _utc(self, moment: datetime) -> datetime:
        return self.maybe_make_aware(moment).astimezone(UTC)


def seconds_of(left: timedelta) -> float:
    """Return a wait: never negative."""
    return max(left.total_seconds(), 0.0)
