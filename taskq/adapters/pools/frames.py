"""Turns batches of records into frames for a pipe, and bytes from a pipe into batches.

Called by both ends of the prefork pool (``handle.py`` and ``traffic.py`` in the parent,
``child.py`` in a child).
A frame is a length of four bytes, one byte that names the encoding, and a list of plain tuples.
``marshal`` is the encoding, because it is the fastest and both ends are one interpreter; what it
cannot take (dates in headers of AMQP) makes the whole frame a pickle.

Owned here: what a record looks like inside a frame.  Not owned: file descriptors, and when a
frame is sent.
"""

from __future__ import annotations

import copyreg
import io
import marshal
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, make_dataclass, replace
from enum import IntEnum
from functools import lru_cache
from operator import attrgetter, is_
from struct import Struct
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeVar, cast

from taskq.ports import (
    DEFAULT_PUBLISH,
    ChordGrowth,
    ChordPart,
    Ending,
    EndingKind,
    ExchangeSpec,
    Job,
    Message,
    Outgoing,
    PublishOptions,
    QueueSpec,
    ResultRecord,
)

Row: TypeAlias = tuple[Any, ...]
Declared: TypeAlias = tuple[QueueSpec | ExchangeSpec, ...]
Record = TypeVar("Record")

HEAD: Final = Struct("<I")
MARSHAL: Final = ord("m")
PICKLE: Final = ord("p")
# Version 4 writes a string that occurs twice only once; headers of a batch share their keys.
MARSHAL_VERSION: Final = 4
# What four bytes can say.  No broker takes a message that comes near it.
MAX_PAYLOAD_BYTES: Final = 2**32 - 1
# What pickle raises for a value that cannot be pickled, depending on the value.
CANNOT_PICKLE: Final = (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError)


class BrokenFrameError(Exception):
    """What came through the pipe was not written by the other end of the pool."""


class News(IntEnum):
    """What a row from a child tells; the first item of the row."""

    ENDING = 0  # what ``ending_row`` has
    READY = 1  # pid, resident KiB
    STARTED = 2  # token
    FULL = 3  # why the child ends by itself
    BROKEN = 4  # why the child could not begin
    LIMIT_PASSED = 5  # soft limit, name of the task, its id


# The one that is as frequent as jobs; looking it up in the enumeration costs more than the test.
ENDING: Final = int(News.ENDING)


def _row_of(record: type) -> Callable[[Any], Row]:
    """Return what makes a tuple of all fields of a record, in their order."""
    return cast("Callable[[Any], Row]", attrgetter(*(item.name for item in fields(record))))


def _maker_of(record: type[Record]) -> Callable[..., Record]:
    """Return what makes a record of the values of all its fields, four times as fast as its class.

    A frozen record is filled field by field through ``object.__setattr__``: 2 us for each job and
    for each ending, more than all the rest of its way.  A draft with the same slots is filled
    plainly, and becomes the record.
    """
    names = [(item.name, Any) for item in fields(cast("Any", record))]
    draft_class = make_dataclass(f"{record.__name__}Draft", names, slots=True, eq=False)

    def make(*values: Any) -> Record:
        draft: Any = draft_class(*values)
        draft.__class__ = record
        return cast("Record", draft)

    return make


_make_job: Final = _maker_of(Job)
_make_ending: Final = _maker_of(Ending)
_job_row: Final = _row_of(Job)
_result_row: Final = _row_of(ResultRecord)
_chord_row: Final = _row_of(ChordPart)
_KINDS: Final = tuple(EndingKind)
_KIND_NUMBERS: Final = {kind: number for number, kind in enumerate(_KINDS)}


# -- frames ------------------------------------------------------------------------------------


class _Pickler(pickle.Pickler):
    """A pickler that takes read-only mappings, which the ports use as defaults."""

    dispatch_table = copyreg.dispatch_table.copy()
    dispatch_table[MappingProxyType] = lambda mapping: (dict, (dict(mapping),))


def pickled(value: Any) -> bytes:
    """Pickle, read-only mappings included."""
    sink = io.BytesIO()
    _Pickler(sink, protocol=5).dump(value)
    return sink.getvalue()


def pack(rows: list[Row]) -> bytes:
    """Return one frame.  Raises one of ``CANNOT_PICKLE`` for what cannot leave its process."""
    try:
        payload, kind = marshal.dumps(rows, MARSHAL_VERSION), b"m"
    except ValueError:
        payload, kind = pickled(rows), b"p"
    return _frame(kind, payload)


def _frame(kind: bytes, payload: bytes) -> bytes:
    size = len(payload) + 1
    if size > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a frame of {size} bytes is more than {MAX_PAYLOAD_BYTES}")
    return b"".join((HEAD.pack(size), kind, payload))


def unpack(payload: memoryview) -> list[Row]:
    """Return the rows of one frame, given without its length."""
    try:
        if payload[0] == MARSHAL:
            return cast("list[Row]", marshal.loads(payload[1:]))  # noqa: S302 - our own child wrote it
        return cast("list[Row]", pickle.loads(payload[1:]))  # noqa: S301 - our own child wrote it
    except Exception as error:  # a boundary: broken bytes make both modules raise anything
        raise BrokenFrameError(
            f"a frame of {len(payload)} bytes cannot be read: {error!r}"
        ) from error


class FrameReader:
    """Collects bytes until whole frames are there."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Sequence[Row]:
        """Return the rows of all frames that the bytes complete."""
        if not self._buffer:
            # The ordinary case, without a copy: one read brought one whole frame.
            if len(data) > HEAD.size and HEAD.unpack_from(data)[0] == len(data) - HEAD.size:
                return unpack(memoryview(data)[HEAD.size :])
            self._buffer += data
        else:
            self._buffer += data
        return self._take()

    def _take(self) -> Sequence[Row]:
        rows: list[Row] = []
        buffer, start = self._buffer, 0
        while len(buffer) - start > HEAD.size:
            end = start + HEAD.size + HEAD.unpack_from(buffer, start)[0]
            if buffer[start + HEAD.size] not in {MARSHAL, PICKLE}:
                raise BrokenFrameError(
                    f"not the beginning of a frame: {bytes(buffer[start:][:16])!r}"
                )
            if len(buffer) < end:
                break
            with memoryview(buffer) as view, view[start + HEAD.size : end] as payload:
                rows += unpack(payload)
            start = end
        del buffer[:start]
        return rows


# -- jobs --------------------------------------------------------------------------------------


def pack_jobs(jobs: Sequence[Job]) -> bytes:
    """Return a frame for a child."""
    try:
        payload = marshal.dumps([_job_row(job) for job in jobs], MARSHAL_VERSION)
    except ValueError:
        return pack([_plain_row(job) for job in jobs])
    return _frame(b"m", payload)


def _plain_row(job: Job) -> Row:
    return tuple(dict(item) if isinstance(item, Mapping) else item for item in _job_row(job))


def job_of(row: Row) -> Job:
    """Read a row of ``pack_jobs``."""
    return _make_job(*row)


# -- endings -----------------------------------------------------------------------------------


def ending_row(ending: Ending) -> Row:
    """Return the row that tells of an ending."""
    result, chord, growth = ending.result, ending.chord, ending.growth
    return (
        ENDING,
        ending.token,
        _KIND_NUMBERS[ending.kind],
        ending.runtime_s,
        None if result is None else _result_row(result),
        [_outgoing_row(item) for item in ending.follow_ups] if ending.follow_ups else (),
        None if chord is None else _chord_row(chord),
        ending.summary,
        ending.traceback,
        ending.expected,
        None if growth is None else (growth.group_id, growth.mark, growth.by),
    )


def ending_of(row: Row) -> Ending:
    """Read a row of ``ending_row``."""
    _, token, kind, runtime_s, result, follow_ups, chord, summary, traceback, expected, growth = row
    return _make_ending(
        token,
        _KINDS[kind],
        runtime_s,
        None if result is None else ResultRecord(*result),
        tuple([_outgoing_of(item) for item in follow_ups]) if follow_ups else (),
        None if chord is None else ChordPart(*chord),
        summary,
        traceback,
        expected,
        None if growth is None else ChordGrowth(*growth),
    )


def _outgoing_row(outgoing: Outgoing) -> Row:
    message = outgoing.message
    plain = not outgoing.declare and outgoing.options == DEFAULT_PUBLISH
    return (
        dict(message.headers),
        message.body,
        message.content_type,
        message.content_encoding,
        dict(message.properties),
        outgoing.exchange,
        outgoing.routing_key,
        outgoing.exchange_type,
        None if plain else _WRITTEN.bytes_of(outgoing.declare, outgoing.options),
    )


def _outgoing_of(row: Row) -> Outgoing:
    *message, exchange, routing_key, exchange_type, extras = row
    declare, options = _extras_of(extras) if extras else ((), DEFAULT_PUBLISH)
    return Outgoing(Message(*message), exchange, routing_key, exchange_type, declare, options)


# Nearly all messages of a process have the same extras, and pickling them costs more than all else
# in a row: so they are read once, and written once as long as they stay what they are.
MOST_EXTRAS: Final = 32


@lru_cache(MOST_EXTRAS)
def _extras_of(extras: bytes) -> tuple[Declared, PublishOptions]:
    declare, options = pickle.loads(extras)  # noqa: S301 - see above
    return declare, options


class _Written:
    """The extras that were written last."""

    def __init__(self) -> None:
        self._last: tuple[Declared, PublishOptions, bytes] = ((), DEFAULT_PUBLISH, b"")

    def bytes_of(self, declare: Declared, options: PublishOptions) -> bytes:
        known, how, written = self._last
        # By identity: of two that are equal each may have a kombu object of its own.
        same = len(declare) == len(known) and all(map(is_, declare, known))
        if not written or not same or options != how:
            written = _pickled_extras(declare, options)
            self._last = declare, options, written
        return written


_WRITTEN: Final = _Written()


def _pickled_extras(declare: Declared, options: PublishOptions) -> bytes:
    # The link is a connection of the child's; it means nothing in the process that publishes.
    options = replace(options, link=None)
    try:
        return pickled((declare, options))
    except CANNOT_PICKLE:
        # A kombu object bound to a channel; the specification beside it says the same.
        return pickled((tuple(_without_native(item) for item in declare), options))


def _without_native(item: QueueSpec | ExchangeSpec) -> QueueSpec | ExchangeSpec:
    return replace(item, native=None) if isinstance(item, QueueSpec) else item
