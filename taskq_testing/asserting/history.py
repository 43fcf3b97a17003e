"""The trace as tests look at it: what was published, which bodies ran.

A ``Sent`` is one message in one queue, decoded; a ``Run`` is one begin of a body.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from taskq.adapters.broker.serializers import KombuCodec
from taskq.ports import Message
from taskq.protocol.message import Call, read
from taskq_testing.sim.trace import Record, Trace, clock_text

_CODEC = KombuCodec()
# No test has a body of this size; a bound, because decompressing wants one.
_MOST_BYTES = 1 << 30


class Happened(Protocol):
    """Where something has happened: a world of any kind."""

    trace: Trace
    start_s: float  # the wall time at which it began


@dataclass(frozen=True, slots=True)
class Sent:
    """One task message in one queue."""

    index: int  # its place in the trace
    at_s: float  # seconds since the world began
    wall_s: float
    node: str  # who has sent it
    queue: str
    call: Call

    @property
    def task(self) -> str:
        """The name of the task."""
        return self.call.task

    @property
    def id(self) -> str:
        """Its id."""
        return self.call.id

    @property
    def args(self) -> list[Any]:
        """The positional arguments, as they travel."""
        return list(self.call.args)

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """The named arguments, as they travel."""
        return self.call.kwargs

    @property
    def headers(self) -> Mapping[str, Any]:
        """The caller's own headers, and stamps."""
        return {**self.call.headers, **self.call.stamps}

    @property
    def eta(self) -> datetime | None:
        """When it may begin; None: at once."""
        return None if self.call.eta is None else moment(self.call.eta)

    @property
    def due_in_s(self) -> float:
        """How long it has to wait, from when it was sent."""
        return 0.0 if self.eta is None else self.eta.timestamp() - self.wall_s

    @property
    def chain(self) -> list[Mapping[str, Any]]:
        """What follows it in its chain, the next step first."""
        return list(reversed(self.call.chain or ()))

    def __str__(self) -> str:
        told = f"{clock_text(self.at_s)} {self.node}: {called(self.task, self.args, self.kwargs)}"
        told += f" on {self.queue!r}"
        if self.call.retries:
            told += f", retry {self.call.retries}"
        if self.eta is not None:
            told += f", due in {self.due_in_s:g} s"
        if self.call.chain:
            told += f", then {', then '.join(str(step['task']) for step in self.chain)}"
        if self.call.chord:
            told += f", in a chord with {self.call.chord['task']}"
        return told


@dataclass(frozen=True, slots=True)
class Run:
    """One begin of a body."""

    index: int
    at_s: float
    node: str
    task: str
    id: str
    retries: int
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    ended: str | None = None  # how; None: it runs, or was killed
    end_index: int | None = None
    summary: str = ""  # the repr of its result or error

    def __str__(self) -> str:
        told = f"{clock_text(self.at_s)} {self.node}: {called(self.task, self.args, self.kwargs)}"
        if self.retries:
            told += f", retry {self.retries}"
        told += f" -> {self.ended or 'has not ended'}"
        return f"{told}: {self.summary}" if self.summary else told


def called(task: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """A call as a program would write it."""
    said = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]
    return f"{task}({', '.join(said)})"


def sent_in(happened: Happened, since: int = 0) -> list[Sent]:
    """Everything that was published, in order."""
    found = happened.trace.find("task.send")
    return [_sent(record, happened.start_s) for record in found if record.index >= since]


def runs_in(happened: Happened, since: int = 0) -> list[Run]:
    """Every begin of a body, in order."""
    known = {(sent.id, sent.call.retries): sent for sent in sent_in(happened)}
    ends = _ends(happened.trace)
    return [
        _run(record, known, ends)
        for record in happened.trace.find("task.start")
        if record.index >= since
    ]


def _sent(record: Record, start_s: float) -> Sent:
    message: Message = record.facts["message"]
    body = message.body
    compression = message.headers.get("compression")
    if compression:
        body = _CODEC.decompress(body, compression, _MOST_BYTES)
    kind = message.content_type
    value = _CODEC.decode(body, kind, message.content_encoding, _CODEC.accepted([kind]))
    return Sent(
        record.index,
        record.at_s,
        start_s + record.at_s,
        record.node,
        record.facts["queue"],
        read(message.headers, message.properties, value),
    )


def _ends(trace: Trace) -> Mapping[int, Record]:
    """Index of a begin -> its end."""
    open_runs: dict[tuple[str, Any, Any], list[int]] = {}
    ends: dict[int, Record] = {}
    for record in _starts_and_ends(trace):
        facts = record.facts
        key = (record.node, facts["id"], facts["retries"])
        if record.what == "task.start":
            open_runs.setdefault(key, []).append(record.index)
        elif open_runs.get(key):
            ends[open_runs[key].pop()] = record
    return ends


def _starts_and_ends(trace: Trace) -> Iterator[Record]:
    both = [*trace.find("task.start"), *trace.find("task.end")]
    yield from sorted(both, key=lambda record: record.index)


def _run(record: Record, known: Mapping[tuple[str, int], Sent], ends: Mapping[int, Record]) -> Run:
    facts, end = record.facts, ends.get(record.index)
    sent = known.get((facts["id"], facts["retries"]))
    return Run(
        record.index,
        record.at_s,
        record.node,
        facts["task"],
        facts["id"],
        facts["retries"],
        [] if sent is None else sent.args,
        {} if sent is None else sent.kwargs,
        None if end is None else end.facts["how"],
        None if end is None else end.index,
        "" if end is None else end.facts.get("summary", ""),
    )


def moment(text: str) -> datetime:
    """A moment as messages have it; without a zone it is UTC."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
