"""What is done with tags, and what a lease holds: the records that the scripts read and write.

Used by ``redis_lease``, which runs them, and by those who say what is to be done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from taskq.adapters.broker.redis_routes import Push
from taskq.adapters.results.redis_records import ResultWrite
from taskq.ports import ChordPart, Outgoing

# What marks an entry whose message was found among those of a lost worker.
ADOPTED: Final = b"@"
# Longer names of lists or nodes than this are not written by anybody.
DIGITS: Final = 6
DIGITS_OF_TAG: Final = 18

# Ours are numbers; what somebody else wrote into a table may be anything.
Tag: TypeAlias = int | bytes


class Held(NamedTuple):
    """A message that an intake has."""

    raw: bytes
    key: str  # the list it came from; empty where nobody knows
    lost_by: str | None = None  # claimed by this worker, which is lost


@dataclass(slots=True)
class Level:
    """A part of a chord that is to be counted, and what ends the chord if that is known."""

    key: str  # of the group
    part: ChordPart
    life_ms: int
    payloads: tuple[bytes, ...]  # one for each member
    guard_ms: int
    ends: bool = False
    outgoing: tuple[Outgoing, ...] = ()
    texts: tuple[str, ...] = ()
    results: tuple[ResultWrite, ...] = ()


class Growth(NamedTuple):
    """A chord is to wait for more members, once for each mark."""

    key: str  # of the group
    mark: str
    by: int


class Missing(NamedTuple):
    """Which level of an operation has no ending, and what the members of its chord came to."""

    level: int
    payloads: list[bytes]  # by index


@dataclass(slots=True)
class Operation:
    """One thing to do with one tag (or none), and what must be sent and stored before."""

    mode: str  # D: done with, E: done with, was claimed, C: claim, N: no tag
    tag: Tag | None = None
    outgoing: tuple[Outgoing, ...] = ()
    texts: tuple[str, ...] = ()
    begins: tuple[int, ...] = ()  # which of them are claimed if they are taken along
    pushes: tuple[Push, ...] = ()
    results: tuple[ResultWrite, ...] = ()
    levels: tuple[Level, ...] = ()
    growth: Growth | None = None
    missing: Missing | None = None  # what the server said

    @property
    def is_plain(self) -> bool:
        """Whether the tag is all there is."""
        return not (self.pushes or self.results or self.outgoing or self.levels or self.growth)


@dataclass(slots=True)
class Along:
    """What is taken in the step that settles."""

    keys: Sequence[str]
    room: int
    done: bool = False
    taken: Sequence[tuple[int, int, bytes]] = ()  # tag, number of the list, envelope

    @property
    def emptied(self) -> bool:
        """Whether the lists were empty then."""
        return self.done and len(self.taken) < self.room


@dataclass(slots=True)
class Said:
    """What the server said to a batch of operations."""

    registered: bool
    left_out: list[int] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    missing: dict[int, Missing] = field(default_factory=dict)

    def did(self, number: int) -> bool:
        """Whether an operation was carried out."""
        return not (number in self.left_out or number in self.failed or number in self.missing)


def read_said(reply: Sequence[Any]) -> Said:
    """Read what ``COMMIT`` returns."""
    said = Said(registered=bool(reply[0]))
    for item in reply[1:]:
        if isinstance(item, int):
            said.left_out.append(item - 1)
        elif isinstance(item, list):
            number, members = item
            said.missing[said.left_out.pop()] = Missing(number - 1, by_index(members))
        else:
            said.failed[said.left_out.pop()] = item.decode(errors="replace")
    return said


def by_index(members: Sequence[bytes]) -> list[bytes]:
    """Put results into order that come with an index behind each."""
    pairs = zip(members[::2], members[1::2], strict=True)
    return [payload for payload, _ in sorted(pairs, key=lambda pair: float(pair[1]))]


# -- moves that only the script can make ---------------------------------------------------------


def bury(letter: bytes, *, whole: bool = False) -> Push:
    """Make a dead letter of what the tag holds; or of what is given, if that is ``whole``."""
    return Push("BURY", "whole" if whole else "", letter)


def park(queue: str, task_id: str, for_ms: int) -> Push:
    """Keep what the tag holds until its time."""
    return Push("PARK", queue, task_id, for_ms)


def adopt(token: str, tag: int) -> Push:
    """Put what the tag holds into the lease of a token, claimed, under a tag of its own."""
    return Push("ADOPT", token, "", tag)


# -- entries of a lease --------------------------------------------------------------------------


def lease_entry(held: Held) -> bytes:
    """Write an entry as the scripts write it."""
    name = held.key.encode()
    entry = b"%d:%b%b" % (len(name), name, held.raw)
    if held.lost_by is None:
        return entry
    node = held.lost_by.encode()
    return ADOPTED + b"%d:%b%b" % (len(node), node, entry)


def read_lease_entry(entry: bytes) -> Held:
    """Read one.  What cannot be read is held as it is, from a list that nobody knows."""
    lost_by, rest = None, entry
    try:
        if entry.startswith(ADOPTED):
            node, rest = split_name(entry[1:])
            lost_by = node.decode()
        key, raw = split_name(rest)
        return Held(raw, key.decode(), lost_by)
    except ValueError:
        return Held(entry, "")


def split_name(text: bytes) -> tuple[bytes, bytes]:
    """Split ``<length>:<name><rest>``; raises ``ValueError`` where it is nothing of the kind."""
    size, colon, _ = text[: DIGITS + 1].partition(b":")
    end = len(size) + 1 + (int(size) if colon and size.isdigit() else len(text))
    if end > len(text):
        raise ValueError("no name in front")
    return text[len(size) + 1 : end], text[end:]


def read_tag(name: bytes) -> Tag:
    """Read the name of an entry."""
    return int(name) if name.isdigit() and len(name) <= DIGITS_OF_TAG else name


def tag_order(tag: Tag) -> int:
    """Say where a tag stands among others: those of somebody else come first."""
    return tag if isinstance(tag, int) else 0
