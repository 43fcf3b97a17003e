"""The record of a run, append-only: food for checks, for people, and for the comparison of runs.

A ``Record`` says when, on which node, what, and with which facts.  ``EVENTS`` lists every
``what`` there is; a scenario's patterns and the checks use these names.  Facts are plain values
(text, numbers, booleans, bytes), or frozen records of them (a message), so that a record reads
the same in every process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

EVENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "task.send": "a task was handed to the broker",
        "message.send": "something that is no task was handed to the broker: an event, a reply",
        "task.start": "a body begins",
        "task.limit": "the soft time limit of a body has passed; it is told inside the body",
        "task.end": "a body has ended; its result is not stored yet",
        "task.conclude": "a task ends without (any more of) its body",
        "broker.deliver": "the broker gave a message to a worker",
        "broker.claim": "a worker said that a body is about to begin, and must not begin again",
        "broker.ack": "a message is done with",
        "broker.requeue": "a worker gave a message back",
        "broker.restore": "the broker took a message back from a worker that is gone",
        "broker.find": "a worker found a claimed message of one that is gone",
        "broker.park": "a message was put aside until its time",
        "broker.due": "a message that was put aside is in its queue again",
        "broker.replay": "a dead letter was put into its queue again",
        "broker.dead": "a message went to the dead letters",
        "broker.reload": "a script was sent again: the server had forgotten it",
        "broker.drop": "a message went nowhere: no queue, expired, or purged",
        "result.store": "a result was written",
        "result.refuse": "a result was not written over a more final one",
        "chord.grow": "a chord waits for members that a member added",
        "chord.count": "a member of a chord's header was counted",
        "chord.close": "somebody got the right to send a chord's body",
        "chord.end": "a chord's body was sent, or it failed: nobody gets the right any more",
        "rest.keep": "the far steps of a chain were put into the result store",
        "rest.load": "some of them were read there, or were gone",
        "worker.start": "a worker began",
        "worker.stop": "a worker was asked to stop",
        "worker.revoke": "a worker learned that a task, or all with some stamps, must not begin",
        "worker.signal": "a worker got a signal of the operating system",
        "worker.exit": "a worker ended by itself",
        "worker.say": "a worker wrote a line to its log",
        "worker.disconnect": "a worker saw that the broker is gone",
        "worker.connect": "a worker found the broker again",
        "beat.start": "a beat began",
        "beat.stop": "a beat was asked to stop",
        "beat.save": "a beat wrote its schedule file",
        "beat.exit": "a beat ended by itself",
        "call.late": "a call of a port took longer than its limit",
        "fault.kill": "a node died with everything in it",
        "fault.kill_process": "one process of a worker died",
        "fault.freeze": "everything on a node stood still for a while",
        "fault.broker_loss": "a node lost its connection to the broker",
        "fault.store_loss": "a node lost its connection to the result store",
        "fault.clock_jump": "a node's wall clock was set",
        "fault.begin": "something goes wrong from now on, or went wrong at once; `fault` says what",
        "fault.end": "it is over",
    }
)

# What is in a record for programs alone: a message as a whole, as it was sent.
UNSHOWN: Final = frozenset({"message"})


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened."""

    index: int
    at_s: float
    node: str
    what: str
    facts: Mapping[str, Any]

    @property
    def task_id(self) -> str | None:
        """The task that it is about."""
        return self.facts.get("id")

    def matches(self, what: str, facts: Mapping[str, Any]) -> bool:
        """Whether it is of that kind, and says all of that."""
        if self.what != what:
            return False
        mine = self.facts
        return all(
            (self.node if key == "node" else mine.get(key)) == value for key, value in facts.items()
        )

    def __str__(self) -> str:
        shown = " ".join(
            f"{key}={_shown(value)}" for key, value in self.facts.items() if key not in UNSHOWN
        )
        return (
            f"{self.index:>6} {clock_text(self.at_s):>15} {self.node:<10} {self.what:<18} {shown}"
        )


@dataclass(frozen=True, slots=True)
class Watch:
    """Somebody wants to act when something happens for the nth time."""

    what: str
    matches: Callable[[Record], bool]
    nth: int
    act: Callable[[Record], None]


class Trace:
    """What happened in one run."""

    def __init__(self) -> None:
        self.choices: list[int] = []
        # Kept in columns; records are made when somebody looks.  To make nine records for each task
        # took a twentieth of its time, and that the garbage collector visits them all a sixth.
        self._times: list[float] = []
        self._nodes: list[str] = []
        self._kinds: list[str] = []
        self._facts: list[dict[str, Any]] = []
        self._places: dict[str, list[int]] = {what: [] for what in EVENTS}
        self._records: list[Record] = []
        self._watches: dict[str, list[list[Any]]] = {}
        self.onlookers: list[Callable[[Record], None]] = []  # they look, and change nothing

    def add(
        self, at_s: float, node: str, what: str, facts: dict[str, Any]
    ) -> list[Callable[[], None]]:
        """Append; returns what watchers want to be done now."""
        place = len(self._times)
        self._places[what].append(place)
        self._times.append(at_s)
        self._nodes.append(node)
        self._kinds.append(what)
        self._facts.append(facts)
        for look in self.onlookers:
            look(self._record(place))
        watched = self._watches.get(what)
        return _triggered(watched, self._record(place)) if watched else []

    def watch(self, watch: Watch) -> None:
        """Be told when a record comes that matches."""
        self._watches.setdefault(watch.what, []).append([watch, watch.nth])

    @property
    def records(self) -> Sequence[Record]:
        """All that happened, in order."""
        made = self._records
        made.extend(map(self._record, range(len(made), len(self))))
        return made

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self._times)

    def find(self, what: str, **facts: Any) -> list[Record]:
        """All records of a kind that say all of that; ``node=`` is the node's name."""
        found = map(self._record, self._places.get(what, ()))
        return [record for record in found if record.matches(what, facts)]

    def count(self, what: str, **facts: Any) -> int:
        """How many there are."""
        return len(self.find(what, **facts) if facts else self._places.get(what, ()))

    def of_task(self, task_id: str) -> list[Record]:
        """Everything about one task."""
        return [record for record in self.records if record.facts.get("id") == task_id]

    def text(self, last: int | None = None) -> str:
        """One line for each record."""
        return "\n".join(map(str, self.records[-last:] if last else self.records))

    def hash(self) -> str:
        """A fingerprint of choices, events and the bytes of all payloads."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(repr(self.choices).encode())
        columns = zip(self._times, self._nodes, self._kinds, self._facts, strict=True)
        for at_s, node, what, facts in columns:
            digest.update(repr((at_s, node, what, tuple(facts.items()))).encode())
        return digest.hexdigest()

    def _record(self, place: int) -> Record:
        if place < len(self._records):
            return self._records[place]
        return Record(
            place, self._times[place], self._nodes[place], self._kinds[place], self._facts[place]
        )


def clock_text(at_s: float) -> str:
    """Elapsed time for people: ``1d 02:03:04.500``."""
    days, rest = divmod(at_s, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    text = f"{int(hours):02d}:{int(minutes):02d}:{seconds:06.3f}"
    return f"{int(days)}d {text}" if days else text


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return f"<{len(value)} bytes {hashlib.blake2b(value, digest_size=4).hexdigest()}>"
    text = str(value)
    return f"{text[:57]}..." if len(text) > 60 else text  # noqa: PLR2004 - one line on a screen


def _triggered(watched: list[list[Any]], record: Record) -> list[Callable[[], None]]:
    """Count down each watch that matches; those at zero act once."""
    acts: list[Callable[[], None]] = []
    for state in list(watched):
        watch: Watch = state[0]
        if not watch.matches(record):
            continue
        state[1] -= 1
        if state[1] == 0:
            watched.remove(state)
            acts.append(partial(watch.act, record))
    return acts
