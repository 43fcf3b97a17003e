"""Whatever a sender has put into a message, its frames end in a message that can be settled."""

from __future__ import annotations

import random
from struct import pack
from typing import Any

import pytest
from amqp import spec
from amqp.basic_message import Message as AmqpMessage
from amqp.channel import Channel
from amqp.method_framing import frame_handler
from amqp.serialization import dumps, loads

from taskq.adapters.broker.kombu_again import arrived
from taskq.adapters.broker.kombu_frames import ReadableFrames, readable_delivery, why_unreadable
from taskq.adapters.broker.kombu_messages import amqp_message

MUTATIONS = 10_000
HEADERS = {
    "id": "0" * 36,
    "task": "proj.add",
    "retries": 0,
    "eta": None,
    "timelimit": [None, 3.5],
    "stamps": {"a": ["x", {"deep": True}]},
    "taskq-attempts": 3,
    "taskq-came": {"exchange": "x", "routing_key": "k", "headers": {"CC": ["a"]}, "properties": {}},
}


def header_frame(message: AmqpMessage, size: int) -> bytes:
    properties: bytes = message._serialize_properties()
    return pack(">HHQ", 60, 0, size) + properties


def method_frame(tag: int, routing_key: bytes = b"key") -> bytes:
    key = bytes([len(routing_key)]) + routing_key
    start: bytes = dumps("sLbs", ["ctag", tag, False, "x"])
    return pack(">HH", *spec.Basic.Deliver) + start + key


class Counter:
    """What py-amqp's handler of frames wants of a connection."""

    bytes_recv = 0


class Reader:
    """py-amqp's own handler behind ours; keeps what came through."""

    def __init__(self) -> None:
        self.got: list[tuple[int, Any]] = []
        handle = frame_handler(Counter(), self._on_method)
        self.frames = ReadableFrames(handle)

    def _on_method(self, channel: int, sig: tuple[int, int], payload: bytes, content: Any) -> None:
        args, _ = loads(Channel._METHODS[sig].args, payload, 4)
        why = self.frames.why_spoiled(channel)
        if why is None:
            arrived(amqp_message(content), args[3], args[4])
        self.got.append((args[1], why))

    def read(self, tag: int, header: bytes, body: bytes, routing_key: bytes = b"key") -> None:
        self.frames((1, 1, method_frame(tag, routing_key)))
        self.frames((2, 1, header))
        if body:
            self.frames((3, 1, body))


def mutated(good: bytes, chance: random.Random) -> bytes:
    """Change, cut out, double or add some bytes behind class, weight and size."""
    data = bytearray(good)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(12, len(data))
        what = chance.randrange(5)
        if what == 0:
            data[at] = chance.randrange(256)
        elif what == 1:
            del data[at : at + chance.randint(1, 8)]
        elif what == 2:
            data[at:at] = data[at : at + chance.randint(1, 20)]
        elif what == 3:
            data[at:at] = chance.randbytes(chance.randint(1, 8))
        else:
            data[at : at + 4] = pack(">I", chance.choice([0, 1, 255, 2**16, 2**31, 2**32 - 1]))
        if len(data) <= 13:
            data += b"\x00\x00"
    return bytes(data)


def test_ten_thousand_mutated_messages_are_each_one_message() -> None:
    """None is lost, none stops the reader, and the good ones between them are good."""
    chance = random.Random(20261120)
    message = AmqpMessage(
        b"",
        application_headers=HEADERS,
        content_type="application/json",
        content_encoding="utf-8",
        correlation_id="0" * 36,
        delivery_mode=2,
        priority=3,
    )
    reader, good = Reader(), header_frame(message, 4)
    spoiled = 0
    for tag in range(1, MUTATIONS + 1):
        is_mutated = tag % 11 != 0
        header = mutated(good, chance) if is_mutated else good
        reader.read(tag, header[:4] + pack(">Q", 4) + header[12:], b"body")
        assert [one for one, _ in reader.got] == [tag]
        [(_, why)] = reader.got
        assert is_mutated or why is None
        spoiled += why is not None
        reader.got.clear()

    assert spoiled > MUTATIONS / 4


@pytest.mark.parametrize(
    "properties",
    [
        pytest.param(b"\x20\x00" + pack(">I", 2**32 - 1), id="a table without an end"),
        pytest.param(b"\x20\x00\x00\x00\x00\x05\x01aZ\x00\x00", id="a type that is none"),
        pytest.param(b"\x04\x00\x02\xff\xfe", id="text that is none"),
        pytest.param(b"\x20\x00" + pack(">I", 60_000) + b"\x01aF\x00\x00\x00\xff" * 9_000,
                     id="tables in tables"),
        pytest.param(b"", id="nothing at all"),
        pytest.param(b"\x00\x40\x00", id="half a time"),
        pytest.param(b"\x20\x00\x00\x00\x00\x0b\x01aT" + b"\xff" * 8, id="a time beyond time"),
    ],
)  # fmt: skip
def test_properties_that_cannot_be_read_are_said(properties: bytes) -> None:
    """The message comes without them, with a reason, and the next one is read as ever."""
    reader = Reader()
    reader.read(1, pack(">HHQ", 60, 0, 4) + properties, b"body")
    reader.read(2, pack(">HHQ", 60, 0, 0) + properties, b"")
    reader.read(3, header_frame(AmqpMessage(b"", delivery_mode=2), 4), b"body")

    assert [tag for tag, _ in reader.got] == [1, 2, 3]
    assert all(why and why.startswith("its properties") for _, why in reader.got[:2])
    assert reader.got[2][1] is None
    assert why_unreadable(pack(">HHQ", 60, 0, 0) + b"\x00\x00") is None


@pytest.mark.parametrize("key", [b"", b"a.b", "ü.é".encode(), b"\xff", b"a.\xff.b", b"\xff" * 255])
def test_a_routing_key_is_text_in_the_end(key: bytes) -> None:
    """Text stays what it is; of other bytes something readable is made."""
    payload = readable_delivery(method_frame(2**63 - 1, key))
    (_, tag, _, exchange, read), _ = loads("sLbss", payload, 4)

    assert (tag, exchange) == (2**63 - 1, "x")
    assert read == key.decode("utf-8", "backslashreplace")[:255]


def test_an_error_of_who_reads_is_not_taken_for_a_spoiled_header() -> None:
    """What fails behind a readable header is a defect, and comes up."""

    def fail(*_: object) -> None:
        raise ValueError("a defect")

    frames = ReadableFrames(frame_handler(Counter(), fail))
    frames((1, 1, method_frame(1)))
    with pytest.raises(ValueError, match="a defect"):
        frames((2, 1, header_frame(AmqpMessage(b""), 0)))

    assert frames.why_spoiled(1) is None
