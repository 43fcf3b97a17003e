"""Messages of the old protocol, made new before anybody looks at them."""

from __future__ import annotations

import json

from taskq.app.upgrade import upgrade
from taskq.ports import Delivery, Malformed, Message
from tests.unit.app.fakes import JsonCodec

OLD = {"task": "add", "id": "t", "args": [1, 2], "kwargs": {}, "retries": 1}


def delivery(body: bytes, **headers: str) -> Delivery:
    message = Message(headers, body, "application/json", "utf-8", {"priority": 3})
    return Delivery(7, message, "q", "", "q")


def upgraded(of: Delivery) -> Delivery | Malformed:
    codec = JsonCodec()
    return upgrade(of, codec, codec.accepted(["json"]), 1000)


def test_an_old_message_becomes_a_new_one() -> None:
    """Headers name the task; tag, queue and properties stay."""
    found = upgraded(delivery(json.dumps(OLD).encode()))

    assert isinstance(found, Delivery)
    assert (found.tag, found.queue, found.message.properties) == (7, "q", {"priority": 3})
    headers = found.message.headers
    assert (headers["task"], headers["id"], headers["retries"]) == ("add", "t", 1)
    assert json.loads(found.message.body)[:2] == [[1, 2], {}]


def test_a_compressed_one_is_expanded_first() -> None:
    """And travels on as it is."""
    codec = JsonCodec()
    body, method = codec.compress(json.dumps(OLD).encode(), "gzip")
    found = upgraded(delivery(body, compression=method))

    assert isinstance(found, Delivery)
    assert "compression" not in found.message.headers


def test_what_is_no_task_is_malformed() -> None:
    """The reason says why; it holds its place in the queue."""
    found = upgraded(delivery(b'{"no": "task"}'))

    assert isinstance(found, Malformed)
    assert (found.tag, found.queue, found.raw) == (7, "q", b'{"no": "task"}')
    assert found.reason
