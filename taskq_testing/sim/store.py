"""A result store in memory: one ``StoreModel`` in a world, a ``StoreEnd`` for each node.

It keeps what the real stores keep and forgets when they forget: results and groups expire in
virtual time, a final state is not overwritten by one that is less final, a chord's member is
counted once for each index, the right to send a chord's body is given to one owner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from taskq.errors import OperationalError
from taskq.ports import (
    ChordEnding,
    ChordFull,
    ChordPart,
    ChordProgress,
    Completion,
    Outgoing,
    ResultRecord,
    end_chords,
)
from taskq.states import READY_STATES, precedence
from taskq_testing.sim.awaited import Waiting
from taskq_testing.sim.hands import Hands
from taskq_testing.sim.link import Call, Troubles

# For so long it is known that a chord has ended.
ENDED_S: Final = 300.0


@dataclass(slots=True)
class Kept:
    """A value, and until when."""

    value: ResultRecord
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
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class Weighed:
    """What counting the parts of a completion comes to."""

    due: tuple[tuple[ChordPart, ChordEnding], ...] = ()  # chords that end
    counts: ChordPart | None = None  # further members are to come


class StoreModel:
    """The server."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self.troubles = Troubles()  # what is wrong with the server
        self.losing = 0  # so many writes to come are confirmed, and lost
        self.unheard: dict[str, None] = {}  # nodes that are told of nothing
        self.stale: dict[str, Kept] | None = None  # what a replica that lags behind knows
        self._results: dict[str, Kept] = {}
        self._groups: dict[str, tuple[bytes, float | None]] = {}
        self.chords: dict[str, Chord] = {}
        self._rests: dict[str, tuple[Sequence[bytes], float | None]] = {}
        self.listeners: dict[str, dict[StoreEnd, None]] = {}

    def put(self, record: ResultRecord) -> bool:
        """Write, unless something more final is there; tell who listens."""
        if self.losing:
            self.losing -= 1
            return True
        known = self._known(record.task_id)
        if known is not None and _less_final(record.state, known.state):
            return False
        self._results[record.task_id] = Kept(record, self._until(record.expires_s))
        for listener in self.listeners.get(record.task_id, ()):
            listener.hear(record)
        return True

    def get(self, task_id: str) -> ResultRecord | None:
        """Read what has not expired, of a replica where there is one."""
        if self.stale is not None:
            kept = self.stale.get(task_id)
            return None if kept is None else kept.value
        return self._known(task_id)

    def lag(self) -> None:
        """From now on readers see what is there now; writers go on."""
        self.stale = dict(self._results)

    def _known(self, task_id: str) -> ResultRecord | None:
        kept = self._results.get(task_id)
        if kept is None:
            return None
        if kept.until_s is not None and kept.until_s <= self._now_s():
            del self._results[task_id]
            return None
        return kept.value

    def drop(self, task_id: str) -> None:
        """Delete."""
        self._results.pop(task_id, None)

    def put_group(self, group_id: str, payload: bytes, expires_s: float | None) -> None:
        """Keep a group's own record."""
        self._groups[group_id] = (payload, self._until(expires_s))

    def get_group(self, group_id: str) -> bytes | None:
        """Read it, unless it has expired."""
        payload, until_s = self._groups.get(group_id, (None, None))
        return payload if until_s is None or until_s > self._now_s() else None

    def drop_group(self, group_id: str) -> None:
        """Delete it."""
        self._groups.pop(group_id, None)

    def put_rest(self, rest_id: str, windows: Sequence[bytes], life_s: float) -> None:
        """Keep the windows of a chain's rest."""
        self._rests[rest_id] = (tuple(windows), self._until(life_s))

    def get_rest(self, rest_id: str, life_s: float) -> Sequence[bytes]:
        """Read them, and let them live so long from now on; nothing where they have expired."""
        windows, until_s = self._rests.get(rest_id, ((), 0.0))
        if until_s is not None and until_s <= self._now_s():
            return ()
        self.put_rest(rest_id, windows, life_s)
        return windows

    def chord(self, group_id: str) -> Chord:
        """The count of one header, begun by whoever comes first."""
        known = self.chords.get(group_id)
        if known is None or (known.until_s is not None and known.until_s <= self._now_s()):
            known = self.chords[group_id] = Chord()
        return known

    def prolong(self, chord: Chord, expires_s: float | None) -> None:
        """Keep a chord for so long from now on."""
        chord.until_s = self._until(expires_s or None)

    def _until(self, expires_s: float | None) -> float | None:
        return None if expires_s is None else self._now_s() + expires_s


class StoreEnd:
    """The ``ResultStore`` port of one node."""

    def __init__(self, model: StoreModel, hands: Hands, broker: str, wait: Waiting) -> None:
        self._model, self._hands, self._broker, self._wait = model, hands, broker, wait
        self._inbox: list[ResultRecord] = []
        self._wanted: dict[str, None] = {}
        self._asked: tuple[str, ...] | None = None
        self._asked_ids: frozenset[str] = frozenset()
        self.wakes: dict[Callable[[], None], None] = {}

    @property
    def name(self) -> str:
        """What a banner shows."""
        return "sim://"

    @property
    def node(self) -> str:
        """Whose it is."""
        return self._hands.node

    @property
    def address(self) -> str | None:
        """The same place as the broker, so that one script can write to both."""
        return f"sim/{self._broker}"

    @property
    def key_prefix(self) -> str:
        """As in a store of keys and values."""
        return "celery-task-meta-"

    @property
    def tells_every_change(self) -> bool:
        """Whoever listens hears at once; so time need not pass in slices."""
        return True

    # -- results ---------------------------------------------------------------------------------

    def store(self, records: Sequence[ResultRecord]) -> None:
        """Write."""
        for record in records:
            self._reach(Call.WRITE, len(record.payload))
            what = "result.store" if self._model.put(record) else "result.refuse"
            self._hands.say(what, id=record.task_id, state=record.state, payload=record.payload)
            self._hands.come(self._hands.store_link, Call.WRITE)
        self._hands.pause()

    def load(self, task_ids: Sequence[str]) -> Sequence[ResultRecord | None]:
        """Read what is stored now."""
        self._reach()
        return [self._model.get(task_id) for task_id in task_ids]

    def wait(self, task_ids: Sequence[str], timeout_s: float | None) -> Sequence[ResultRecord]:
        """Return when something may have changed, or the time is over."""
        if task_ids is self._asked:  # again, after a hint: nothing of it is new
            new, wanted = [], self._asked_ids
        else:
            new = [task_id for task_id in task_ids if task_id not in self._wanted]
            for task_id in new:
                self._wanted[task_id] = None
                self._model.listeners.setdefault(task_id, {})[self] = None
            wanted = frozenset(task_ids)
            self._asked = task_ids if isinstance(task_ids, tuple) else None
            self._asked_ids = wanted
        awaited = AwaitedResult(self, wanted, timeout_s)
        if not new and not awaited.there:
            self._wait(awaited)
        heard = [record for record in self._inbox if record.task_id in wanted]
        self._inbox = [record for record in self._inbox if record.task_id not in wanted]
        return heard

    def stop_waiting(self, task_ids: Sequence[str]) -> None:
        """Nobody waits for these any more."""
        self._asked = None
        for task_id in task_ids:
            self._wanted.pop(task_id, None)
            listeners = self._model.listeners.get(task_id, {})
            listeners.pop(self, None)
            if not listeners:
                self._model.listeners.pop(task_id, None)
        gone = frozenset(task_ids)
        self._inbox = [record for record in self._inbox if record.task_id not in gone]

    def forget(self, task_ids: Sequence[str]) -> None:
        """Delete."""
        self._reach(Call.WRITE)
        for task_id in task_ids:
            self._model.drop(task_id)

    def hear(self, record: ResultRecord) -> None:
        """Something was stored that this node listens for."""
        if self._hands.node in self._model.unheard:
            return
        self._inbox.append(record)
        for wake in list(self.wakes):
            wake()

    def heard(self, task_ids: frozenset[str]) -> bool:
        """Whether there is news of these that nobody has read."""
        return any(record.task_id in task_ids for record in self._inbox)

    # -- groups ----------------------------------------------------------------------------------

    def save_group(self, group_id: str, payload: bytes, expires_s: float | None) -> None:
        """Keep a group's own record."""
        self._reach(Call.WRITE)
        self._model.put_group(group_id, payload, expires_s)

    def load_group(self, group_id: str) -> bytes | None:
        """Read it."""
        self._reach()
        return self._model.get_group(group_id)

    def forget_group(self, group_id: str) -> None:
        """Delete it."""
        self._reach(Call.WRITE)
        self._model.drop_group(group_id)

    # -- rests of chains -------------------------------------------------------------------------

    def keep_rest(self, rest_id: str, windows: Sequence[bytes], life_s: float) -> None:
        """Keep all windows."""
        self._reach(Call.WRITE)
        self._model.put_rest(rest_id, windows, life_s)
        sizes = [len(window) for window in windows]
        self._hands.say("rest.keep", id=rest_id, windows=len(sizes), bytes=sum(sizes))
        self._hands.pause()

    def load_rest(self, rest_id: str, window: int, life_s: float) -> bytes | None:
        """Read one window, and let all of them live so long from now on."""
        self._reach()
        windows = self._model.get_rest(rest_id, life_s)
        found = windows[window] if window < len(windows) else None
        self._hands.say("rest.load", id=rest_id, window=window, found=found is not None)
        return found

    # -- chords ----------------------------------------------------------------------------------

    @property
    def counts_chords(self) -> bool:
        """The calls below work."""
        return True

    def open_chord(
        self, group_id: str, size: int, expires_s: float | None, body: bytes | None = None
    ) -> None:
        """Say how many members a header has; an earlier chord of that name is forgotten."""
        self._reach(Call.WRITE)
        if self._model.chord(group_id).ended:
            del self._model.chords[group_id]
        chord = self._model.chord(group_id)
        chord.size, chord.body = size, body
        self._model.prolong(chord, expires_s)

    def grow_chord(self, group_id: str, by: int, mark: str = "") -> int:
        """Expect more members, once for each mark; returns how many, 0 where no chord is open."""
        self._reach()
        chord = self._model.chords.get(group_id)
        if chord is None or chord.size is None or chord.ended:
            return 0
        if not mark or mark not in chord.grown:
            chord.size += by
            chord.grown.add(mark)
            self._hands.say("chord.grow", group=group_id, by=by, size=chord.size, mark=mark)
        return chord.size

    def count_chord(self, part: ChordPart) -> ChordProgress:
        """Keep a member's result and count it, once for each index."""
        self._reach(Call.WRITE)
        chord = self._model.chord(part.group_id)
        first = part.index not in chord.parts
        if first and not chord.ended:
            self._model.prolong(chord, part.expires_s)
        chord.parts.setdefault(part.index, part.payload)
        done = len(chord.parts)
        self._hands.say(
            "chord.count", id=part.task_id, group=part.group_id, index=part.index, done=done,
            size=chord.size, first=first, payload=part.payload,
        )  # fmt: skip
        self._hands.pause()
        return ChordProgress(part.group_id, done, chord.size, first)

    def chord_parts(self, group_id: str) -> Sequence[bytes]:
        """Return the payloads of all counted parts, by index."""
        self._reach()
        parts = self._model.chord(group_id).parts
        return [parts[index] for index in sorted(parts)]

    def chord_body(self, group_id: str) -> bytes | None:
        """Return the body of a chord that has not ended."""
        self._reach()
        chord = self._model.chord(group_id)
        return None if chord.ended else chord.body

    def close_chord(self, group_id: str, owner: str) -> bool:
        """Take the right to send the body: for the first owner, and again for the same."""
        self._reach(Call.WRITE)
        chord = self._model.chord(group_id)
        chord.owner = chord.owner or owner
        ours = chord.owner == owner and not chord.ended
        if ours:
            self._hands.say("chord.close", group=group_id, owner=owner)
        return ours

    def end_chord(self, group_id: str) -> None:
        """The body is sent."""
        self._reach(Call.WRITE)
        chord = self._model.chord(group_id)
        if not chord.ended:
            chord.ended = True
            self._hands.say("chord.end", group=group_id, owner=chord.owner)
        self._model.prolong(chord, ENDED_S)
        self._hands.pause()

    # -- for a broker whose commit is one step with this store -----------------------------------

    def weigh(self, number: int, completion: Completion) -> ChordFull | Weighed:
        """Look at what counting would come to; counts nothing."""
        self._reach()
        due: list[tuple[ChordPart, ChordEnding]] = []
        for part, ending in completion.levels:
            chord = self._model.chord(part.group_id)
            if chord.ended or chord.owner not in {None, part.mark}:
                return Weighed(tuple(due))
            parts = {each.index: each.payload for each in part.each} | chord.parts
            if chord.size is None or len(parts) < chord.size:
                return Weighed(tuple(due), part)
            if ending is None:
                payloads = tuple(parts[index] for index in sorted(parts))
                return ChordFull(number, part.group_id, payloads)
            due.append((part, ending))
        return Weighed(tuple(due))

    def count(self, weighed: Weighed, publish: Callable[[Sequence[Outgoing]], None]) -> None:
        """Count, and end what that ends."""
        for part, ending in weighed.due:
            for each in part.each:
                self.count_chord(each)
            self.close_chord(part.group_id, part.mark)
            end_chords((ending,), self, publish)
        if weighed.counts is not None:
            for each in weighed.counts.each:
                self.count_chord(each)

    def close(self) -> None:
        """There is nothing to let go of."""

    def _reach(self, call: Call = Call.READ, size: int = 0) -> None:
        """Others may go first, and the server may be out of reach."""
        self._hands.pause()
        if self._hands.store_link.cut:
            reason = self._hands.store_link.reason
            raise OperationalError(f"{self.name}: the result store cannot be reached: {reason}")
        self._hands.go(self._hands.store_link, call, size)


@dataclass(frozen=True, slots=True)
class AwaitedResult:
    """What somebody waits for at one end of the store."""

    end: StoreEnd
    task_ids: frozenset[str]
    timeout_s: float | None

    @property
    def wakes(self) -> dict[Callable[[], None], None]:
        """Called when there is news."""
        return self.end.wakes

    @property
    def there(self) -> bool:
        """There is news of it."""
        return self.end.heard(self.task_ids)

    def some(self) -> list[str]:
        """A few of the ids, for people."""
        return sorted(self.task_ids)[:3]

    def __str__(self) -> str:
        more = len(self.task_ids) - len(self.some())
        return f"the result of {', '.join(self.some())}{f' and {more} more' if more else ''}"


def _less_final(new: str, known: str) -> bool:
    """A state that is final stays, unless what comes is at least as final."""
    return known in READY_STATES and precedence(new) > precedence(known)
