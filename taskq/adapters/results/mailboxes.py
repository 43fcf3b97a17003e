"""Hints for threads that wait for results: one box for each waiting thread.

Used by stores that learn of results inside this process.  A hint goes to every thread that
listens for its task, so two threads that wait for one result both wake up.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from taskq.ports import ResultRecord


@dataclass(slots=True)
class Box:
    """What one thread listens for, and what has come for it."""

    wanted: set[str] = field(default_factory=set)
    letters: list[ResultRecord] = field(default_factory=list)


class Mailboxes:
    """All boxes of one store."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._boxes: dict[int, Box] = {}

    def listen(self, task_ids: Sequence[str]) -> bool:
        """Listen from now on; returns whether any of them is new to this thread."""
        with self._changed:
            box = self._boxes.setdefault(threading.get_ident(), Box())
            known = len(box.wanted)
            box.wanted.update(task_ids)
            return len(box.wanted) > known

    def stop(self, task_ids: Sequence[str]) -> None:
        """Listen no more, in this thread."""
        with self._changed:
            thread = threading.get_ident()
            if (box := self._boxes.get(thread)) is None:
                return
            gone = frozenset(task_ids)
            box.wanted -= gone
            box.letters = [letter for letter in box.letters if letter.task_id not in gone]
            if not box.wanted:
                del self._boxes[thread]

    def deliver(self, records: Sequence[ResultRecord]) -> None:
        """Put letters into the boxes of those who want them."""
        with self._changed:
            for box in self._boxes.values():
                box.letters.extend(record for record in records if record.task_id in box.wanted)
            self._changed.notify_all()

    def take(self, task_ids: Sequence[str], timeout_s: float | None = 0) -> list[ResultRecord]:
        """Return this thread's letters for these tasks; waits for the first one."""
        wanted = frozenset(task_ids)
        with self._changed:
            self._changed.wait_for(lambda: self._any(wanted), timeout_s)
            return self._pop(wanted)

    def has(self, task_ids: Sequence[str]) -> bool:
        """Whether there is a letter for this thread."""
        with self._changed:
            return self._any(frozenset(task_ids))

    def pause(self, task_ids: Sequence[str], timeout_s: float) -> None:
        """Wait once, for a letter or for news of others."""
        wanted = frozenset(task_ids)
        with self._changed:
            if not self._any(wanted):
                self._changed.wait(timeout_s)

    def _any(self, wanted: frozenset[str]) -> bool:
        box = self._boxes.get(threading.get_ident())
        return box is not None and any(letter.task_id in wanted for letter in box.letters)

    def _pop(self, wanted: frozenset[str]) -> list[ResultRecord]:
        box = self._boxes.get(threading.get_ident())
        if box is None:
            return []
        taken = [letter for letter in box.letters if letter.task_id in wanted]
        box.letters = [letter for letter in box.letters if letter.task_id not in wanted]
        return taken
