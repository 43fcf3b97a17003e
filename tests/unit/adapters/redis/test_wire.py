"""The layout of kombu in Redis."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.transport.virtual.exchange import TopicExchange

from taskq.adapters.broker import redis_wire as wire
from taskq.adapters.broker.redis_layout import Layout, topic_pattern
from taskq.adapters.broker.redis_letters import letter_head, read_letter
from taskq.adapters.broker.redis_operations import Held, lease_entry, read_lease_entry
from taskq.ports import ExchangeSpec, Message, QueueSpec

LAYOUT = Layout({}, 0)
PLAIN = Message(
    {"lang": "py", "id": "1", "timelimit": [None, None], "stamps": {}},
    b'[[2, 3], {}, {"callbacks": null}]',
    "application/json",
    "utf-8",
    {"correlation_id": "1", "reply_to": "r", "delivery_mode": 2, "priority": 0},
)


def test_an_envelope_is_written_as_kombu_writes_it() -> None:
    """Keys, their order and their spelling are kombu's."""
    text = wire.envelope(PLAIN, "", "celery", "tag-1")

    assert text == (
        '{"body": "' + base64.b64encode(PLAIN.body).decode() + '", "content-encoding": "utf-8", '
        '"content-type": "application/json", "headers": {"lang": "py", "id": "1", '
        '"timelimit": [null, null], "stamps": {}}, "properties": {"correlation_id": "1", '
        '"reply_to": "r", "delivery_mode": 2, "delivery_info": {"exchange": "", '
        '"routing_key": "celery"}, "priority": 0, "body_encoding": "base64", '
        '"delivery_tag": "tag-1"}}'
    )


def test_an_envelope_without_a_priority_or_mode_gets_those_of_kombu() -> None:
    """A message that says neither is persistent and of priority 0."""
    bare = Message({}, b"", "a/b", "utf-8")

    properties = json.loads(wire.envelope(bare, "", "q", "t"))["properties"]

    assert (properties["delivery_mode"], properties["priority"]) == (2, 0)


def test_headers_may_hold_what_kombus_json_can_hold() -> None:
    """A date in a header arrives as a date."""
    when = datetime(2030, 1, 1, tzinfo=UTC)
    sent = Message({"at": when, "raw": b"\xff"}, b"", "a/b", "utf-8")

    parsed = wire.read_envelope(wire.envelope(sent, "", "q", "t").encode())

    assert parsed["headers"] == {"at": when, "raw": b"\xff"}


@given(
    body=st.binary(max_size=200),
    headers=st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()),
    exchange=st.text(),
    key=st.text(),
)
def test_what_is_written_is_read(
    body: bytes, headers: dict[str, Any], exchange: str, key: str
) -> None:
    """Body, headers and place survive the way through a list."""
    sent = Message(headers, body, "a/b", "utf-8", {"priority": 3})

    parsed = wire.read_envelope(wire.envelope(sent, exchange, key, "t").encode())

    got = wire.message_of(parsed)
    assert (got.body, dict(got.headers)) == (body, headers)
    assert wire.place_of(parsed) == (exchange, key)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_a_value_error(raw: bytes) -> None:
    """Nothing in a queue raises anything else."""
    try:
        parsed = wire.read_envelope(raw)
        wire.message_of(parsed)
    except ValueError:
        return
    assert isinstance(parsed["headers"], dict)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"NaN",
        b'{"headers": [], "properties": {}}',
        b'{"headers": {}, "properties": {}}',
        b'{"headers": {}, "properties": {}, "body": 3}',
        b'{"headers": {}, "properties": {"body_encoding": "base64"}, "body": "a"}',
        b'{"headers": {"a": {"__type__": "uuid", "__value__": 3}}, "properties": {}, "body": ""}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_what_is_no_message_is_a_value_error(raw: bytes) -> None:
    """Each way of being malformed has one kind of error."""
    with pytest.raises(ValueError, match=r"JSON|is no|body"):
        wire.message_of(wire.read_envelope(raw))


@pytest.mark.parametrize(
    ("priority", "key"),
    [
        (None, "q"),
        (0, "q"),
        (2, "q"),
        (3, "q\x06\x163"),
        (5, "q\x06\x163"),
        (9, "q\x06\x169"),
        (255, "q\x06\x169"),
        (-1, "q"),
        ("7", "q\x06\x166"),
        ("no", "q"),
    ],
)
def test_a_priority_chooses_the_list_of_its_step(priority: object, key: str) -> None:
    """Priorities are cut to 0 to 9 and go to the step below."""
    assert LAYOUT.list_of("q", priority) == key


def test_options_change_the_layout() -> None:
    """Prefix, separator, steps and fanout prefix are the user's."""
    layout = Layout(
        {"global_keyprefix": "p:", "sep": ":", "priority_steps": [0, 5], "fanout_prefix": True}, 3
    )

    assert layout.lists_of("q") == ("p:q", "p:q:5")
    assert layout.channel("ex", "") == "p:/3.ex"
    assert layout.pattern("ex", "a.#") == "p:/3.ex/a.*"
    assert Layout({"fanout_prefix": False}, 3).channel("ex", "") == "ex"


@given(st.text(alphabet="ab_-.*#\0ä ", max_size=12))
def test_a_topic_is_written_as_kombu_writes_it(routing_key: str) -> None:
    """The pattern beside a topic's key is the same expression, letter for letter."""
    assert topic_pattern(routing_key) == TopicExchange(None).key_to_pattern(routing_key)


def test_a_renewed_message_is_as_if_nobody_had_had_it() -> None:
    """Neither marked nor counted, and otherwise the same."""
    parsed = json.loads(wire.envelope(PLAIN, "", "q", "t"))
    returned = json.loads(wire.returned(parsed, counted=True))

    assert json.loads(wire.renewed(returned)) == parsed


def test_queues_are_found_by_key_and_by_topic() -> None:
    """Direct exchanges compare keys; topic exchanges match words; each queue comes once."""
    queue = QueueSpec("q1", ExchangeSpec("t", "topic"), "a.*")
    members = [
        LAYOUT.member(queue, "topic", "a.*").encode(),
        LAYOUT.member(queue, "topic", "a.#").encode(),
        b"b\x06\x16\x06\x16q2",
        b"a.x\x06\x16\x06\x16",
    ]

    assert LAYOUT.queues_bound(members, "topic", "a.x") == ["q1"]
    assert LAYOUT.queues_bound(members, "direct", "b") == ["q2"]
    assert LAYOUT.queues_bound(members, "topic", "c.x") == []


def test_a_returned_message_is_marked_as_kombu_marks_it() -> None:
    """It says that it was delivered, in both places, and how often; empty lists stay lists."""
    parsed = json.loads(wire.envelope(PLAIN, "", "q", "t"))
    parsed["headers"]["empty"] = []

    once = json.loads(wire.returned(parsed, counted=True))
    twice = json.loads(wire.returned(once, counted=True))

    assert once["headers"]["redelivered"] is True
    assert once["properties"]["delivery_info"]["redelivered"] is True
    assert once["headers"]["empty"] == []
    assert (once["headers"][wire.DELIVERIES], twice["headers"][wire.DELIVERIES]) == (1, 2)
    assert wire.deliveries_of(json.loads(wire.returned(twice, counted=False))) == 2
    assert wire.is_redelivered(once)
    assert not wire.is_redelivered(parsed)


@given(raw=st.binary(max_size=40), key=st.text(max_size=10), reason=st.text(max_size=20))
def test_a_dead_letter_keeps_the_very_bytes(raw: bytes, key: str, reason: str) -> None:
    """What was no message is kept as it came, with why and whose it was."""
    letter = read_letter("12000000", letter_head(reason, "w", "q") + lease_entry(Held(raw, key)))

    assert (letter.reason, letter.node, letter.queue, letter.at_s) == (reason, "w", "q", 12.0)
    assert (letter.message, letter.raw) == (None, raw)


def test_a_dead_letter_is_read_as_the_message_that_it_was() -> None:
    """With its place, and how often it had begun."""
    raw = wire.envelope(PLAIN, "ex", "key", "t").encode()
    raw = wire.returned(wire.read_envelope(raw), counted=True).encode()
    letter = read_letter("1", letter_head("why", "w", "q") + lease_entry(Held(raw, "q", "w0")))

    assert letter.message is not None
    assert (letter.message.body, letter.message.headers["id"]) == (PLAIN.body, "1")
    assert (letter.exchange, letter.routing_key, letter.attempts) == ("ex", "key", 1)


@given(st.binary(max_size=60))
def test_any_bytes_are_some_letter(raw: bytes) -> None:
    """A record that somebody has damaged is shown as it is."""
    letter = read_letter("1", raw)

    assert letter.message is None
    assert letter.raw in raw


@given(
    st.text(max_size=20),
    st.binary(max_size=40),
    st.none() | st.text(max_size=20),
)
def test_an_entry_of_a_lease_is_read_as_it_was_written(
    key: str, raw: bytes, lost_by: str | None
) -> None:
    """Whatever stands in a name or in a message, they are told apart."""
    held = Held(raw, key, lost_by)

    assert read_lease_entry(lease_entry(held)) == held


@given(st.binary(max_size=40))
def test_any_bytes_are_some_entry(raw: bytes) -> None:
    """What cannot be read is held as it is, from no list."""
    held = read_lease_entry(raw)

    assert held == Held(raw, "") or lease_entry(held) == raw or held.raw in raw


def recorded() -> list[Path]:
    folder = Path(__file__).resolve().parents[3] / "compat" / "wire" / "recorded" / "redis"
    return sorted(folder.glob("send_*.json"))


@pytest.mark.parametrize("path", recorded(), ids=lambda path: path.stem)
def test_a_recorded_message_is_written_again_byte_for_byte(path: Path) -> None:
    """Reading what Celery sent and writing it again gives the same text."""
    for entry in json.loads(path.read_text())["messages"]:
        raw = base64.b64decode(entry["raw_b64"])
        parsed = wire.read_envelope(raw)
        exchange, key = wire.place_of(parsed)
        message = wire.message_of(parsed)

        again = wire.envelope(message, exchange, key, parsed["properties"]["delivery_tag"])

        assert json.loads(again) == json.loads(raw)
        assert re.sub(r"\s", "", again) == re.sub(r"\s", "", raw.decode())
