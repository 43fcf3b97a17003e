"""A user's own ``freeze_time`` and a world, side by side.

A test may freeze the time with freezegun around a world.  The world then starts at the frozen
moment, and while it is open the bodies that run in it see their node's clock through freezegun's
names as well; whoever is no body of it goes on seeing the frozen moment.  freezegun is not
started here, and not imported: without it nothing of this costs anything.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any


def frozen_start() -> float | None:
    """Return the moment at which the time is frozen now, as POSIX time; None if it is not."""
    factories = _factories()
    if not factories:
        return None
    moment: datetime = factories[-1]()
    return moment.replace(tzinfo=UTC).timestamp()


def _factories() -> list[Any]:
    """Return freezegun's stack of frozen times, the one in force last."""
    api = sys.modules.get("freezegun.api")
    return [] if api is None else api.freeze_factories


class NodeTime:
    """Stands in for a frozen time: in a body the node's clock, elsewhere the frozen moment."""

    def __init__(self, frozen: Any, wall_s: Callable[[], float | None]) -> None:
        self._frozen, self._wall_s = frozen, wall_s

    def __call__(self) -> datetime:
        """Return the moment, as freezegun keeps it: in UTC, and naive."""
        wall_s = self._wall_s()
        if wall_s is None:
            moment: datetime = self._frozen()
            return moment
        # freezegun's class is what bodies know by the name ``datetime``; it makes its own of this.
        return datetime.fromtimestamp(wall_s, UTC).replace(tzinfo=None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._frozen, name)


class Thaw:
    """Puts ``NodeTime`` in the place of the frozen time in force, and takes it away again."""

    def __init__(self, wall_s: Callable[[], float | None]) -> None:
        self._wall_s = wall_s
        self._ours: NodeTime | None = None
        self._theirs: Any = None

    def apply(self) -> None:
        """Put it there, if the time is frozen."""
        factories = _factories()
        if factories:
            self._theirs = factories[-1]
            self._ours = factories[-1] = NodeTime(self._theirs, self._wall_s)

    def remove(self) -> None:
        """Take it away; a ``freeze_time`` that has ended meanwhile took it along."""
        factories = _factories()
        for place, factory in enumerate(factories):
            if factory is self._ours:
                factories[place] = self._theirs
        self._ours = self._theirs = None
