# ruff: noqa: PLR2004 - the suite is tests: counts of what was done a line above
"""What every ResultStore must do, whatever it stands on: one suite for real stores and models.

A test class inherits ``StoreSuite`` and gives a fixture ``rig``: stores on one server, and what it
is known to do differently (``StoreTraits``).  A trait changes what a test expects; it never leaves
a test out.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import pytest

from taskq.ports import (
    ChordPart,
    Clock,
    GrowsChords,
    KeepsRests,
    ResultRecord,
    ResultStore,
)
from taskq_testing.conformance.broker.rig import in_threads

PATIENCE_S: Final = 10.0
GLANCE_S: Final = 0.1
LOOK_S: Final = 0.01
LIFE_S: Final = 1.0
# Servers that count whole seconds forget a second later.
EXPIRED_S: Final = 1.1


@dataclass(frozen=True, slots=True)
class StoreTraits:
    """What stores really do differently."""

    groups: bool = True  # keeps records of groups
    chords: bool = True
    rests: bool = True  # keeps those of long chains
    # Everybody who asks may read a result; otherwise it goes to who sent the task.
    shared: bool = True
    threads: bool = True  # lives in a world with threads
    # Returns the very bytes that it was given; otherwise what they say.
    exact: bool = True
    tells: bool = True  # hints of each change; otherwise who waits sees the last state only
    # Lets results expire by themselves; otherwise all of one age go when it is told to clean up,
    # or (None) when somebody deletes them.
    expires: bool = True
    sweeps: bool = False


class StoreRig(Protocol):
    """Stores on one server."""

    @property
    def traits(self) -> StoreTraits:
        """What this server does differently."""

    @property
    def clock(self) -> Clock:
        """The time that they live in."""

    def writer(self) -> ResultStore:
        """Return a store as a worker has it."""

    def reader(self) -> ResultStore:
        """Return a store as a client has it; one that answers by message listens by then."""

    def reply_to(self) -> str | None:
        """Where results for this thread go, in stores that answer by message."""

    def unique(self, name: str) -> str:
        """Return a name that no other test uses."""


class StoreBench:
    """The rig with the words in which the tests are written."""

    def __init__(self, rig: StoreRig) -> None:
        self.rig, self.traits, self.clock = rig, rig.traits, rig.clock
        self.reader, self.writer = rig.reader(), rig.writer()

    def record(self, task_id: str, state: str = "SUCCESS", **fields: Any) -> ResultRecord:
        """Return a result as a worker stores it."""
        payload = f'{{"status": "{state}", "result": 5, "task_id": "{task_id}"}}'.encode()
        record = ResultRecord(
            task_id,
            state,
            payload,
            expires_s=3600.0,
            reply_to=self.rig.reply_to(),
            correlation_id=task_id,
        )
        return replace(record, **fields)

    def state(self, task_id: str) -> str | None:
        """Return the stored state, as a client sees it."""
        [record] = self.reader.load([task_id])
        return None if record is None else record.state

    def says(self, found: bytes | None, stored: bytes) -> bool:
        """Say whether that came back which was stored."""
        if found is None or self.traits.exact:
            return found == stored
        read, given = json.loads(found), json.loads(stored)
        return all(read[name] == value for name, value in given.items())

    def becomes(self, task_id: str, state: str | None) -> bool:
        """Say whether the state is that, soon."""
        start_s = self.clock.read().elapsed_s
        while self.state(task_id) != state:
            if self.clock.read().elapsed_s - start_s > PATIENCE_S:
                return False
            self.clock.sleep(LOOK_S)
        return True

    def waited(self, task_id: str) -> bool:
        """Wait as ``AsyncResult.get`` does; say whether a final state came."""
        start_s = self.clock.read().elapsed_s
        try:
            while self.state(task_id) not in {"SUCCESS", "FAILURE"}:
                self.reader.wait([task_id], 1.0)
                if self.clock.read().elapsed_s - start_s > PATIENCE_S:
                    return False
        finally:
            self.reader.stop_waiting([task_id])
        return True


class StoreSuite:
    """Inherit, and give a fixture ``rig``."""

    @pytest.fixture
    def bench(self, rig: StoreRig) -> StoreBench:
        """Return the words of the tests."""
        return StoreBench(rig)

    # -- results ---------------------------------------------------------------------------------

    def test_a_result_comes_back_as_it_was_stored(self, bench: StoreBench) -> None:
        """State, bytes and how to read them."""
        task_id = bench.rig.unique("t")
        record = bench.record(task_id)
        bench.writer.store([record])
        assert bench.becomes(task_id, "SUCCESS")
        [found] = bench.reader.load([task_id])

        assert found is not None
        assert (found.task_id, found.state) == (task_id, "SUCCESS")
        assert bench.says(found.payload, record.payload)
        assert (found.content_type, found.content_encoding) == ("application/json", "utf-8")

    def test_what_was_not_stored_is_none(self, bench: StoreBench) -> None:
        """In the place where it was asked for."""
        known, unknown = bench.rig.unique("t"), bench.rig.unique("nobody")
        bench.writer.store([bench.record(known)])
        assert bench.becomes(known, "SUCCESS")

        found = bench.reader.load([unknown, known, unknown])
        assert [one and one.task_id for one in found] == [None, known, None]

    def test_many_at_once(self, bench: StoreBench) -> None:
        """A batch is stored and loaded as a whole."""
        ids = [bench.rig.unique("t") for _ in range(50)]
        bench.writer.store([bench.record(task_id) for task_id in ids])
        assert all(bench.becomes(task_id, "SUCCESS") for task_id in ids)

        assert [one and one.task_id for one in bench.reader.load(ids)] == ids

    def test_storing_and_loading_nothing_is_nothing(self, bench: StoreBench) -> None:
        """Empty batches are allowed."""
        bench.writer.store([])

        assert list(bench.reader.load([])) == []

    @pytest.mark.parametrize("later", ["STARTED", "RETRY", "PROGRESS", "SUCCESS"])
    def test_states_go_on(self, bench: StoreBench, later: str) -> None:
        """What is not final is replaced by what comes later."""
        task_id = bench.rig.unique("t")
        bench.writer.store([bench.record(task_id, "STARTED")])
        bench.writer.store([bench.record(task_id, later)])

        assert bench.becomes(task_id, later)

    @pytest.mark.parametrize("final", ["SUCCESS", "FAILURE"])
    @pytest.mark.parametrize("later", ["STARTED", "RETRY", "PROGRESS"])
    def test_what_is_final_stays(self, bench: StoreBench, final: str, later: str) -> None:
        """A late word of a lost worker does not undo it."""
        task_id, marker = bench.rig.unique("t"), bench.rig.unique("marker")
        bench.writer.store([bench.record(task_id, final)])
        bench.writer.store([bench.record(task_id, later)])
        bench.writer.store([bench.record(marker)])
        assert bench.becomes(marker, "SUCCESS")  # all before it has come, too

        assert bench.state(task_id) == final

    def test_success_replaces_failure(self, bench: StoreBench) -> None:
        """A second delivery may succeed where the first one failed."""
        task_id = bench.rig.unique("t")
        bench.writer.store([bench.record(task_id, "FAILURE")])
        bench.writer.store([bench.record(task_id, "SUCCESS")])

        assert bench.becomes(task_id, "SUCCESS")

    def test_a_result_expires(self, bench: StoreBench) -> None:
        """After its time, not before; one without a time stays."""
        short, long = bench.rig.unique("short"), bench.rig.unique("long")
        bench.writer.store(
            [bench.record(short, expires_s=LIFE_S), bench.record(long, expires_s=None)]
        )
        assert bench.becomes(long, "SUCCESS")
        if not bench.traits.shared:
            return  # messages that have arrived belong to the client
        assert bench.state(short) == "SUCCESS"
        bench.clock.sleep(EXPIRED_S)
        if not bench.traits.expires:
            self._is_swept(bench, short)
            return

        assert bench.becomes(short, None)
        assert bench.state(long) == "SUCCESS"

    @staticmethod
    def _is_swept(bench: StoreBench, task_id: str) -> None:
        """What does not expire is there until it is cleaned up, where that can be done."""
        assert bench.state(task_id) == "SUCCESS"
        young = bench.rig.unique("young")
        bench.writer.store([bench.record(young)])
        bench.writer.clean_up()  # type: ignore[attr-defined]  # no part of the port: the task asks
        assert bench.state(task_id) == (None if bench.traits.sweeps else "SUCCESS")
        assert bench.state(young) == "SUCCESS"

    def test_forgotten_is_gone(self, bench: StoreBench) -> None:
        """And can be stored again."""
        task_id = bench.rig.unique("t")
        bench.writer.store([bench.record(task_id)])
        assert bench.becomes(task_id, "SUCCESS")
        bench.reader.forget([task_id, bench.rig.unique("nobody")])
        assert bench.state(task_id) is None

        bench.writer.store([bench.record(task_id, "STARTED")])
        assert bench.becomes(task_id, "STARTED")

    # -- waiting ---------------------------------------------------------------------------------

    def test_waiting_begins_without_waiting(self, bench: StoreBench) -> None:
        """The first call for an id only begins to listen."""
        task_id = bench.rig.unique("t")
        start_s = bench.clock.read().elapsed_s
        bench.reader.wait([task_id], None if bench.traits.threads else 1.0)

        assert bench.clock.read().elapsed_s - start_s < PATIENCE_S
        bench.reader.stop_waiting([task_id])

    def test_hints_come_in_order(self, bench: StoreBench) -> None:
        """Intermediate states too, in the order in which they were stored."""
        task_id = bench.rig.unique("t")
        bench.reader.wait([task_id], 0)
        for state in ("STARTED", "PROGRESS", "SUCCESS"):
            bench.writer.store([bench.record(task_id, state)])
        hints: list[str] = []
        start_s = bench.clock.read().elapsed_s
        while "SUCCESS" not in hints:
            hints += [one.state for one in bench.reader.wait([task_id], 1.0)]
            assert bench.clock.read().elapsed_s - start_s < PATIENCE_S
        bench.reader.stop_waiting([task_id])

        assert hints == (["STARTED", "PROGRESS", "SUCCESS"] if bench.traits.tells else ["SUCCESS"])

    def test_waiting_ends_when_its_time_is_over(self, bench: StoreBench) -> None:
        """With nothing, if nothing came."""
        if not bench.traits.threads:
            return  # a model waits by leaving its node, which a test has none of
        task_id = bench.rig.unique("t")
        bench.reader.wait([task_id], 0)
        start_s = bench.clock.read().elapsed_s
        found = list(bench.reader.wait([task_id], 0.3))
        bench.reader.stop_waiting([task_id])

        assert found == []
        assert 0.2 < bench.clock.read().elapsed_s - start_s < PATIENCE_S

    def test_a_result_that_was_there_before_is_found(self, bench: StoreBench) -> None:
        """Waiting for it does not need news of it."""
        task_id = bench.rig.unique("t")
        bench.writer.store([bench.record(task_id)])

        assert bench.waited(task_id)

    def test_each_thread_gets_its_own(self, bench: StoreBench) -> None:
        """Threads that wait for different tasks through one store do not disturb each other."""

        def client(at: int) -> None:
            ids = [bench.rig.unique(f"t{at}") for _ in range(5)]
            for task_id in ids:
                bench.reader.wait([task_id], 0)  # in a store of messages: opens the reply queue
                bench.writer.store([bench.record(task_id)])
            assert all(bench.waited(task_id) for task_id in ids)

        in_threads(client, 5, really=bench.traits.threads)

    def test_two_threads_wait_for_one_task(self, bench: StoreBench) -> None:
        """Both of them hear of it."""
        if not (bench.traits.threads and bench.traits.shared):
            return  # only who sent the task gets its message
        task_id = bench.rig.unique("t")
        listening = threading.Barrier(3)

        def client(_at: int) -> None:
            bench.reader.wait([task_id], 0)
            listening.wait(PATIENCE_S)
            if _at == 0:
                bench.writer.store([bench.record(task_id)])
            assert bench.waited(task_id)

        in_threads(client, 3, really=True)

    # -- groups ----------------------------------------------------------------------------------

    def test_a_group_is_kept_and_forgotten(self, bench: StoreBench) -> None:
        """Where a store keeps groups; elsewhere the error says where to."""
        group_id = bench.rig.unique("g")
        if not bench.traits.groups:
            with pytest.raises(NotImplementedError, match="result_backend"):
                bench.writer.save_group(group_id, b"[]", None)
            with pytest.raises(NotImplementedError, match="result_backend"):
                bench.reader.load_group(group_id)
            return
        assert bench.reader.load_group(group_id) is None
        payload = b'{"result": [["g", null], []]}'
        bench.writer.save_group(group_id, payload, 3600.0)
        assert bench.says(bench.reader.load_group(group_id), payload)
        bench.reader.forget_group(group_id)

        assert bench.reader.load_group(group_id) is None

    # -- chords ----------------------------------------------------------------------------------

    def test_a_chord_is_counted_once_for_each_index(self, bench: StoreBench) -> None:
        """In whatever order its members end, and however often."""
        group_id = bench.rig.unique("c")
        assert bench.writer.counts_chords is bench.traits.chords
        if not bench.traits.chords:
            self._refuses_chords(bench, group_id)
            return
        bench.writer.open_chord(group_id, 3, 3600.0)
        counted = [
            bench.writer.count_chord(ChordPart(group_id, index, f"t{index}", payload, 3600.0))
            for index, payload in ((2, b"two"), (0, b"zero"), (2, b"again"), (1, b"one"))
        ]

        assert [one.done for one in counted] == [1, 2, 2, 3]
        assert [one.first for one in counted] == [True, True, False, True]
        assert {one.size for one in counted} == {3}
        assert list(bench.writer.chord_parts(group_id)) == [b"zero", b"one", b"two"]

    @staticmethod
    def _refuses_chords(bench: StoreBench, group_id: str) -> None:
        part = ChordPart(group_id, 0, "t", b"x")
        calls: Sequence[Callable[[], object]] = (
            lambda: bench.writer.open_chord(group_id, 1, None),
            lambda: bench.writer.count_chord(part),
            lambda: bench.writer.chord_parts(group_id),
            lambda: bench.writer.close_chord(group_id, "t:0"),
            lambda: bench.writer.end_chord(group_id),
        )
        for call in calls:
            with pytest.raises(NotImplementedError, match="result_backend"):
                call()

    def test_a_member_may_end_before_the_size_is_known(self, bench: StoreBench) -> None:
        """It is counted all the same."""
        if not bench.traits.chords:
            return  # said by the test above
        group_id = bench.rig.unique("c")
        early = bench.writer.count_chord(ChordPart(group_id, 0, "t0", b"0", 3600.0))
        bench.writer.open_chord(group_id, 2, 3600.0)
        late = bench.writer.count_chord(ChordPart(group_id, 1, "t1", b"1", 3600.0))

        assert (early.done, early.size) == (1, None)
        assert (late.done, late.size) == (2, 2)

    def test_the_rest_of_a_chain_is_read_window_by_window(self, bench: StoreBench) -> None:
        """By anybody, in any order and as often as wanted; kept once more it is the same."""
        store = bench.writer
        assert isinstance(store, KeepsRests) is bench.traits.rests
        if not isinstance(store, KeepsRests):
            return
        rest_id, windows = bench.rig.unique("r"), [b"%d" % number * 3 for number in range(250)]
        store.keep_rest(rest_id, windows, 60.0)
        store.keep_rest(rest_id, windows, 60.0)
        reader = bench.reader
        assert isinstance(reader, KeepsRests)

        read = [reader.load_rest(rest_id, number, 60.0) for number in (249, 0, 120, 0)]
        assert read == [b"249249249", b"000", b"120120120", b"000"]
        assert reader.load_rest(rest_id, 250, 60.0) is None
        assert reader.load_rest(bench.rig.unique("r"), 0, 60.0) is None

    def test_a_rest_lives_as_long_as_was_said_last(self, bench: StoreBench) -> None:
        """Whoever reads one window keeps all of them."""
        store = bench.writer
        if not isinstance(store, KeepsRests):
            return  # said by the test above
        kept, gone = bench.rig.unique("r"), bench.rig.unique("r")
        for rest_id in (kept, gone):
            store.keep_rest(rest_id, [b"a", b"b"], 60.0)
        store.load_rest(gone, 0, 0.05)
        store.load_rest(kept, 0, 0.05)
        renewed = store.load_rest(kept, 0, 60.0)

        bench.clock.sleep(EXPIRED_S)
        assert (renewed, store.load_rest(kept, 1, 60.0)) == (b"a", b"b")
        assert store.load_rest(gone, 0, 60.0) is None

    def test_a_chord_grows_once_for_each_mark(self, bench: StoreBench) -> None:
        """Without a mark each time; what is not open, or has ended, does not grow."""
        store, group_id = bench.writer, bench.rig.unique("c")
        if not (bench.traits.chords and isinstance(store, GrowsChords)):
            return
        assert store.grow_chord(group_id, 1, "m") == 0
        store.open_chord(group_id, 2, 3600.0)

        assert [store.grow_chord(group_id, 1, mark) for mark in ("a", "b", "a")] == [3, 4, 4]
        assert [store.grow_chord(group_id, 2) for _ in range(2)] == [6, 8]
        counted = store.count_chord(ChordPart(group_id, 0, "t0", b"0", 3600.0))
        assert (counted.done, counted.size) == (1, 8)
        assert store.close_chord(group_id, "t0:0")
        store.end_chord(group_id)
        assert store.grow_chord(group_id, 1, "c") == 0

    def _complete_chord(self, bench: StoreBench) -> str:
        """Count a chord of two to its end; both members may think that they were the last."""
        group_id = bench.rig.unique("c")
        bench.writer.open_chord(group_id, 2, 3600.0)
        for index in range(2):
            part = ChordPart(group_id, index, f"t{index}", b"%d" % index, 3600.0)
            bench.writer.count_chord(part)
        return group_id

    def test_one_owner_may_send_the_body(self, bench: StoreBench) -> None:
        """However many ask, and from wherever; the owner is told so again when it comes again."""
        if not bench.traits.chords:
            return  # said by the test above
        group_id = self._complete_chord(bench)
        stores = [bench.writer, bench.reader, bench.rig.writer()]

        assert [store.close_chord(group_id, "t1:1") for store in stores] == [True, True, True]
        assert [store.close_chord(group_id, "t0:0") for store in stores] == [False, False, False]
        assert len(bench.writer.chord_parts(group_id)) == 2

    def test_a_chord_may_be_opened_again_after_its_end(self, bench: StoreBench) -> None:
        """Under the same name; nothing is left of the first time."""
        if not bench.traits.chords:
            return  # said by the test above
        group_id = self._complete_chord(bench)
        assert bench.writer.close_chord(group_id, "t1:1")
        bench.writer.end_chord(group_id)
        bench.writer.open_chord(group_id, 1, 3600.0)
        counted = bench.writer.count_chord(ChordPart(group_id, 0, "t0", b"again", 3600.0))

        assert (counted.done, counted.size, counted.first) == (1, 1, True)
        assert bench.writer.close_chord(group_id, "t0:0")
        assert list(bench.writer.chord_parts(group_id)) == [b"again"]

    def test_a_chord_waits_as_long_as_its_last_member_said(self, bench: StoreBench) -> None:
        """Each member that ends lengthens the life of all that is kept of it."""
        if not bench.traits.chords:
            return  # said by the test above
        group_id = bench.rig.unique("c")
        bench.writer.open_chord(group_id, 3, 1.0)
        counted = []
        for index in range(3):
            part = ChordPart(group_id, index, f"t{index}", b"%d" % index, 1.0)
            counted.append(bench.writer.count_chord(part))
            bench.clock.sleep(0.6)

        assert [(one.done, one.size) for one in counted] == [(1, 3), (2, 3), (3, 3)]

    def test_nobody_may_send_the_body_of_a_chord_that_has_ended(self, bench: StoreBench) -> None:
        """Its owner neither, and ending it once more changes nothing."""
        if not bench.traits.chords:
            return  # said by the test above
        group_id = self._complete_chord(bench)
        assert bench.writer.close_chord(group_id, "t1:1")
        bench.writer.end_chord(group_id)
        bench.reader.end_chord(group_id)

        asked = [bench.reader.close_chord(group_id, owner) for owner in ("t1:1", "t0:0")]
        assert asked == [False, False]
