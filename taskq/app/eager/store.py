"""The result store of eager calls: in memory, as long as the place to which it belongs.

It keeps results, groups, chords and rests of chains, and forgets none of them by time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from taskq.errors import TaskqError
from taskq.ports import ChordPart, ChordProgress, ResultRecord
from taskq.ports.time import Clock
from taskq.states import READY_STATES, precedence

__all__ = ["EagerStore", "NeverComesError"]


class NeverComesError(TaskqError):
    """Somebody waits without a time limit for results that nobody is left to make."""

    def __init__(self, task_ids: Sequence[str]) -> None:
        super().__init__(tuple(task_ids))
        self.task_ids = tuple(task_ids)

    def __str__(self) -> str:
        return (
            f"eager calls have run to their end, and none has stored {', '.join(self.task_ids)}; "
            "wait for what was sent from here, or give get() a timeout"
        )


@dataclass(slots=True)
class _Chord:
    size: int | None = None
    body: bytes | None = None
    parts: dict[int, bytes] = field(default_factory=dict)
    marks: set[str] = field(default_factory=set)
    owner: str | None = None
    ended: bool = False


class EagerStore:
    """The ``ResultStore`` port."""

    name = "eager://"
    address = None
    key_prefix = "celery-task-meta-"
    counts_chords = True
    tells_every_change = True

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.records: dict[str, ResultRecord] = {}
        self._groups: dict[str, bytes] = {}
        self._chords: dict[str, _Chord] = {}
        self._rests: dict[str, tuple[bytes, ...]] = {}

    # -- results ----------------------------------------------------------------------------------

    def store(self, records: Sequence[ResultRecord]) -> None:
        """Write, but for what is less final than what is there."""
        for record in records:
            known = self.records.get(record.task_id)
            is_late = known is not None and known.state in READY_STATES
            if known is None or not is_late or precedence(record.state) <= precedence(known.state):
                self.records[record.task_id] = record

    def load(self, task_ids: Sequence[str]) -> Sequence[ResultRecord | None]:
        """Read."""
        return [self.records.get(task_id) for task_id in task_ids]

    def wait(self, task_ids: Sequence[str], timeout_s: float | None) -> Sequence[ResultRecord]:
        """Return what is there; what is not will not come, however long one waits."""
        found = [record for record in self.load(task_ids) if record is not None]
        if not any(record.state in READY_STATES for record in found):
            if timeout_s is None:
                raise NeverComesError(task_ids)
            self._clock.sleep(timeout_s)
        return found

    def stop_waiting(self, task_ids: Sequence[str]) -> None:
        """Nobody is told anything."""

    def forget(self, task_ids: Sequence[str]) -> None:
        """Delete."""
        for task_id in task_ids:
            self.records.pop(task_id, None)

    # -- groups and rests -------------------------------------------------------------------------

    def save_group(self, group_id: str, payload: bytes, expires_s: float | None) -> None:  # noqa: ARG002 - nothing expires
        """Keep a group's own record."""
        self._groups[group_id] = payload

    def load_group(self, group_id: str) -> bytes | None:
        """Read it."""
        return self._groups.get(group_id)

    def forget_group(self, group_id: str) -> None:
        """Delete it."""
        self._groups.pop(group_id, None)

    def keep_rest(self, rest_id: str, windows: Sequence[bytes], life_s: float) -> None:  # noqa: ARG002 - nothing expires
        """Keep all windows."""
        self._rests[rest_id] = tuple(windows)

    def load_rest(self, rest_id: str, window: int, life_s: float) -> bytes | None:  # noqa: ARG002 - nothing expires
        """Read one window."""
        windows = self._rests.get(rest_id, ())
        return windows[window] if window < len(windows) else None

    # -- chords -----------------------------------------------------------------------------------

    def open_chord(
        self,
        group_id: str,
        size: int,
        expires_s: float | None,  # noqa: ARG002 - nothing expires
        body: bytes | None = None,
    ) -> None:
        """Say how many members a header has; an earlier chord of that name is forgotten."""
        known = self._chords.get(group_id)
        if known is None or known.ended:
            known = self._chords[group_id] = _Chord()
        known.size, known.body = size, body

    def grow_chord(self, group_id: str, by: int, mark: str = "") -> int:
        """Expect more members, once for each mark."""
        chord = self._chords.get(group_id)
        if chord is None or chord.size is None or chord.ended:
            return 0
        if not mark or mark not in chord.marks:
            chord.size += by
            chord.marks.add(mark)
        return chord.size

    def count_chord(self, part: ChordPart) -> ChordProgress:
        """Keep a member's result and count it, once for each index."""
        chord = self._chord(part.group_id)
        first = part.index not in chord.parts
        chord.parts.setdefault(part.index, part.payload)
        return ChordProgress(part.group_id, len(chord.parts), chord.size, first)

    def chord_parts(self, group_id: str) -> Sequence[bytes]:
        """Return the payloads of all counted parts, by index."""
        parts = self._chord(group_id).parts
        return [parts[index] for index in sorted(parts)]

    def chord_body(self, group_id: str) -> bytes | None:
        """Return the body of a chord that was opened with one and has not ended."""
        chord = self._chord(group_id)
        return None if chord.ended else chord.body

    def close_chord(self, group_id: str, owner: str) -> bool:
        """Take the right to send the body: for the first owner, and again for the same."""
        chord = self._chord(group_id)
        chord.owner = chord.owner or owner
        return chord.owner == owner and not chord.ended

    def end_chord(self, group_id: str) -> None:
        """The body is sent."""
        self._chord(group_id).ended = True

    def close(self) -> None:
        """There is nothing to let go of."""

    def _chord(self, group_id: str) -> _Chord:
        return self._chords.setdefault(group_id, _Chord())
