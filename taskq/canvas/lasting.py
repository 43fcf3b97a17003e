"""How long what is counted of a chord is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

__all__ = ["CHORD_LIVES_S", "chord_life_s"]

# Since its last member ended, where the settings do not say: members may take longer than anybody
# wants to keep a result.  What is complete goes at once, so this is for chords that never will be.
CHORD_LIVES_S: Final = 7 * 86_400.0


def chord_life_s(conf: Any) -> float | None:
    """Return for how long a chord waits for its next member; None: for ever."""
    said = conf.result_chord_expires
    if said is not None:
        return _seconds(said)
    expires_s = _seconds(conf.result_expires)
    return None if expires_s is None else max(expires_s, CHORD_LIVES_S)


def _seconds(value: Any) -> float | None:
    """Read a setting: seconds, a timedelta, or nothing (never)."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    return float(value) if value else None
