"""What one row of the table says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Module", "all_from"]


@dataclass(frozen=True, slots=True)
class Module:
    """One module of Celery."""

    like: str | None = None  # all public names of this module of ours
    names: Mapping[str, str] = field(default_factory=dict)  # name -> "module:attribute"
    plain: bool = False  # its names stand in it: who reads it looks into it without asking


def all_from(place: str, *names: str) -> dict[str, str]:
    """Say that names live in one module under the same name."""
    return {name: f"{place}:{name}" for name in names}
