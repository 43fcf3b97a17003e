"""What is published a second time arrives as it was the first time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from amqp.serialization import dumps, loads
from hypothesis import given
from hypothesis import strategies as st

from taskq.adapters.broker.kombu_again import ATTEMPTS, CAME, arrived, can_travel, sendable
from taskq.ports import Delivery, Message

names = st.one_of(
    st.sampled_from(["CC", "BCC", "x-death", "x-first-death-queue", "id", "task", CAME[:-1]]),
    st.text(max_size=10),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
properties = st.fixed_dictionaries(
    {},
    optional={
        "expiration": st.just("3000"),
        "user_id": st.just("guest"),
        "message_id": st.text(max_size=5),
        "correlation_id": st.just("c"),
        "delivery_mode": st.just(2),
    },
)


def over_the_wire(message: Message) -> Message:
    """What RabbitMQ makes of it: a table, and back."""
    [headers], _ = loads("F", dumps("F", [dict(message.headers)]), 0)
    return replace(message, headers=headers)


@given(st.dictionaries(names, values, max_size=6), properties, st.integers(0, 30), st.text())
def test_it_arrives_as_it_was(
    headers: dict[str, Any], given_properties: dict[str, Any], attempts: int, key: str
) -> None:
    """Headers, properties, exchange, routing key and the count, however often it goes round."""
    message = Message(headers, b"body", "application/json", "utf-8", given_properties)
    delivery = Delivery(1, message, "q", "x", key)
    for _ in range(3):
        sent = sendable(delivery, attempts)
        assert not {"CC", "BCC", "x-death", "x-first-death-queue"} & sent.headers.keys()
        assert not {"expiration", "user_id", "message_id"} & sent.properties.keys()
        came = arrived(over_the_wire(sent), "celery_delayed_delivery", "0.1.q")
        assert came.message == over_the_wire(message)
        assert (came.exchange, came.routing_key) == ("x", key)
        assert (came.attempts or 0) == attempts
        delivery = replace(delivery, message=came.message)


def test_what_was_never_published_again_is_left_alone() -> None:
    """Not even copied."""
    message = Message({"id": "a", "x-death": []}, b"", "", "")

    came = arrived(message, "x", "k")

    assert came.message is message
    assert (came.exchange, came.routing_key, came.attempts) == ("x", "k", None)


def test_what_the_delay_wrote_about_itself_is_taken_off() -> None:
    """The deaths in RabbitMQ's delay queues are none of the task's."""
    sent = sendable(Delivery(1, Message({"id": "a"}, b"", "", ""), "q", "x", "k"), None)
    headers = {
        **sent.headers,
        "x-death": [{"queue": "celery_delayed_3"}],
        "x-last-death-queue": "d",
    }

    assert dict(arrived(replace(sent, headers=headers), "d", "0").message.headers) == {"id": "a"}


def test_what_the_broker_counts_does_not_travel() -> None:
    """It would count on from there, or be believed by somebody else."""
    headers = {"id": "a", "x-delivery-count": 3, "x-acquired-count": 5}
    sent = sendable(Delivery(1, Message(headers, b"", "", ""), "q", "x", "k"), 3)

    assert sent.headers.keys() == {"id", CAME, ATTEMPTS}


@given(values, values)
def test_what_strangers_write_there_harms_nobody(came: Any, attempts: Any) -> None:
    """A number that makes no sense is no number, a table that is none is no table."""
    message = Message({"id": "a", CAME: came, ATTEMPTS: attempts}, b"", "", "")

    found = arrived(message, "x", "k")

    assert found.message.headers["id"] == "a" or isinstance(came, dict)
    assert found.attempts is None or 0 <= found.attempts <= 1_000_000
    assert isinstance(found.exchange, str)
    assert isinstance(found.routing_key, str)
    assert all(isinstance(value, str) for value in found.message.properties.values())


@pytest.mark.parametrize(
    ("headers", "can"),
    [
        ({"id": "a"}, True),
        ({"x": "y" * 130_000}, False),
        ({"x": object()}, False),
        ({"x" * 300: 1}, False),
        ({"x": 2**70}, False),
    ],
)
def test_whether_it_can_travel_is_known_before(headers: dict[str, Any], can: bool) -> None:
    """A frame that is too long, or a value without a form, would cost the connection."""
    assert can_travel(Message(headers, b"", "", "")) is can
