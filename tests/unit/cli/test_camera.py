"""Cameras: how often they take a picture, and of what."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from taskq.adapters.ticker import Ticker
from taskq.cli.camera import Polaroid
from taskq.core.rates import BadRateError
from taskq.ports import Reading


class State:
    """As much of a cluster's state as a camera needs."""

    def __init__(self) -> None:
        self.frozen: list[bool] = []

    def freeze_while(self, function: Callable[[], Any], clear_after: bool = False) -> Any:
        self.frozen.append(clear_after)
        return function()


class Clock:
    """A clock that a test turns."""

    now_s = 0.0

    def read(self) -> Reading:
        return Reading(0.0, self.now_s)


class Timer:
    """Writes down what it is to call, and calls nothing."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.cancelled = 0

    def call_repeatedly(self, seconds: float, function: Callable[[], Any]) -> Any:
        self.calls.append((seconds, function))
        return SimpleNamespace(cancel=self._cancel)

    def _cancel(self) -> None:
        self.cancelled += 1


class Camera(Polaroid):
    """Counts its pictures."""

    pictures = 0
    cleanups = 0

    def on_shutter(self, state: Any) -> None:
        self.pictures += 1

    def on_cleanup(self) -> None:
        self.cleanups += 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


def camera(clock: Clock, **options: Any) -> Camera:
    app = SimpleNamespace(ports=SimpleNamespace(clock=clock))
    return Camera(State(), app=app, timer=Timer(), **options)


def test_a_camera_works_while_its_block_lasts(clock: Clock) -> None:
    """It asks for pictures and for cleaning, each in its rhythm, and gives both up at the end."""
    made = camera(clock, freq=2)

    with made as entered:
        (freq, capture), (cleanup_freq, cleanup) = made.timer.calls
        capture()
        cleanup()

    assert entered is made
    assert (freq, cleanup_freq) == (2.0, 3600.0)
    assert (made.pictures, made.cleanups) == (1, 1)
    assert made.timer.cancelled == 2


def test_a_picture_is_of_a_state_that_stands_still(clock: Clock) -> None:
    """And that is forgotten afterwards, if the camera says so."""
    made = camera(clock)
    made.capture()
    made.clear_after = True
    made.capture()

    assert made.state.frozen == [False, True]


def test_a_camera_takes_no_more_than_it_may(clock: Clock) -> None:
    """``maxrate`` is a rate as of tasks."""
    made = camera(clock, maxrate="6/m")

    for moment_s in (0.0, 5.0, 10.0, 11.0, 20.0):
        clock.now_s = moment_s
        made.shutter()

    assert made.pictures == 3
    with pytest.raises(BadRateError):
        camera(clock, maxrate="often")


def test_who_is_no_subclass_may_listen(clock: Clock) -> None:
    """Each picture and each cleaning is told by a signal."""
    told: list[Any] = []

    def shot(**arguments: Any) -> None:
        told.append(arguments["state"])

    def cleaned(**arguments: Any) -> None:
        told.append("cleaned")

    made = camera(clock)
    made.shutter_signal.connect(shot)
    made.cleanup_signal.connect(cleaned)
    made.shutter()
    made.cleanup()

    assert told == [made.state, "cleaned"]


def test_a_plain_camera_takes_empty_pictures(clock: Clock) -> None:
    """What a subclass leaves out does nothing."""
    app = SimpleNamespace(ports=SimpleNamespace(clock=clock))
    plain = Polaroid(State(), app=app)

    plain.capture()
    plain.cleanup()

    assert isinstance(plain.timer, Ticker)


def test_a_ticker_calls_again_also_after_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """What a call raises is logged; cancelled, it calls no more."""
    again = threading.Event()
    calls: list[int] = []

    def fails_first() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("disk full")
        again.set()

    call = Ticker().call_repeatedly(0.001, fails_first)
    assert again.wait(10)
    call.cancel()
    count = len(calls)

    assert not call.is_alive()
    assert len(calls) == count
    assert "disk full" in caplog.text


def test_a_call_may_cancel_itself() -> None:
    """It does not wait for its own end."""
    done = threading.Event()

    def once() -> None:
        ready.wait(10)
        call.cancel()
        done.set()

    ready = threading.Event()
    call = Ticker().call_repeatedly(0.001, once)
    ready.set()

    assert done.wait(10)
    call.join(10)
    assert not call.is_alive()
