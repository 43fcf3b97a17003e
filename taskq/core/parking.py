"""Which messages the broker is asked to keep until their time.

All whose time has not come, where it can: then no worker holds them, and any may take them.  One
that comes back before its time has met another clock, or a broker that counts in whole seconds.
Parked again it might come and go without end, so it waits here for the rest of its time.
"""

from __future__ import annotations

from typing import Final

# So many are remembered; one that is forgotten is parked once more.
MOST: Final = 1000


class Parking:
    """Remembers what was parked from here."""

    def __init__(self) -> None:
        self._due_s: dict[str, float] = {}  # task id -> wall time

    def takes(self, task_id: str, due_s: float) -> bool:
        """Whether to park one; it is taken for parked then."""
        if self._due_s.pop(task_id, None) == due_s:
            return False
        self._due_s[task_id] = due_s
        if len(self._due_s) > MOST:
            del self._due_s[next(iter(self._due_s))]
        return True
