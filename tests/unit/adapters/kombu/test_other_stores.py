"""The store that keeps nothing, and the hints of those that keep something."""

from __future__ import annotations

import threading

import pytest

from taskq.adapters.clock import SystemClock
from taskq.adapters.results.cache import CHORD_EXPIRES_S, WRITES_BETWEEN_SWEEPS, MemoryStore
from taskq.adapters.results.disabled import DisabledStore, NoResultStoreError
from taskq.adapters.results.mailboxes import Mailboxes
from taskq.errors import ImproperlyConfigured
from taskq.ports import ChordPart, Reading, ResultRecord


def result(task_id: str, state: str = "SUCCESS", **fields: float) -> ResultRecord:
    return ResultRecord(task_id, state, b"{}", **fields)  # type: ignore[arg-type]  # only expires_s


def test_reading_without_a_store_says_what_to_set() -> None:
    """Writing is nothing: tasks run without a store."""
    store = DisabledStore()
    store.store([result("t1")])
    store.stop_waiting(["t1"])
    for call in (
        lambda: store.load(["t1", "t2", "t3", "t4"]),
        lambda: store.wait(["t1"], None),
        lambda: store.forget(["t1"]),
        lambda: store.load_group("t1"),
        lambda: store.save_group("t1", b"", None),
        lambda: store.forget_group("t1"),
        lambda: store.open_chord("t1", 1, None),
        lambda: store.count_chord(ChordPart("t1", 0, "x", b"")),
        lambda: store.chord_parts("t1"),
        lambda: store.close_chord("t1", "a:0"),
        lambda: store.end_chord("t1"),
    ):
        with pytest.raises(NoResultStoreError, match=r"t1.*set result_backend") as caught:
            call()
        assert isinstance(caught.value, NotImplementedError | ImproperlyConfigured)
    assert not store.counts_chords


class HandClock(SystemClock):
    """Time that a test moves."""

    now_s = 0.0

    def read(self) -> Reading:
        return Reading(self.now_s, self.now_s)


def test_what_nobody_reads_is_dropped_too() -> None:
    """A process that only writes does not grow without a limit."""
    clock = HandClock()
    store = MemoryStore("cache+memory://sweeping", clock=clock)
    store.save_group("g", b"", 10)
    store.count_chord(ChordPart("c", 0, "t", b""))
    for at in range(WRITES_BETWEEN_SWEEPS):
        store.store([result(str(at), expires_s=10)])
    clock.now_s = CHORD_EXPIRES_S + 1
    for at in range(WRITES_BETWEEN_SWEEPS):
        store.store([result(f"later {at}", expires_s=10)])

    assert len(store._shelf.results) == WRITES_BETWEEN_SWEEPS
    assert store._shelf.groups == {}
    assert store._shelf.chords == {}


def test_stores_of_one_name_share_a_shelf() -> None:
    """And those of another do not."""
    clock = SystemClock()
    MemoryStore("cache+memory://one", clock=clock).store([result("t")])

    assert MemoryStore("cache+memory://one/", clock=clock).load(["t"])[0] is not None
    assert MemoryStore("cache+memory://two", clock=clock).load(["t"]) == [None]


def test_a_box_is_gone_when_nobody_listens() -> None:
    """A program that waits for a million results keeps nothing of them."""
    boxes = Mailboxes()
    assert boxes.listen(["a", "b"])
    assert not boxes.listen(["a"])
    boxes.deliver([result("a"), result("c")])
    assert [one.task_id for one in boxes.take(["a", "b"])] == ["a"]
    assert boxes.take(["a"]) == []
    boxes.stop(["a", "b"])

    assert boxes._boxes == {}
    boxes.stop(["a"])


def test_every_listening_thread_gets_a_letter() -> None:
    """Two threads that wait for one task are both told."""
    boxes, heard, ready = Mailboxes(), [], threading.Barrier(3)

    def listen() -> None:
        boxes.listen(["a"])
        ready.wait(5)
        heard.extend(boxes.take(["a"], 5))

    threads = [threading.Thread(target=listen) for _ in range(2)]
    for thread in threads:
        thread.start()
    ready.wait(5)
    boxes.deliver([result("a")])
    for thread in threads:
        thread.join()

    assert [one.task_id for one in heard] == ["a", "a"]
