"""``celery.utils.iso8601``: the old parser of dates."""

from __future__ import annotations

from datetime import datetime

__all__ = ["parse_iso8601"]


def parse_iso8601(datestring: str) -> datetime:
    """Return the time that ISO text says; one with a zone is aware."""
    try:
        return datetime.fromisoformat(datestring)
    except ValueError:
        raise ValueError(f"unable to parse date string {datestring!r}") from None
