"""Signals: who is told, who is not, and what a failing receiver does (nothing)."""

from __future__ import annotations

import functools
import gc
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq import signals
from taskq.signals import ALL, RETRY_ATTEMPTS, Signal


@pytest.fixture
def signal() -> Signal:
    return Signal(["value"], name="changed")


def test_a_receiver_is_told_by_whom_and_what(signal: Signal) -> None:
    """A receiver gets the signal, the sender and the arguments; its answer comes back."""

    def receive(**arguments: Any) -> Any:
        return arguments

    signal.connect(receive)

    assert signal.send("me", value=1) == [
        (receive, {"signal": signal, "sender": "me", "value": 1}),
    ]


def test_nobody_is_told_when_nobody_listens(signal: Signal) -> None:
    """The list of receivers is empty and plain, so that asking for it costs nothing."""
    assert signal.receivers == []
    assert signal.send("me", value=1) == []
    assert not signal.has_listeners()


def test_connecting_is_a_decorator(signal: Signal) -> None:
    """``@connect``, ``@connect()`` and ``@connect(sender=...)`` all give back the function."""

    @signal.connect
    def plain(**_: Any) -> str:
        return "plain"

    @signal.connect()
    def called(**_: Any) -> str:
        return "called"

    @signal.connect(sender="me")
    def filtered(**_: Any) -> str:
        return "filtered"

    assert [answer for _, answer in signal.send("me")] == ["plain", "called", "filtered"]
    assert [answer for _, answer in signal.send("you")] == ["plain", "called"]
    assert plain() == "plain"


def test_a_sender_is_compared_by_identity_and_by_value(signal: Signal) -> None:
    """A text names a task wherever it comes from; an object is itself or what equals it."""
    task = object()
    told: list[str] = []

    @signal.connect(sender="proj.add")
    def by_name(**_: Any) -> None:
        told.append("name")

    @signal.connect(sender=task)
    def by_object(**_: Any) -> None:
        told.append("object")

    signal.send(str(b"proj.add", "ascii"))  # equal, and another object
    signal.send(task)
    signal.send(object())

    assert told == ["name", "object"]
    assert signal.has_listeners("proj.add")
    assert not signal.has_listeners("proj.mul")


def test_connecting_twice_is_connecting_once(signal: Signal) -> None:
    """The same receiver for the same sender is told once; a dispatch_uid says what is the same."""

    class Owner:
        def receive(self, **_: Any) -> None:
            """A bound method is a new object each time."""

    owner = Owner()
    signal.connect(owner.receive)
    signal.connect(owner.receive)
    signal.connect(lambda **_: 1, weak=False, dispatch_uid="one")
    signal.connect(lambda **_: 2, weak=False, dispatch_uid="one")

    assert [answer for _, answer in signal.send()] == [None, 1]


def test_disconnecting_ends_it(signal: Signal) -> None:
    """A receiver that is disconnected is told no more; it says whether there was one."""

    def receive(**_: Any) -> None:
        """Do nothing."""

    signal.connect(receive, sender="me")
    signal.connect(receive, dispatch_uid="uid")

    assert signal.disconnect(receive) is False
    assert signal.disconnect(receive, sender="me") is True
    assert signal.disconnect(dispatch_uid="uid") is True
    assert signal.receivers == []


def test_a_weak_receiver_goes_with_its_owner(signal: Signal) -> None:
    """Functions and methods that nobody else holds are forgotten; strong ones stay."""

    class Owner:
        def receive(self, **_: Any) -> None:
            """Do nothing."""

    def make() -> Any:
        def receive(**_: Any) -> None:
            """Do nothing."""

        return receive

    owner, function = Owner(), make()
    signal.connect(owner.receive)
    signal.connect(function)
    signal.connect(make(), weak=False)
    assert len(signal.receivers) == 3

    del owner, function
    gc.collect()

    assert len(signal.receivers) == 1
    assert len(signal.send()) == 1


def test_what_cannot_be_held_weakly_is_held(signal: Signal) -> None:
    """A callable without weak references is a receiver too."""

    class Slotted:
        __slots__ = ()

        def __call__(self, **_: Any) -> str:
            return "told"

    signal.connect(Slotted())
    gc.collect()

    assert [answer for _, answer in signal.send()] == ["told"]


def test_a_receiver_has_to_be_callable(signal: Signal) -> None:
    """What cannot be called is refused where it is connected."""
    with pytest.raises(TypeError, match="must be callable, not 5"):
        signal.connect(5)  # type: ignore[call-overload]  # this is the mistake


def test_a_failing_receiver_breaks_nobody(signal: Signal, caplog: pytest.LogCaptureFixture) -> None:
    """What a receiver raises is logged and handed back, and the others are told as well."""
    error = ValueError("bad receiver")

    @signal.connect
    def fail(**_: Any) -> None:
        raise error

    @signal.connect
    def work(**_: Any) -> str:
        return "told"

    with caplog.at_level(logging.ERROR):
        answers = signal.send()

    assert answers == [(fail, error), (work, "told")]
    assert "signal changed" in caplog.text
    assert "bad receiver" in caplog.text


def test_a_receiver_may_be_tried_again(signal: Signal) -> None:
    """With ``retry`` a receiver that fails is called again, a bounded number of times."""
    calls: list[int] = []

    def fail(**_: Any) -> None:
        calls.append(1)
        if len(calls) % (RETRY_ATTEMPTS + 1):
            raise ValueError

    signal.connect(fail, retry=True)

    assert isinstance(signal.send()[0][1], ValueError)
    assert len(calls) == RETRY_ATTEMPTS


def test_a_receiver_may_disconnect_itself_while_it_is_told(signal: Signal) -> None:
    """Who is being told is settled before the first one is told."""

    def once(**_: Any) -> None:
        signal.disconnect(once)

    def other(**_: Any) -> None:
        """Do nothing."""

    signal.connect(once)
    signal.connect(other)

    assert len(signal.send()) == 2
    assert len(signal.send()) == 1


def _answer(name: str, **_: Any) -> str:
    return name


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_connections_are_a_set(steps: list[tuple[str, bool]]) -> None:
    """After any connecting and disconnecting, exactly the connected ones are told, in order."""
    signal, expected = Signal(), list[str]()
    receivers = {name: functools.partial(_answer, name) for name in "abc"}

    for name, connect in steps:
        if connect:
            signal.connect(receivers[name])
            expected += [] if name in expected else [name]
        else:
            assert signal.disconnect(receivers[name]) is (name in expected)
            expected = [known for known in expected if known != name]

    assert [answer for _, answer in signal.send()] == expected


def test_the_table_has_all_signals() -> None:
    """34 signals, each under its own name, each exported."""
    assert len(ALL) == 34
    for name, row in ALL.items():
        assert getattr(signals, name) is row
        assert row.name == name
        assert name in signals.__all__
    assert repr(signals.task_received) == "<Signal: task_received providing_args=['request']>"


def test_the_page_of_signals_has_all_of_them() -> None:
    """Each with its arguments."""
    page = Path(__file__).parents[2] / "docs" / "signals.md"
    rows = {
        found[1]: set(re.findall(r"`(\w+)`", found[2]))
        for found in re.finditer(r"^\| `(\w+)` \|(.*)\|$", page.read_text("utf-8"), re.MULTILINE)
    }

    assert set(rows) == set(ALL)
    for name, row in ALL.items():
        assert row.providing_args <= rows[name], name
