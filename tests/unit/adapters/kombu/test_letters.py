"""Dead letters: what is written can be read, and whatever stands in the queue is some letter."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.adapters.broker.kombu_again import can_travel
from taskq.adapters.broker.kombu_letters import ABOUT, read, replayed, write
from taskq.adapters.broker.kombu_verdicts import Errand, Given, Kind
from taskq.ports import (
    DeadLetter,
    Delivery,
    ExchangeSpec,
    Malformed,
    Message,
    QueueSpec,
    Settlement,
    Verdict,
)

QUEUE = QueueSpec("q", ExchangeSpec("x"), "k")
REJECTED = Settlement(1, Verdict.REJECT, "no good")
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["at", "reason", "queue", "attempts", "is_message", "x"]), inner
        )
    ),
)


def buried(taken: Delivery | Malformed) -> DeadLetter:
    outgoing = write(Errand(Kind.BURY, Given(taken, QUEUE, "w1@h"), REJECTED), "letter", 12.5)
    assert (outgoing.exchange, outgoing.routing_key) == ("", "taskq.dead")
    assert outgoing.message.properties["delivery_mode"] == 2
    assert can_travel(outgoing.message)
    return read(outgoing.message)


def test_a_letter_tells_everything() -> None:
    """And its message is what it was, with its own id, its time to live and its copies."""
    message = Message(
        {"id": "a", "CC": ["copies"], "x-death": [{"count": 1}]},
        b"body",
        "application/json",
        "utf-8",
        {"message_id": "m", "expiration": "100", "priority": 3, "delivery_mode": 2},
    )
    letter = buried(Delivery(1, message, "q", "x", "k", redelivered=True, attempts=4))

    assert letter == DeadLetter(
        "letter", message, "q", "x", "k", "no good", "w1@h", 12.5, attempts=4
    )


def test_what_goes_out_again_is_asked_nothing_of_the_broker() -> None:
    """No copies, no user, no end of its time; it goes to its queue, with nothing counted."""
    message = Message({"id": "a", "CC": ["c"]}, b"", "", "", {"expiration": "1", "user_id": "u"})
    outgoing = replayed(buried(Delivery(1, message, "q", "x", "k", attempts=4)))

    assert (outgoing.exchange, outgoing.routing_key) == ("", "q")
    assert "CC" not in outgoing.message.headers
    assert "taskq-attempts" not in outgoing.message.headers
    assert not {"expiration", "user_id", "message_id"} & outgoing.message.properties.keys()


def test_what_is_no_message_is_kept_as_bytes() -> None:
    """With both reasons: the worker's, and what was wrong with it."""
    letter = buried(Malformed(1, "q", b"\xff\x00", "its properties cannot be read"))

    assert (letter.message, letter.raw, letter.reason) == (None, b"\xff\x00", "no good")
    assert (letter.queue, letter.exchange, letter.routing_key) == ("q", "", "q")


@pytest.mark.parametrize("headers", [{"x": "y" * 125_000}, {"x": 2**70}, {"x" * 300: 1}])
def test_headers_that_cannot_travel_stay_behind(headers: dict[str, Any]) -> None:
    """The letter is written all the same; what it is about can be seen."""
    message = Message({"id": "a", "task": "t", **headers}, b"body", "", "")
    letter = buried(Delivery(1, message, "q", "x", "k"))

    assert letter.message is not None
    assert (dict(letter.message.headers), letter.message.body) == (
        {"id": "a", "task": "t"},
        b"body",
    )
    assert letter.reason == "no good"


@given(st.dictionaries(st.sampled_from([ABOUT, "taskq-came", "x"]), values), values, st.binary())
def test_anything_in_the_queue_is_a_letter(
    headers: dict[str, Any], message_id: Any, body: bytes
) -> None:
    """With a name that stays the same, so that it can be thrown away."""
    message = Message(headers, body, "", "", {"message_id": message_id})
    letter = read(message)

    assert letter.letter_id == read(message).letter_id
    assert isinstance(letter.letter_id, str)
    assert isinstance(letter.reason, str)
    assert isinstance(letter.at_s, float)
