"""Ports for the tests of this folder: they record, count and stand still."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, cast

from taskq import current
from taskq.app.app import App
from taskq.errors import ContentDisallowed, DecodeError, EncodeError
from taskq.ports import (
    Broker,
    ChordFull,
    ChordPart,
    ChordProgress,
    Completion,
    Encoded,
    Ending,
    Job,
    Outgoing,
    Place,
    Ports,
    Reading,
    ResultRecord,
    end_chords,
    grow_chords,
    weigh_chords,
)


class FixedClock:
    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def read(self) -> Reading:
        return Reading(self.now_s, self.now_s - 1_700_000_000.0)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


class Counting:
    def __init__(self) -> None:
        self._count = itertools.count(1)

    def uuid(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._count):012d}"

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


class JsonCodec:
    types: ClassVar = {"json": "application/json", "text": "text/plain"}

    def encode(self, value: Any, serializer: str) -> Encoded:
        try:
            body = json.dumps(value).encode()
        except (TypeError, ValueError) as error:
            raise EncodeError(str(error)) from error
        return Encoded(body, self.types.get(serializer, serializer), "utf-8")

    def decode(
        self, body: bytes, content_type: str, content_encoding: str, accept: frozenset[str]
    ) -> Any:
        if content_type not in accept:
            raise ContentDisallowed(content_type, sorted(accept))
        try:
            return json.loads(body)
        except ValueError as error:
            raise DecodeError(str(error)) from error

    def accepted(self, names: Sequence[str]) -> frozenset[str]:
        return frozenset(self.types.get(name, name) for name in names)

    def compress(self, body: bytes, method: str) -> tuple[bytes, str]:
        return b"Z" + body, f"application/x-{method}"

    def decompress(self, body: bytes, method: str, limit_bytes: int) -> bytes:
        if len(body) > limit_bytes:
            raise DecodeError("too large")
        return body[1:]


class RecordingBroker:
    name = "recording://"
    address = None

    def __init__(self) -> None:
        self.batches: list[list[Outgoing]] = []

    @property
    def sent(self) -> list[Outgoing]:
        return [each for batch in self.batches for each in batch]

    def publish(self, messages: Sequence[Outgoing]) -> None:
        self.batches.append(list(messages))

    def take(self) -> list[Outgoing]:
        sent, self.batches = self.sent, []
        return sent

    def close(self) -> None:
        pass


@dataclass
class DictStore:
    name: str = "dict://"
    address: str | None = None
    key_prefix: str = "celery-task-meta-"
    counts_chords: bool = True
    records: dict[str, ResultRecord] = field(default_factory=dict)
    stored: list[ResultRecord] = field(default_factory=list)
    groups: dict[str, bytes] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    marks: set[str] = field(default_factory=set)
    bodies: dict[str, bytes | None] = field(default_factory=dict)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    waits: list[tuple[tuple[str, ...], float | None]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    # Called at each wait: a test says here what happens in the meantime.
    meanwhile: Any = None

    def store(self, records: Sequence[ResultRecord]) -> None:
        for record in records:
            self.stored.append(record)
            self.records[record.task_id] = record

    def load(self, task_ids: Sequence[str]) -> list[ResultRecord | None]:
        return [self.records.get(each) for each in task_ids]

    def wait(self, task_ids: Sequence[str], timeout_s: float | None) -> list[ResultRecord]:
        self.waits.append((tuple(task_ids), timeout_s))
        assert len(self.waits) < 50, f"nobody will ever answer for {task_ids}"
        return list(self.meanwhile(timeout_s) or ()) if self.meanwhile is not None else []

    def stop_waiting(self, task_ids: Sequence[str]) -> None:
        self.stopped.extend(task_ids)

    def forget(self, task_ids: Sequence[str]) -> None:
        for each in task_ids:
            self.records.pop(each, None)

    def save_group(self, group_id: str, payload: bytes, expires_s: float | None) -> None:
        self.groups[group_id] = payload

    def load_group(self, group_id: str) -> bytes | None:
        return self.groups.get(group_id)

    def forget_group(self, group_id: str) -> None:
        self.groups.pop(group_id, None)

    def open_chord(
        self, group_id: str, size: int, expires_s: float | None, body: bytes | None = None
    ) -> None:
        self.sizes[group_id] = size
        self.bodies[group_id] = body

    def chord_body(self, group_id: str) -> bytes | None:
        return self.bodies.get(group_id)

    def grow_chord(self, group_id: str, by: int, mark: str = "") -> int:
        if mark not in self.marks:
            self.sizes[group_id] += by
            self.marks |= {mark} - {""}
        return self.sizes[group_id]

    def count_chord(self, part: ChordPart) -> ChordProgress:
        parts = self.parts.setdefault(part.group_id, {})
        first = part.index not in parts
        parts[part.index] = part.payload
        return ChordProgress(part.group_id, len(parts), self.sizes.get(part.group_id), first)

    def chord_parts(self, group_id: str) -> list[bytes]:
        return [payload for _, payload in sorted(self.parts.get(group_id, {}).items())]

    def close_chord(self, group_id: str, owner: str) -> bool:
        return self.owners.setdefault(group_id, owner) == owner

    def end_chord(self, group_id: str) -> None:
        self.owners[group_id] = "done"

    def close(self) -> None:
        pass


class LabApp(App):
    """An app whose ports are those of this module."""

    def make_ports(self) -> Ports:
        return Ports(
            clock=FixedClock(),
            randomness=Counting(),
            place=Place("host", 42),
            codec=JsonCodec(),
            broker=cast("Broker", RecordingBroker()),  # nothing here consumes
            store=DictStore(),
        )

    @property
    def lab_broker(self) -> RecordingBroker:
        return cast("RecordingBroker", self.ports.broker)

    @property
    def lab_store(self) -> DictStore:
        return cast("DictStore", self.ports.store)


def job_of(outgoing: Outgoing, token: int = 1, **changes: Any) -> Job:
    """Make of a sent message the job that a worker gets."""
    message = outgoing.message
    given = {
        "token": token,
        "headers": json.loads(json.dumps(dict(message.headers))),
        "body": message.body,
        "content_type": message.content_type,
        "content_encoding": message.content_encoding,
        "properties": dict(message.properties),
        "delivery_info": {
            "exchange": outgoing.exchange,
            "routing_key": outgoing.routing_key,
            "priority": message.properties.get("priority"),
            "redelivered": False,
        },
    }
    return Job(**{**given, **changes})


def body_of(outgoing: Outgoing) -> Any:
    return json.loads(outgoing.message.body)


def meta_of(record: ResultRecord) -> dict[str, Any]:
    meta: dict[str, Any] = json.loads(record.payload)
    return meta


def drain(app: Any, work: Any, limit: int = 100) -> list[Ending]:
    """Run all that is sent, and all that follows from it, as a worker would."""
    endings: list[Ending] = []
    todo = app.lab_broker.take()
    while todo:
        assert len(endings) < limit, "it does not come to an end"
        job = job_of(todo.pop(0), token=len(endings) + 1)
        ending = work(job)
        endings.append(ending)
        grow_chords([Completion(growth=ending.growth)], app.lab_store)
        app.lab_broker.publish(ending.follow_ups)
        if ending.result is not None:
            app.lab_store.store([ending.result])
        if ending.chord is not None:
            count(app, work, job, ending.chord)
        todo += app.lab_broker.take()
    return endings


def count(app: Any, work: Any, job: Job, part: ChordPart) -> bool:
    """Count a member of a chord, and do what ends chords by it; says whether any ends."""
    completion = Completion(chord=part)
    due = weigh_chords(0, completion, app.ports.store)
    while isinstance(due, ChordFull):
        ending = work.chord_ending(job, due, len(completion.endings))
        completion = replace(completion, endings=(*completion.endings, ending))
        due = weigh_chords(0, completion, app.ports.store)
    end_chords(due, app.ports.store, app.ports.broker.publish)
    return bool(due)


@contextmanager
def as_the_default(made: Any) -> Iterator[Any]:
    """Let an app be the default one until the block ends."""
    before = current._Process.current, current._Process.default
    token = current._app_here.set(None)
    made.set_default()
    yield made
    made.close()
    current._app_here.reset(token)
    current._Process.current, current._Process.default = before
