"""What was revoked: by id, and by stamps.

Owned here: remembering, each until its time, and no more than so many.  Not owned: what happens
to a task that is revoked (``revoking.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from taskq.ports import Reading, Revocation

Key = TypeVar("Key")


def _values(said: Any) -> list[Any]:
    """Stamps are one value or a list of values."""
    return list(said) if isinstance(said, list | tuple | set | frozenset) else [said]


def _still(kept: dict[Key, Revocation], now: Reading) -> dict[Key, Revocation]:
    return {key: one for key, one in kept.items() if one.until_s > now.wall_s}


class Revocations:
    """Remembers; the oldest go where there are too many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._ids: dict[str, Revocation] = {}
        # By name of the stamp and text of its value: values of JSON need not be hashable.
        self._stamps: dict[tuple[str, str], Revocation] = {}
        self._snapshot: tuple[Revocation, ...] | None = ()
        self.is_empty = True  # nothing was ever revoked: an attribute, as each message asks

    def add(self, revocation: Revocation) -> None:
        """Remember one more."""
        self._snapshot = None
        self.is_empty = False
        if revocation.task_id:
            self._keep(self._ids, revocation.task_id, revocation)
        for name, said in revocation.headers.items():
            for value in _values(said):
                stamp = Revocation(revocation.until_s, headers={name: value})
                self._keep(self._stamps, (name, repr(value)), stamp)

    def _keep(self, kept: dict[Key, Revocation], key: Key, revocation: Revocation) -> None:
        known = kept.pop(key, None)
        if known is not None and known.until_s > revocation.until_s:
            revocation = known
        kept[key] = revocation
        if len(kept) > self._most:
            del kept[next(iter(kept))]

    def matches(self, headers: Mapping[str, Any], now: Reading) -> bool:
        """Whether a task must not begin."""
        task_id = headers.get("id")
        found = self._ids.get(task_id) if isinstance(task_id, str) else None
        if found is not None and found.until_s > now.wall_s:
            return True
        stamps = headers.get("stamps") if self._stamps else None
        if not isinstance(stamps, Mapping):
            return False
        found_stamps = (
            self._stamps.get((name, repr(value)))
            for name, said in stamps.items()
            for value in _values(said)
        )
        return any(one is not None and one.until_s > now.wall_s for one in found_stamps)

    def snapshot(self, now: Reading) -> tuple[Revocation, ...]:
        """Return what is remembered, the oldest first; what is over goes."""
        if self._snapshot is None or any(one.until_s <= now.wall_s for one in self._snapshot):
            self._ids = _still(self._ids, now)
            self._stamps = _still(self._stamps, now)
            self._snapshot = (*self._ids.values(), *self._stamps.values())
        return self._snapshot
