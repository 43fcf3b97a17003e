"""When a task may start and when it is too late: what callers say, as text on the wire.

Aware times keep their offset, naive ones are sent without; a countdown becomes a time in the app's
zone.  A number of seconds may be negative (the task is too late already).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

__all__ = ["eta_text", "expiration_s", "expires_text"]

# A countdown beyond this would leave the range of ``datetime``.
_LONGEST_S: Final = 100 * 366 * 86400


def eta_text(eta: Any, countdown: float | None, now: Callable[[], datetime]) -> str | None:
    """Return the earliest start; the countdown wins over the time, and 0 means at once."""
    if countdown:
        return _after(countdown, "countdown", now()).isoformat()
    if eta is None or isinstance(eta, str):
        return eta or None
    if not isinstance(eta, datetime):
        raise TypeError(f"eta must be a datetime or ISO text, not {eta!r}")
    return eta.isoformat()


def expires_text(expires: Any, now: Callable[[], datetime]) -> str | None:
    """Return the time after which the task is not run any more."""
    if expires is None or isinstance(expires, str):
        return expires or None
    if isinstance(expires, datetime):
        return expires.isoformat()
    return _after(expires, "expires", now()).isoformat()


def expiration_s(expires: Any, now: datetime, zone: tzinfo) -> float | None:
    """Return for how many seconds a broker need keep the message."""
    if expires is None or expires == "":
        return None
    if isinstance(expires, str):
        expires = datetime.fromisoformat(expires)
    if not isinstance(expires, datetime):
        return float(max(expires, 0))
    if expires.tzinfo is None:
        expires = expires.replace(tzinfo=zone)
    left_s: float = (expires - now).total_seconds()
    return max(left_s, 0.0)


def _after(seconds: Any, what: str, now: datetime) -> datetime:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        advice = "; write total_seconds()" if isinstance(seconds, timedelta) else ""
        raise TypeError(f"{what} must be a number of seconds, not {seconds!r}{advice}")
    if abs(seconds) > _LONGEST_S:
        raise TypeError(f"{what} of {seconds} seconds is further away than a century")
    return now + timedelta(seconds=seconds)
