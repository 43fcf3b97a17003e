"""Calls are made when their time has come, by who runs the loop."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from taskq.ports import Reading
from taskq.worker.components import Timer as TimerStep
from taskq.worker.timer import Timer


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def read(self) -> Reading:
        return Reading(1_700_000_000.0 + self.now_s, self.now_s)


class Loop:
    """What a loop does with a timer."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.nudges = 0
        self.calls: list[str] = []
        self.timer = Timer(lambda: self.clock, self._nudge)  # type: ignore[arg-type,return-value]

    def _nudge(self) -> None:
        self.nudges += 1

    def run_until(self, moment_s: float) -> None:
        while (wait_s := self.timer.next_s) is not None and self.clock.now_s + wait_s <= moment_s:
            self.clock.now_s += wait_s
            self.timer.run_due()
        self.clock.now_s = moment_s


@pytest.fixture
def loop() -> Loop:
    return Loop()


def test_a_call_is_made_after_its_time(loop: Loop) -> None:
    """A call is made once, when its seconds are over, and the loop is woken to see it."""
    loop.timer.call_after(5, loop.calls.append, ("now",))

    loop.run_until(4.9)
    early = list(loop.calls)
    loop.run_until(20)

    assert (early, loop.calls) == ([], ["now"])
    assert loop.nudges == 1
    assert loop.timer.next_s is None


def test_calls_come_in_the_order_of_their_times(loop: Loop) -> None:
    """What is due earlier is called earlier, at the wall clock too."""
    loop.timer.call_after(3, loop.calls.append, ("second",))
    loop.timer.call_at(datetime.fromtimestamp(1_700_000_001, UTC), loop.calls.append, ("first",))

    loop.run_until(10)

    assert loop.calls == ["first", "second"]


def test_a_repeated_call_ends_when_it_is_cancelled(loop: Loop) -> None:
    """It is made again and again until it is cancelled."""
    entry = loop.timer.call_repeatedly(2, loop.calls.append, ("tick",))

    loop.run_until(7)
    entry.cancel()
    loop.run_until(20)

    assert loop.calls == ["tick"] * 3


def test_a_call_that_fails_ends_nothing(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    """What a call raises is logged; the next one is made."""

    def fail() -> None:
        raise RuntimeError("broken")

    loop.timer.call_repeatedly(1, fail)
    loop.timer.call_after(3, loop.calls.append, ("after",))

    loop.run_until(5)

    assert loop.calls == ["after"]
    assert "broken" in caplog.text


def test_the_step_of_the_timer_hears_of_errors_and_of_what_comes_next() -> None:
    """What a call raises, and in how many seconds the next one is due."""
    loop = Loop()
    heard: list[object] = []
    step = TimerStep(None)
    step.on_timer_error = lambda exc: heard.append(str(exc))  # type: ignore[method-assign]
    step.on_timer_tick = heard.append  # type: ignore[method-assign]
    step.create(SimpleNamespace(timer=loop.timer))

    loop.timer.call_after(1.0, lambda: 1 / 0)
    loop.timer.call_after(4.0, loop.calls.append, ("last",))
    loop.run_until(5.0)

    assert heard == ["division by zero", 3.0]
    assert loop.calls == ["last"]
