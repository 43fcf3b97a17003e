"""Everything a worker can ask for.  A driver carries them out in order.

``runtime/perform.py`` and ``taskq_testing/sim/node.py`` have one method for each.  Each is a
point where the simulator may switch, fail or kill.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TypeAlias

from taskq.ports import Ending, EndingKind, Job, Settlement


@dataclass(frozen=True, slots=True)
class SetPrefetch:
    """Tell the intake how many deliveries may be open at once; 0 means any number."""

    count: int


@dataclass(frozen=True, slots=True)
class Settle:
    """Tell the broker.  What follows in the list is done only when this has taken effect."""

    settlements: tuple[Settlement, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """Give jobs to a slot."""

    slot: int
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Recall:
    """Ask a slot to give back what it has not begun; ``JobsReturned`` answers."""

    slot: int


@dataclass(frozen=True, slots=True)
class Conclude:
    """Make the ending of a job whose body is not run (any more), and feed it back.

    The driver asks ``app.work`` for the ``Ending`` and hands it over as ``Happened((ending,))``.
    """

    job: Job
    kind: EndingKind
    reason: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finish:
    """One ended job: publish follow-ups, store the result, count the chord, then settle."""

    job: Job
    ending: Ending
    settlement: Settlement | None
    begins: tuple[int, ...] = ()  # which of its follow-ups a slot is free for


@dataclass(frozen=True, slots=True)
class Commit:
    """Ended jobs, to be finished together where the broker can."""

    finished: tuple[Finish, ...]
    takes: bool = False  # messages may be taken along, where the broker can


@dataclass(frozen=True, slots=True)
class Kill:
    """End a slot's process at once."""

    slot: int
    signal: int


@dataclass(frozen=True, slots=True)
class Grow:
    """Add slots."""

    count: int


@dataclass(frozen=True, slots=True)
class Shrink:
    """Remove slots, idle ones first."""

    count: int


@dataclass(frozen=True, slots=True)
class RestartPool:
    """Replace each slot by a new one."""


@dataclass(frozen=True, slots=True)
class Unpark:
    """Let parked messages of revoked tasks come back now, so that their end can be told."""

    task_ids: tuple[str, ...]


class Level(IntEnum):
    """How loud a line in the log is; the numbers are those of ``logging``."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50


@dataclass(frozen=True, slots=True)
class Say:
    """Write one line to the worker's log.  ``what`` is a row of ``app.log.LINES``."""

    level: Level
    what: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell monitors; several of one list may travel together.  Nothing waits for it."""

    event: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Received:
    """Tell the program's own receivers that a task was taken in; asked for by ``Delivered``."""

    job: Job


@dataclass(frozen=True, slots=True)
class Refused:
    """Tell them that a message is no task, and goes nowhere."""

    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class StopPool:
    """No job follows."""

    at_once: bool


@dataclass(frozen=True, slots=True)
class Exit:
    """The worker is done."""

    code: int


Effect: TypeAlias = (
    SetPrefetch
    | Settle
    | Run
    | Recall
    | Conclude
    | Commit
    | Kill
    | Grow
    | Shrink
    | RestartPool
    | Unpark
    | Say
    | Emit
    | Received
    | Refused
    | StopPool
    | Exit
)
