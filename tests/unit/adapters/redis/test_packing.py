"""Results that are compressed: as Celery writes them, and never less safe for it."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from taskq.adapters.results.packing import MARK, Packing
from taskq.errors import DecodeError, ImproperlyConfigured
from taskq.ports import ChordPart, ResultRecord
from tests.unit.adapters.redis.conftest import Bench

KEY = "celery-task-meta-t"


def meta(state: str, **fields: Any) -> ResultRecord:
    payload = f'{{"status": "{state}", "result": "{"x" * 100}"}}'.encode()
    return ResultRecord("t", state, payload, **fields)


def test_a_result_is_kept_as_celery_keeps_it(bench: Bench) -> None:
    """Its mark, the content type of the method, a zero, and the compressed text."""
    record = meta("SUCCESS", expires_s=60)
    bench.store(packing=Packing("gzip")).store([record])

    mark = b"\0celery-compressed\0application/x-gzip\0"
    kept = bench.client.get(KEY)
    assert kept.startswith(mark)
    assert zlib.decompress(kept.removeprefix(mark)) == record.payload
    assert 0 < bench.client.ttl(f"{KEY}.state") <= 60


@pytest.mark.parametrize("method", ["gzip", "bzip2", "zlib", "application/x-gzip"])
def test_a_reader_needs_no_setting(bench: Bench, method: str) -> None:
    """A store that compresses nothing reads what another compressed: results, groups, parts."""
    writer, reader = bench.store(packing=Packing(method)), bench.store()
    writer.store([meta("FAILURE")])
    writer.save_group("g", b"[1]", None)
    writer.count_chord(ChordPart("g", 0, "t", b'[1, "t", "SUCCESS", 2]'))

    [found] = reader.load(["t"])
    assert found is not None
    assert (found.state, found.payload) == ("FAILURE", meta("FAILURE").payload)
    assert found.content_type == "application/json"
    assert reader.load_group("g") == b"[1]"
    assert reader.chord_parts("g") == [b'[1, "t", "SUCCESS", 2]']
    assert all(bench.client.get(key).startswith(MARK) for key in (KEY, "celery-taskset-meta-g"))


@pytest.mark.parametrize("again", [Packing("gzip"), Packing()], ids=["compressed", "plain"])
def test_a_final_state_stays_though_nobody_sees_it(bench: Bench, again: Packing) -> None:
    """The state is kept beside the compressed result."""
    bench.store(packing=Packing("gzip")).store([meta("SUCCESS")])
    bench.store(packing=again).store([meta("RETRY"), meta("FAILURE")])

    [found] = bench.store().load(["t"])
    assert found is not None
    assert found.state == "SUCCESS"


def test_what_somebody_else_wrote_over_it_is_not_mistaken_for_it(bench: Bench) -> None:
    """The state beside a result is that of a text of its length."""
    store = bench.store(packing=Packing("gzip"))
    store.store([meta("SUCCESS")])
    bench.client.set(KEY, MARK + b"application/x-gzip\0" + zlib.compress(b'{"status": "RETRY"}'))
    store.store([meta("FAILURE")])

    [found] = store.load(["t"])
    assert found is not None
    assert found.state == "FAILURE"


def test_forgetting_leaves_nothing(bench: Bench) -> None:
    """Neither the result nor its state."""
    store = bench.store(packing=Packing("gzip"))
    store.store([meta("SUCCESS")])
    store.forget(["t"])

    assert bench.client.keys("celery-task-meta-*") == []


def test_a_method_that_is_not_there_is_refused_at_once() -> None:
    """With its name, before anything is stored."""
    with pytest.raises(ImproperlyConfigured, match="no compression is called 'gzib'"):
        Packing("gzib")


def test_what_expands_too_far_is_refused() -> None:
    """A few kilobytes must not become gigabytes."""
    packed = Packing("gzip").pack(b"0" * 10_000)

    with pytest.raises(DecodeError, match="more than 100 bytes"):
        Packing(limit_bytes=100).unpack(packed)
