"""A table that is never larger than its limit: what was used longest ago goes first."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, TypeVar

__all__ = ["Bounded"]

V = TypeVar("V")


class Bounded(OrderedDict[str, V]):
    """The workers or the tasks that a monitor knows.

    ``limit`` may be set at any time, as monitors do that read it from their options; ``update``
    and ``keep`` see to it.
    """

    limit: int | None = None

    def __init__(self, known: Any = (), limit: int | None = None) -> None:
        super().__init__(known)
        self.limit = limit

    def keep(self, key: str, value: V) -> V:
        """Take in one, as the last that was used."""
        self[key] = value
        self.move_to_end(key)
        self._shorten()
        return value

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Take in many."""
        super().update(*args, **kwargs)
        self._shorten()

    def _shorten(self) -> None:
        while self.limit is not None and len(self) > self.limit:
            self.popitem(last=False)
