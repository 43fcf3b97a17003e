"""Results in Redis, as Celery keeps them."""

from __future__ import annotations

import json
import pickle

import msgpack
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from taskq.adapters.results.redis_records import blockers_of, content_of, state_of
from taskq.errors import ImproperlyConfigured, OperationalError
from taskq.ports import ChordPart, ResultRecord
from taskq.states import FAILURE, PENDING, REVOKED, STARTED, SUCCESS
from tests.unit.adapters.redis.conftest import Bench


def record(task_id: str, state: str, **meta: object) -> ResultRecord:
    payload = json.dumps({"status": state, "result": None, **meta}).encode()
    return ResultRecord(task_id, state, payload, expires_s=86400)


def test_a_result_is_kept_under_celerys_key_for_its_time(bench: Bench) -> None:
    """Key, text and life are as recorded from Celery."""
    bench.store().store([record("a", SUCCESS)])

    assert bench.client.get("celery-task-meta-a") == b'{"status": "SUCCESS", "result": null}'
    assert 86_390 <= bench.client.ttl("celery-task-meta-a") <= 86_400


def test_a_result_without_an_end_stays(bench: Bench) -> None:
    """No expiry, no TTL."""
    bench.store().store([ResultRecord("a", SUCCESS, b"{}")])

    assert bench.client.ttl("celery-task-meta-a") == -1


def test_what_is_loaded_is_what_was_stored(bench: Bench) -> None:
    """In the order asked for; None for what is unknown."""
    store = bench.store()
    store.store([record("a", SUCCESS), record("b", FAILURE)])
    got = store.load(["b", "x", "a"])

    assert [one and (one.task_id, one.state) for one in got] == [
        ("b", FAILURE),
        None,
        ("a", SUCCESS),
    ]
    store.forget(["a", "b"])
    assert store.load(["a", "b"]) == [None, None]
    assert store.load([]) == []


@pytest.mark.parametrize(
    ("stored", "comes", "kept"),
    [
        (SUCCESS, FAILURE, SUCCESS),
        (SUCCESS, STARTED, SUCCESS),
        (SUCCESS, SUCCESS, SUCCESS),
        (FAILURE, STARTED, FAILURE),
        (FAILURE, SUCCESS, SUCCESS),
        (FAILURE, FAILURE, FAILURE),
        (REVOKED, STARTED, REVOKED),
        (REVOKED, FAILURE, FAILURE),
        (STARTED, "PROGRESS", "PROGRESS"),
        ("PROGRESS", STARTED, STARTED),
        ("RETRY", STARTED, STARTED),
    ],
)
def test_a_final_state_is_not_overwritten_by_a_less_final_one(
    bench: Bench, stored: str, comes: str, kept: str
) -> None:
    """Success is never replaced; other endings only by what is as final."""
    store = bench.store()
    store.store([record("a", stored)])
    store.store([record("a", comes)])

    [got] = store.load(["a"])
    assert got is not None
    assert got.state == kept


@pytest.mark.parametrize("order", ["first", "last"])
@pytest.mark.parametrize("write", [json.dumps, pickle.dumps, yaml.safe_dump, msgpack.packb])
def test_a_success_is_known_whatever_wrote_it(bench: Bench, write: object, order: str) -> None:
    """JSON in any order of keys, pickle, yaml and msgpack."""
    rest = {"result": {"a": 1}, "children": []}
    status = {"status": SUCCESS}
    written = write(status | rest if order == "first" else rest | status)  # type: ignore[operator]
    payload = written.encode() if isinstance(written, str) else written
    store = bench.store()
    store.store([ResultRecord("a", SUCCESS, payload)])
    store.store([record("a", FAILURE)])

    [got] = store.load(["a"])
    assert got is not None
    assert (got.state, got.payload) == (SUCCESS, payload)


def test_a_stored_text_says_how_it_is_written() -> None:
    """The first byte tells the serializers apart."""
    value = {"status": SUCCESS}

    assert content_of(json.dumps(value).encode()) == ("application/json", "utf-8")
    assert content_of(pickle.dumps(value)) == ("application/x-python-serialize", "binary")
    assert content_of(msgpack.packb(value)) == ("application/x-msgpack", "binary")
    assert content_of(yaml.safe_dump(value).encode()) == ("application/x-yaml", "utf-8")
    assert content_of(b"") == ("application/x-yaml", "utf-8")
    assert state_of(b"nothing of the kind") == ""


@given(st.text(min_size=1, max_size=8))
def test_success_blocks_every_state(state: str) -> None:
    """Whatever users call their states, none replaces a success."""
    assert " SUCCESS " in blockers_of(state)


def test_pending_is_blocked_by_every_ending() -> None:
    """The least final state replaces no ending."""
    assert blockers_of(PENDING) == " SUCCESS FAILURE REVOKED "


def test_a_waiter_hears_of_each_state_in_order(bench: Bench) -> None:
    """The first call begins to listen; later ones bring what came."""
    store, writer = bench.store(), bench.store()
    first = store.wait(["a", "b"], 1.0)
    writer.store([record("b", STARTED), record("a", SUCCESS), record("x", SUCCESS)])
    writer.store([record("b", SUCCESS)])
    heard = store.wait(["a", "b"], 1.0)

    assert first == []
    assert [(one.task_id, one.state) for one in heard] == [
        ("b", STARTED),
        ("a", SUCCESS),
        ("b", SUCCESS),
    ]


def test_a_wait_for_nothing_ends_in_time(bench: Bench) -> None:
    """Half a second at most without a look at what is stored, or the time given."""
    store = bench.store()
    store.wait(["a"], None)
    began_s = bench.clock.now_s
    store.wait(["a"], None)
    long_s = bench.clock.now_s - began_s
    store.wait(["a"], 0.1)

    assert 0.45 <= long_s <= 0.6
    assert 0.05 <= bench.clock.now_s - began_s - long_s <= 0.15


def test_a_hint_for_another_wait_is_kept(bench: Bench) -> None:
    """Two waits of one thread do not take each other's messages."""
    store = bench.store()
    store.wait(["a"], 1.0)
    store.wait(["b"], 1.0)
    bench.store().store([record("a", SUCCESS)])
    store.wait(["b"], 0.1)

    assert [one.task_id for one in store.wait(["a"], 1.0)] == ["a"]


def test_who_stops_waiting_hears_nothing_more(bench: Bench) -> None:
    """The connection is used again by who waits next, who does not get old messages."""
    store = bench.store()
    store.wait(["a"], 1.0)
    store.stop_waiting(["a"])
    bench.store().store([record("a", SUCCESS)])
    first = store.wait(["b"], 0.1)
    second = store.wait(["b"], 0.1)

    assert (first, second) == ([], [])
    assert bench.client.pubsub_numsub("celery-task-meta-a") == [(b"celery-task-meta-a", 0)]


def test_waiting_on_a_server_that_is_away_is_waiting(bench: Bench) -> None:
    """It is no error and no busy loop; when the server is back, it listens again."""
    store = bench.store()
    store.wait(["a"], 1.0)
    bench.server.connected = False
    began_s = bench.clock.now_s
    got = store.wait(["a"], 0.5)
    waited_s = bench.clock.now_s - began_s
    bench.server.connected = True
    store.wait(["a"], 0.5)
    bench.store().store([record("a", SUCCESS)])

    assert (got, waited_s) == ([], 0.5)
    assert [one.task_id for one in store.wait(["a"], 0.5)] == ["a"]


def test_a_write_is_tried_again_as_the_policy_says(bench: Bench) -> None:
    """``retry_policy`` of the transport options bounds it; the error says where and why."""
    store = bench.store(
        transport_options={"retry_policy": {"max_retries": 2, "interval_start": 0.3}}
    )
    bench.server.connected = False
    with pytest.raises(OperationalError, match="redis://fake:6379/0: no connection"):
        store.store([record("a", SUCCESS)])

    assert bench.clock.slept == pytest.approx([0.3, 0.5])
    with pytest.raises(ImproperlyConfigured, match="no timeout"):
        bench.store(transport_options={"retry_policy": {"timeout": 3}})


def test_groups_are_kept_loaded_and_forgotten(bench: Bench) -> None:
    """Under Celery's key for groups."""
    store = bench.store()
    store.save_group("g", b"{}", 60)

    assert bench.client.get("celery-taskset-meta-g") == b"{}"
    assert 0 < bench.client.ttl("celery-taskset-meta-g") <= 60
    assert store.load_group("g") == b"{}"
    store.forget_group("g")
    assert store.load_group("g") is None


def test_a_chord_is_counted_once_for_each_index(bench: Bench) -> None:
    """Keys are as recorded from Celery: parts by index, what was counted, the size."""
    store = bench.store()
    store.open_chord("g", 2, 60)
    one = ChordPart("g", 1, "b", b'[1, "b", "SUCCESS", 2]', 60)
    first, again = store.count_chord(one), store.count_chord(one)
    last = store.count_chord(ChordPart("g", 0, "a", b'[1, "a", "SUCCESS", 1]', 60))

    assert [(p.done, p.size, p.first) for p in (first, again, last)] == [
        (1, 2, True),
        (1, 2, False),
        (2, 2, True),
    ]
    key = "celery-taskset-meta-g"
    assert bench.client.zrange(f"{key}.j", 0, -1, withscores=True) == [
        (b'[1, "a", "SUCCESS", 1]', 0.0),
        (b'[1, "b", "SUCCESS", 2]', 1.0),
    ]
    assert bench.client.smembers(f"{key}.d") == {b"a:0", b"b:1"}
    assert bench.client.get(f"{key}.s") == b"2"
    assert all(0 < bench.client.ttl(f"{key}.{end}") <= 60 for end in "jds")
    assert store.chord_parts("g") == [b'[1, "a", "SUCCESS", 1]', b'[1, "b", "SUCCESS", 2]']


def test_a_part_may_come_before_the_size_is_known(bench: Bench) -> None:
    """Then nobody knows yet whether it is complete."""
    assert bench.store().count_chord(ChordPart("g", 0, "a", b"[]")).size is None


def test_an_open_chord_can_grow(bench: Bench) -> None:
    """More members are expected for as long as before; what is not open does not begin."""
    store = bench.store()
    store.open_chord("g", 2, 60)

    assert (store.grow_chord("g", 1), store.grow_chord("none", 1)) == (3, 0)
    assert 0 < bench.client.ttl("celery-taskset-meta-g.s") <= 60
    assert not bench.client.exists("celery-taskset-meta-none.s")


def test_the_guard_names_who_may_send_the_body(bench: Bench) -> None:
    """It lives as long as what was counted; without a limit where that has none."""
    store = bench.store()
    store.count_chord(ChordPart("g", 0, "a", b"[]", 60))
    store.count_chord(ChordPart("for ever", 0, "a", b"[]"))

    assert [store.close_chord(g, "a:0") for g in ("g", "for ever")] == [True, True]
    assert bench.client.get("celery-taskset-meta-g.c") == b"a:0"
    assert 0 < bench.client.ttl("celery-taskset-meta-g.c") <= 60
    assert bench.client.ttl("celery-taskset-meta-for ever.c") == -1


def test_after_the_body_nothing_stays_longer_than_the_guard(bench: Bench) -> None:
    """The guard says done for five minutes, and nobody gets the right in that time."""
    store = bench.store()
    store.open_chord("g", 1, None)
    store.count_chord(ChordPart("g", 0, "a", b"[]"))
    store.close_chord("g", "a:0")
    store.end_chord("g")

    assert not store.close_chord("g", "a:0")
    assert bench.client.get("celery-taskset-meta-g.c") == b"done"
    keys = bench.client.keys("celery-taskset-meta-g*")
    assert all(0 < bench.client.ttl(key) <= 300 for key in keys)
    assert store.chord_parts("g") == [b"[]"]


@pytest.mark.parametrize(("prefix", "shown"), [("pre", "pre_"), ("pre:", "pre:"), ("", "")])
def test_a_prefix_is_set_off_from_the_keys(bench: Bench, prefix: str, shown: str) -> None:
    """As Celery does: with an underscore, unless the prefix ends in a separator."""
    store = bench.store(transport_options={"global_keyprefix": prefix})

    assert store.key_prefix == f"{shown}celery-task-meta-"


def test_settings_name_the_server_where_the_url_does_not(bench: Bench) -> None:
    """``redis_host`` and its family fill a bare URL; a full URL wins."""
    bare = bench.store("redis://", redis_host="h", redis_port=1, redis_db=2)
    full = bench.store("redis://x:5/6", redis_host="h", redis_port=1, redis_db=2)

    assert (bare.address, full.address) == ("tcp:h:1/2", "tcp:x:5/6")
    assert bench.store("redis://:p@x").name == "redis://:**@x:6379/0"
