"""Results: what is stored, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from taskq.ports.messages import Outgoing, Settlement


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """What is stored for one task: its meta, already encoded with ``result_serializer``."""

    task_id: str
    state: str
    payload: bytes
    content_type: str = "application/json"
    content_encoding: str = "utf-8"
    expires_s: float | None = None  # None: never
    # Where a store that answers by message sends it.
    reply_to: str | None = None
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class ChordPart:
    """One member of a chord's header has ended.  Counted once for each index."""

    group_id: str
    index: int
    task_id: str
    payload: bytes  # JSON ``[1, id, state, result]``, encoded by the result serializer
    expires_s: float | None = None
    # Further members that have ended with it: index, task id, payload.
    also: tuple[tuple[int, str, bytes], ...] = ()

    @property
    def mark(self) -> str:
        """Under which name it is counted, and may end its chord; every store writes it so."""
        return f"{self.task_id}:{self.index}"

    @property
    def each(self) -> tuple[ChordPart, ...]:
        """A part for each member, to be counted one by one."""
        if not self.also:
            return (self,)
        first = replace(self, also=())
        return (
            first,
            *(
                replace(first, index=index, task_id=task_id, payload=payload)
                for index, task_id, payload in self.also
            ),
        )


@dataclass(frozen=True, slots=True)
class ChordProgress:
    """What a store says after it has counted."""

    group_id: str
    done: int
    size: int | None  # None: the size is not known yet
    first: bool  # False: this index was counted before


@dataclass(frozen=True, slots=True)
class ChordGrowth:
    """A chord is to wait for more members.  It grows once for each mark."""

    group_id: str
    mark: str
    by: int


@dataclass(frozen=True, slots=True)
class ChordEnding:
    """What ends a chord: made from what all members came to, before the last of them is counted.

    If all went well it is the message of the body.  If not: the errbacks, the failures of the
    tasks that will not come, and, where the body is a member of another chord, its part there.
    """

    group_id: str
    follow_ups: tuple[Outgoing, ...] = ()
    results: tuple[ResultRecord, ...] = ()
    outer: ChordPart | None = None


@dataclass(frozen=True, slots=True)
class ChordFull:
    """The answer to a completion whose part would complete a chord that it does not end."""

    number: int  # of the completion among those that were committed together
    group_id: str
    payloads: tuple[bytes, ...]  # of all members, by index


@dataclass(frozen=True, slots=True)
class Completion:
    """What one ended delivery asks of the outside, in the order in which it takes effect.

    The chord grows, follow-ups are published (among them the members it grew by), then the result
    is stored, then the chord's part is counted, then the delivery is settled.  What a broker and a
    store can do as one atomic step, they do as one.

    ``endings`` belong to the chords that the part completes: the first to its own chord, each
    other to the chord in which the one before it has a part.  One that is not needed after all
    (more members have come, or somebody else has ended the chord) is left out, with all after it.
    """

    follow_ups: tuple[Outgoing, ...] = ()
    result: ResultRecord | None = None
    settlement: Settlement | None = None
    chord: ChordPart | None = None
    endings: tuple[ChordEnding, ...] = ()
    growth: ChordGrowth | None = None
    # Which of the follow-ups this worker would begin at once: see ``TakesAlong``.
    begins: tuple[int, ...] = ()

    @property
    def uses_store(self) -> bool:
        """Whether anything of it is the store's."""
        return not (self.result is None and self.chord is None and self.growth is None)

    @property
    def goes_on(self) -> bool:
        """Whether all but its chord's end was done before, where that is no single step."""
        return bool(self.endings)

    @property
    def levels(self) -> tuple[tuple[ChordPart, ChordEnding | None], ...]:
        """Each part that is to be counted, with what ends its chord as far as that is known."""
        levels: list[tuple[ChordPart, ChordEnding | None]] = []
        part = self.chord
        for ending in self.endings:
            assert part is not None, "an ending belongs to a part"
            levels.append((part, ending))
            part = ending.outer
        if part is not None:
            levels.append((part, None))
        return tuple(levels)


class ResultStore(Protocol):
    """Where results are kept."""

    @property
    def name(self) -> str:
        """What the banner of a worker shows; passwords are starred."""

    @property
    def address(self) -> str | None:
        """Server and database, for stores whose writes can ride on the broker's; else None."""

    @property
    def key_prefix(self) -> str:
        """What stands in front of a task id in the key of its result."""

    def store(self, records: Sequence[ResultRecord]) -> None:
        """Write.  A final state is not overwritten by one that is less final."""

    def load(self, task_ids: Sequence[str]) -> Sequence[ResultRecord | None]:
        """Read what is stored now; None where there is nothing."""

    def wait(self, task_ids: Sequence[str], timeout_s: float | None) -> Sequence[ResultRecord]:
        """Return when something may have changed, or the time is over.

        What it returns are hints, in the order in which they came (intermediate states too);
        the truth is what ``load`` says.  The first call for an id begins to listen for it, and
        may return at once.
        """

    def stop_waiting(self, task_ids: Sequence[str]) -> None:
        """Nobody waits for these any more."""

    def forget(self, task_ids: Sequence[str]) -> None:
        """Delete."""

    def save_group(self, group_id: str, payload: bytes, expires_s: float | None) -> None:
        """Keep a group's own record."""

    def load_group(self, group_id: str) -> bytes | None:
        """Read it."""

    def forget_group(self, group_id: str) -> None:
        """Delete it."""

    @property
    def counts_chords(self) -> bool:
        """Whether the six calls below work."""

    def open_chord(
        self, group_id: str, size: int, expires_s: float | None, body: bytes | None = None
    ) -> None:
        """Say how many members a header has, and what its body is: an encoded signature.

        An earlier chord of that name is forgotten.
        """

    def count_chord(self, part: ChordPart) -> ChordProgress:
        """Keep a member's result and count it, once for each index."""

    def chord_parts(self, group_id: str) -> Sequence[bytes]:
        """Return the payloads of all counted parts, by index."""

    def chord_body(self, group_id: str) -> bytes | None:
        """Return the body of a chord that was opened with one and has not ended."""

    def close_chord(self, group_id: str, owner: str) -> bool:
        """Take the right to send the body: True for the first owner, and again for the same.

        Asked where the store is no part of the step that settles.  The owner is the member that
        found the count complete.  Its delivery is settled only after ``end_chord``, so if its
        worker is lost it comes again and goes on where that one was.
        """

    def end_chord(self, group_id: str) -> None:
        """The body is sent: from now on nobody gets the right."""

    def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class GrowsChords(Protocol):
    """A result store that can also add members to a chord that is open."""

    def grow_chord(self, group_id: str, by: int, mark: str = "") -> int:
        """Expect more members; returns how many there are then, 0 where no chord is open.

        What is asked for again under the same mark has been done.
        """


@runtime_checkable
class TellsEveryChange(Protocol):
    """A result store whose hints cannot get lost: who waits need not ask now and then."""

    @property
    def tells_every_change(self) -> bool:
        """Whether ``wait`` may be called once, for the whole time that there is."""


@runtime_checkable
class AsksForChords(Protocol):
    """A result store that cannot count, but that everybody may read at any time.

    Chords there are ended by a task that asks again and again whether all members have ended.
    """

    @property
    def asks_for_chords(self) -> bool:
        """Whether that is how chords end here."""


@runtime_checkable
class KeepsNothing(Protocol):
    """A result store that cannot be asked later: a result goes to who waits for it, or nowhere."""

    @property
    def keeps_nothing(self) -> bool:
        """Whether that is so."""


@runtime_checkable
class EndsChords(Protocol):
    """A result store that may open chords, and send their bodies, in a way of its own.

    It is told of each member that has ended by the result that is stored for it.
    """

    @property
    def ends_chords(self) -> bool:
        """Whether it does."""

    def begin_chord(self, header: Any, body: Any) -> None:
        """Open a chord: the handle of its header, and the signature of its body."""


@runtime_checkable
class KeepsRests(Protocol):
    """A result store that keeps what a message is too small for: the rest of a long chain.

    A rest is kept once, in windows that are numbered from 0, and read window by window.  It goes
    when nobody has asked for any part of it for as long as was said last.
    """

    def keep_rest(self, rest_id: str, windows: Sequence[bytes], life_s: float) -> None:
        """Keep all windows; when this returns they are there.  The same once more is no error."""

    def load_rest(self, rest_id: str, window: int, life_s: float) -> bytes | None:
        """Read one window, and let all of them live so long from now on; None where it is gone."""
