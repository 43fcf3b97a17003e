"""Records cross a pipe unchanged, in whatever pieces their bytes arrive."""

from __future__ import annotations

import datetime as dt
import decimal
import threading
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.adapters.pools.frames import (
    CANNOT_PICKLE,
    BrokenFrameError,
    FrameReader,
    ending_of,
    ending_row,
    job_of,
    pack,
    pack_jobs,
)
from taskq.ports import (
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
    RetryPolicy,
)

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
exotic: st.SearchStrategy[Any] = (
    st.datetimes() | st.decimals(allow_nan=False) | st.uuids() | st.just(MappingProxyType({}))
)
tables = st.dictionaries(st.text(), plain | exotic, max_size=4)
mappings = tables | tables.map(MappingProxyType)
texts = st.text(max_size=20)
seconds = st.none() | st.floats(min_value=0, max_value=1e6)

jobs = st.builds(
    Job, st.integers(min_value=0), mappings, st.binary(), texts, texts, mappings, mappings,
    seconds, seconds, st.booleans(),
)  # fmt: skip
exchanges = st.builds(ExchangeSpec, texts, texts, arguments=mappings)
queues = st.builds(
    QueueSpec, texts, exchanges, texts, arguments=mappings,
    bindings=st.lists(st.tuples(exchanges, texts), max_size=2).map(tuple),
)  # fmt: skip
options = st.builds(PublishOptions, st.none() | st.builds(RetryPolicy), seconds, seconds)
outgoing = st.builds(
    Outgoing,
    st.builds(Message, mappings, st.binary(), texts, texts, mappings),
    texts, texts, texts,
    st.lists(queues | exchanges, max_size=2).map(tuple),
    options,
)  # fmt: skip
results = st.builds(
    ResultRecord, texts, texts, st.binary(), texts, texts, seconds, st.none() | texts
)
chords = st.builds(ChordPart, texts, st.integers(), texts, st.binary(), seconds)
endings = st.builds(
    Ending, st.integers(min_value=0), st.sampled_from(EndingKind), st.floats(0, 1e6),
    st.none() | results, st.lists(outgoing, max_size=2).map(tuple), st.none() | chords,
    texts, texts, st.booleans(),
)  # fmt: skip


def read(data: bytes) -> Sequence[Any]:
    return FrameReader().feed(data)


@given(st.lists(jobs, min_size=1, max_size=4))
def test_jobs_arrive_as_they_were_sent(batch: list[Job]) -> None:
    """A batch of jobs is read as the same jobs, whatever stands in their headers."""
    assert [job_of(row) for row in read(pack_jobs(batch))] == batch


@given(st.lists(endings, min_size=1, max_size=3))
def test_endings_arrive_as_they_were_sent(batch: list[Ending]) -> None:
    """Results, chord parts and follow-ups of an ending are read as the same records."""
    frames = pack([ending_row(ending) for ending in batch])

    assert [ending_of(row) for row in read(frames)] == batch


@given(
    st.lists(st.lists(st.tuples(plain | st.dates()), min_size=1, max_size=3), max_size=5),
    st.lists(st.integers(min_value=1, max_value=40), min_size=1),
)
def test_frames_survive_any_cut(frames: list[list[Any]], cuts: list[int]) -> None:
    """However the bytes of some frames are cut into reads, the same rows come out, in order."""
    data, reader, turn = b"".join(map(pack, frames)), FrameReader(), 0
    rows: list[Any] = []
    while data:
        size = cuts[turn % len(cuts)]
        rows += reader.feed(data[:size])
        data, turn = data[size:], turn + 1

    assert rows == [row for frame in frames for row in frame]


@pytest.mark.parametrize(
    "data", [b"hello, world", b"\x02\0\0\0m\0", b"\x03\0\0\0p..", b"\x01\0\0\0m" * 2]
)
def test_bytes_that_are_no_frame_are_refused(data: bytes) -> None:
    """What somebody else wrote into the pipe is no row of anything."""
    with pytest.raises(BrokenFrameError):
        read(data)


def test_what_cannot_be_pickled_is_refused_before_a_byte_is_sent() -> None:
    """A lock in a header raises one of the errors that a sender expects."""
    job = Job(1, {"lock": threading.Lock()}, b"", "a", "b", {}, {})

    with pytest.raises(CANNOT_PICKLE):
        pack_jobs([job])


def test_a_connection_of_the_child_stays_there() -> None:
    """A follow-up travels without the user's own link, and without a kombu object that cannot."""
    queue = QueueSpec("q", ExchangeSpec("x"), "q", native=threading.Lock())
    message = Message({}, b"", "a", "b")
    ending = Ending(
        1,
        EndingKind.SUCCEEDED,
        follow_ups=(
            Outgoing(
                message, "x", "q", declare=(queue,), options=PublishOptions(link=threading.Lock())
            ),
        ),
    )
    [row] = read(pack([ending_row(ending)]))
    [follow_up] = ending_of(row).follow_ups

    assert follow_up.options.link is None
    assert [getattr(item, "native", "gone") for item in follow_up.declare] == [None]
    assert ending_of(row) == ending


def test_dates_and_decimals_keep_their_type() -> None:
    """Nothing is turned into text on the way."""
    values = {"at": dt.datetime(2030, 1, 2, tzinfo=dt.UTC), "n": decimal.Decimal("1.50")}
    [row] = read(pack_jobs([Job(1, values, b"", "a", "b", {}, {})]))

    assert job_of(row).headers == values
    assert {type(value) for value in job_of(row).headers.values()} == {dt.datetime, decimal.Decimal}


def test_what_each_message_declares_is_its_own() -> None:
    """Equal queues may have different objects of kombu's, and the next message none at all."""
    queues = [QueueSpec("q", ExchangeSpec("q"), "q", native=native) for native in ("a", "b", "b")]
    sent = [
        Outgoing(Message({}, b"", "a/b", "c"), "q", "q", "direct", declare, options)
        for declare, options in (
            *(((queue,), PublishOptions(mandatory=True)) for queue in (*queues, *queues)),
            ((queues[0],), PublishOptions()),
            ((), PublishOptions()),
            ((queues[0], queues[1]), PublishOptions()),
        )
    ]
    ending = Ending(1, EndingKind.SUCCEEDED, follow_ups=tuple(sent))
    [row] = FrameReader().feed(pack([ending_row(ending)]))
    came = ending_of(row).follow_ups

    assert came == tuple(sent)
    assert natives(came) == natives(sent)


def natives(messages: Sequence[Outgoing]) -> list[list[Any]]:
    return [[getattr(spec, "native", None) for spec in one.declare] for one in messages]
