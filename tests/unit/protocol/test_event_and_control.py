"""Events and commands: what is left out, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.errors import DecodeError
from taskq.protocol.control import (
    Command,
    ReplyAddress,
    command_body,
    command_headers,
    read_command,
    read_reply,
    reply_body,
    reply_headers,
)
from taskq.protocol.event import Event, batch_body, event_body, read_events

TEXT = st.text(max_size=5)


@given(
    st.builds(
        Event,
        type=TEXT,
        hostname=TEXT,
        timestamp=st.floats(0.1, 2e9),
        clock=st.integers(0),
        pid=st.none() | st.integers(1),
        utcoffset=st.floats(-12, 12),
        fields=st.dictionaries(TEXT.map("x-{}".format), st.integers()),
    )
)
def test_an_event_comes_back(event: Event) -> None:
    """Through its body."""
    assert read_events(event_body(event)) == [event]


def test_an_event_of_a_stranger_may_say_little() -> None:
    """Only the type is asked for."""
    (event,) = read_events({"type": "my-event"})

    assert (event.timestamp, event.clock, event.pid) == (0.0, 0, None)


@pytest.mark.parametrize("odd", ["1", None, [], True, float("nan"), float("inf")])
def test_what_is_no_number_is_taken_for_none(odd: Any) -> None:
    """A stranger's event must not break who reckons with it."""
    body = dict.fromkeys(("timestamp", "clock", "utcoffset"), odd)
    (event,) = read_events({"type": "my-event", "pid": None, **body})

    assert (event.timestamp, event.clock, event.pid, event.utcoffset) == (0.0, 0, None, 0.0)


@pytest.mark.parametrize("body", [None, "x", {}, [{"type": 3}]])
def test_what_is_no_event_is_refused(body: Any) -> None:
    """Anybody may publish to the exchange of events."""
    with pytest.raises(DecodeError, match="not an event"):
        read_events(body)


@given(
    st.builds(
        Command,
        method=TEXT,
        arguments=st.dictionaries(TEXT, st.integers()),
        destination=st.none() | st.lists(TEXT),
        pattern=st.none() | TEXT,
        matcher=st.none() | TEXT,
    )
)
def test_a_command_comes_back(command: Command) -> None:
    """Through its body."""
    assert read_command(command_body(command)) == command


def test_a_command_that_wants_a_reply_says_where_to() -> None:
    """Ticket and address travel together."""
    command = Command("ping", ticket="t", reply_to=ReplyAddress("e", "k"))

    assert read_command(command_body(command)) == command


def test_a_command_need_not_expire() -> None:
    """Without a time the header is left out."""
    assert command_headers(3, None) == {"clock": 3}


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"method": 1},
        *(
            {"method": "ping", name: value}
            for name, value in (
                ("arguments", ["x"]),
                ("destination", "w1@h"),
                ("pattern", 1),
                ("matcher", 1),
                ("ticket", 1),
                ("reply_to", "me"),
                ("reply_to", {"exchange": "x"}),
                ("reply_to", {"exchange": 1, "routing_key": "x"}),
            )
        ),
    ],
)
def test_what_is_no_command_is_refused(body: Any) -> None:
    """Anybody may publish to the exchange of commands."""
    with pytest.raises(DecodeError, match="not a command"):
        read_command(body)


def test_what_is_no_reply_is_refused() -> None:
    """A reply is a mapping of node names."""
    with pytest.raises(DecodeError, match="not a reply"):
        read_reply(["x"])


def test_a_reply_is_read_as_it_was_built() -> None:
    """A node's name and what it says; ticket and clock travel in the headers."""
    body = reply_body("w@h", {"ok": "pong"})

    assert read_reply(body) == {"w@h": {"ok": "pong"}}
    assert reply_headers("t", 7) == {"ticket": "t", "clock": 7}


def test_events_that_travel_together_are_read_one_by_one() -> None:
    """A batch is a list of single bodies."""
    kinds = ("task-sent", "task-received")
    read = read_events([{"type": kind, "hostname": "w@h", "timestamp": 1.0} for kind in kinds])

    assert read_events(batch_body(read)) == read
