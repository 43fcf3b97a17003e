"""Stores whose server tells nobody of changes: who waits asks again and again.

The pauses grow from a glance to half a second, so that a short task is not waited for longer than
it takes, and a long one does not load the server.  Of states that follow each other between two
looks only the last one is seen.  Chords end the same way: a task asks (``app/unlocking.py``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from taskq.adapters.results.keeping_none import CountsNoChords
from taskq.ports import Clock, ResultRecord

FIRST_PAUSE_S: Final = 0.01
LONGEST_PAUSE_S: Final = 0.5
GROWTH: Final = 1.5
# How many results are read in one call, of those who wait for many.
READ_AT_ONCE: Final = 500

Seen = tuple[str, int]
Load = Callable[[Sequence[str]], Sequence[ResultRecord | None]]


class ChordsNotCountedError(NotImplementedError):
    """A count was asked for of a store that has none."""

    def __init__(self, wanted: str) -> None:
        super().__init__(wanted)
        self.wanted = wanted

    def __str__(self) -> str:
        return (
            f"{self.wanted}: this store counts no members, its chords are ended by"
            " celery.chord_unlock; result_backend='redis://...' counts"
        )


class Asking:
    """Waits for one store; each thread has its own view of what it has seen."""

    def __init__(self, load: Load, clock: Clock) -> None:
        self._load, self._clock = load, clock
        self._local = threading.local()

    @property
    def _seen(self) -> dict[str, Seen | None]:
        found: dict[str, Seen | None] | None = getattr(self._local, "seen", None)
        if found is None:
            found = self._local.seen = {}
        return found

    def wait(self, task_ids: Sequence[str], timeout_s: float | None) -> list[ResultRecord]:
        """Return what has changed since this thread looked last, or nothing when time is over."""
        seen = self._seen
        new = [task_id for task_id in task_ids if task_id not in seen]
        if new:
            seen.update(dict.fromkeys(new))
            return []
        end_s = None if timeout_s is None else self._clock.read().elapsed_s + timeout_s
        pause_s = FIRST_PAUSE_S
        while not (changed := self._changed(task_ids)):
            left_s = pause_s if end_s is None else end_s - self._clock.read().elapsed_s
            if left_s <= 0:
                break
            self._clock.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * GROWTH, LONGEST_PAUSE_S)
        return changed

    def _changed(self, task_ids: Sequence[str]) -> list[ResultRecord]:
        seen, changed = self._seen, []
        for start in range(0, len(task_ids), READ_AT_ONCE):
            for record in self._load(task_ids[start : start + READ_AT_ONCE]):
                if record is None:
                    continue
                now = (record.state, hash(record.payload))
                if seen.get(record.task_id) != now:
                    seen[record.task_id] = now
                    changed.append(record)
        return changed

    def stop(self, task_ids: Sequence[str]) -> None:
        """This thread waits for these no more."""
        for task_id in task_ids:
            self._seen.pop(task_id, None)


class AskedStore(CountsNoChords):
    """What such stores have in common."""

    @property
    def asks_for_chords(self) -> bool:
        """Everybody may read what is stored: a task can find out when a header has ended."""
        return True

    @staticmethod
    def refuse(wanted: str) -> NoReturn:
        """Say what counts."""
        raise ChordsNotCountedError(wanted)
