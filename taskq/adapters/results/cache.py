"""Results in this process: ``cache+memory://`` (and ``cache+memory://name``).

Made by ``taskq.wiring``; used with the memory transport, with eager calls and in tests.  All
stores of one name in one process share one ``Shelf``, whatever app they belong to.  Results are
gone with the process, and a process that was forked goes on with a copy of its own.
"""

from __future__ import annotations

import threading
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from taskq.adapters.results.mailboxes import Mailboxes
from taskq.ports import ChordPart, ChordProgress, Clock, ResultRecord
from taskq.states import is_less_final

Value = TypeVar("Value")

KEY_PREFIX: Final = "celery-task-meta-"
# What a chord keeps when nothing was said: it must not stay for ever.
CHORD_EXPIRES_S: Final = 86_400.0
# How many writes pass between two searches for what has expired.
WRITES_BETWEEN_SWEEPS: Final = 1_000


@dataclass(slots=True)
class Kept(Generic[Value]):
    """A value, and until when."""

    value: Value
    until_s: float | None


@dataclass(slots=True)
class Chord:
    """The count of one header."""

    size: int | None = None
    parts: dict[int, bytes] = field(default_factory=dict)
    owner: str | None = None  # who has the right to send the body
    ended: bool = False
    body: bytes | None = None
    grown: set[str] = field(default_factory=set)  # the marks of what was added to it


class Shelf:
    """What all stores of one name have in common."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.mailboxes = Mailboxes()
        self.results: dict[str, Kept[ResultRecord]] = {}
        self.groups: dict[str, Kept[bytes]] = {}
        self.chords: dict[str, Kept[Chord]] = {}
        self.rests: dict[str, Kept[Sequence[bytes]]] = {}
        self.writes = 0

    def sweep(self, now_s: float) -> None:
        """Drop what has expired, once in a while."""
        self.writes += 1
        if self.writes % WRITES_BETWEEN_SWEEPS:
            return
        for kept in (self.results, self.groups, self.chords, self.rests):
            _drop_expired(kept, now_s)


def _drop_expired(kept: MutableMapping[str, Any], now_s: float) -> None:
    for key, entry in list(kept.items()):
        if entry.until_s is not None and entry.until_s <= now_s:
            del kept[key]


_shelves: Final[dict[str, Shelf]] = {}
_shelves_lock: Final = threading.Lock()


def shelf(name: str) -> Shelf:
    """Return the shelf of that name in this process."""
    with _shelves_lock:
        return _shelves.setdefault(name, Shelf())


class MemoryStore:
    """Implements ``ports.ResultStore`` in this process."""

    def __init__(self, url: str = "cache+memory://", *, clock: Clock) -> None:
        self._name = url
        self._clock = clock
        self._shelf = shelf(url.partition("://")[2].strip("/"))

    @property
    def name(self) -> str:
        """The URL; it has no password."""
        return self._name

    @property
    def address(self) -> str | None:
        """None: no broker is here."""
        return None

    @property
    def key_prefix(self) -> str:
        """As in other stores of keys and values."""
        return KEY_PREFIX

    # -- results ---------------------------------------------------------------------------------

    def store(self, records: Sequence[ResultRecord]) -> None:
        """Write, unless something more final is there; tell who listens."""
        with self._shelf.lock:
            written = [record for record in records if self._put(record)]
        self._shelf.mailboxes.deliver(written)

    def _put(self, record: ResultRecord) -> bool:
        self._shelf.sweep(self._now_s)
        known = self._get(record.task_id)
        if known is not None and is_less_final(record.state, known.state):
            return False
        self._shelf.results[record.task_id] = Kept(record, self._until(record.expires_s))
        return True

    def load(self, task_ids: Sequence[str]) -> Sequence[ResultRecord | None]:
        """Read what is stored now."""
        with self._shelf.lock:
            return [self._get(task_id) for task_id in task_ids]

    def _get(self, task_id: str) -> ResultRecord | None:
        return self._live(self._shelf.results, task_id)

    def wait(self, task_ids: Sequence[str], timeout_s: float | None) -> Sequence[ResultRecord]:
        """Return when something may have changed, or the time is over."""
        new = self._shelf.mailboxes.listen(task_ids)
        return self._shelf.mailboxes.take(task_ids, 0 if new else timeout_s)

    def stop_waiting(self, task_ids: Sequence[str]) -> None:
        """This thread waits for these no more."""
        self._shelf.mailboxes.stop(task_ids)

    def forget(self, task_ids: Sequence[str]) -> None:
        """Delete."""
        with self._shelf.lock:
            for task_id in task_ids:
                self._shelf.results.pop(task_id, None)

    # -- groups ----------------------------------------------------------------------------------

    def save_group(self, group_id: str, payload: bytes, expires_s: float | None) -> None:
        """Keep a group's own record."""
        with self._shelf.lock:
            self._shelf.sweep(self._now_s)
            self._shelf.groups[group_id] = Kept(payload, self._until(expires_s))

    def load_group(self, group_id: str) -> bytes | None:
        """Read it."""
        with self._shelf.lock:
            return self._live(self._shelf.groups, group_id)

    def forget_group(self, group_id: str) -> None:
        """Delete it."""
        with self._shelf.lock:
            self._shelf.groups.pop(group_id, None)

    # -- rests of chains -------------------------------------------------------------------------

    def keep_rest(self, rest_id: str, windows: Sequence[bytes], life_s: float) -> None:
        """Keep all windows."""
        with self._shelf.lock:
            self._shelf.sweep(self._now_s)
            self._shelf.rests[rest_id] = Kept(tuple(windows), self._until(life_s))

    def load_rest(self, rest_id: str, window: int, life_s: float) -> bytes | None:
        """Read one window, and let all of them live so long from now on."""
        with self._shelf.lock:
            windows = self._live(self._shelf.rests, rest_id)
            if windows is None:
                return None
            self._shelf.rests[rest_id] = Kept(windows, self._until(life_s))
            return windows[window] if window < len(windows) else None

    # -- chords ----------------------------------------------------------------------------------

    @property
    def counts_chords(self) -> bool:
        """The calls below work."""
        return True

    def open_chord(
        self, group_id: str, size: int, expires_s: float | None, body: bytes | None = None
    ) -> None:
        """Say how many members a header has; an earlier chord of that name is forgotten."""
        with self._shelf.lock:
            if self._chord(group_id, expires_s).ended:
                del self._shelf.chords[group_id]
            chord = self._chord(group_id, expires_s)
            chord.size, chord.body = size, body

    def grow_chord(self, group_id: str, by: int, mark: str = "") -> int:
        """Expect more members, once for each mark; returns how many, 0 where no chord is open."""
        with self._shelf.lock:
            chord = self._live(self._shelf.chords, group_id)
            if chord is None or chord.size is None or chord.ended:
                return 0
            if not mark or mark not in chord.grown:
                chord.size += by
                chord.grown.add(mark)
            return chord.size

    def count_chord(self, part: ChordPart) -> ChordProgress:
        """Keep a member's result and count it, once for each index."""
        with self._shelf.lock:
            chord = self._chord(part.group_id, part.expires_s)
            first = part.index not in chord.parts
            chord.parts.setdefault(part.index, part.payload)
            return ChordProgress(part.group_id, len(chord.parts), chord.size, first)

    def chord_parts(self, group_id: str) -> Sequence[bytes]:
        """Return the payloads of all counted parts, by index."""
        with self._shelf.lock:
            chord = self._live(self._shelf.chords, group_id) or Chord()
            return [chord.parts[index] for index in sorted(chord.parts)]

    def chord_body(self, group_id: str) -> bytes | None:
        """Return the body of a chord that has not ended."""
        with self._shelf.lock:
            chord = self._live(self._shelf.chords, group_id) or Chord()
            return None if chord.ended else chord.body

    def close_chord(self, group_id: str, owner: str) -> bool:
        """Take the right to send the body: True for the first owner, and again for the same."""
        with self._shelf.lock:
            chord = self._chord(group_id, None)
            chord.owner = chord.owner or owner
            return chord.owner == owner and not chord.ended

    def end_chord(self, group_id: str) -> None:
        """The body is sent: from now on nobody gets the right."""
        with self._shelf.lock:
            self._chord(group_id, None).ended = True

    def _chord(self, group_id: str, expires_s: float | None) -> Chord:
        """Return the count of a header; whoever speaks of it lengthens its life."""
        self._shelf.sweep(self._now_s)
        chord = self._live(self._shelf.chords, group_id) or Chord()
        known = self._shelf.chords.get(group_id)
        until_s = self._until(expires_s or CHORD_EXPIRES_S)
        if known is not None and known.value is chord and expires_s is None:
            until_s = known.until_s
        self._shelf.chords[group_id] = Kept(chord, until_s)
        return chord

    def close(self) -> None:
        """There is nothing to let go of: other stores of this name may go on."""

    @property
    def _now_s(self) -> float:
        return self._clock.read().elapsed_s

    def _until(self, expires_s: float | None) -> float | None:
        return self._now_s + expires_s if expires_s else None

    def _live(self, kept: dict[str, Kept[Value]], key: str) -> Value | None:
        entry = kept.get(key)
        if entry is None:
            return None
        if entry.until_s is not None and entry.until_s <= self._now_s:
            del kept[key]
            return None
        return entry.value
