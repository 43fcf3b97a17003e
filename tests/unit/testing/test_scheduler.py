"""The scheduler: one heap, virtual time, processes that can be killed."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextvars import copy_context
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq_testing.sim.scheduler import Halt, Process
from tests.unit.testing.simple_world import Bench


def test_time_jumps_to_the_next_moment() -> None:
    """A sleep of an hour is one step, and moves the time by an hour."""
    bench = Bench()
    seen: list[float] = []

    def body() -> None:
        bench.scheduler.sleep(3600)
        seen.append(bench.time.now_s)

    bench.spawn("sleeper", body)
    bench.run()

    assert seen == [3600.0]
    assert bench.scheduler.steps == 2


def _interleaving(seed: int, choices: list[int] | None = None) -> tuple[list[str], list[int]]:
    bench = Bench(seed, choices)
    seen: list[str] = []

    def body(name: str) -> None:
        for turn in range(3):
            seen.append(f"{name}{turn}")
            bench.scheduler.pause()

    for name in "abc":
        bench.spawn(name, partial(body, name))
    bench.run()
    return seen, bench.scheduler.choices.made


@given(st.integers())
def test_a_seed_is_a_history(seed: int) -> None:
    """The same seed makes the same choices; the list of them makes the same history again."""
    first, choices = _interleaving(seed)
    again, _ = _interleaving(seed)
    replayed, _ = _interleaving(seed + 1, choices)

    assert first == again == replayed


def test_seeds_differ() -> None:
    """Over a few seeds there are many orders."""
    assert len({tuple(_interleaving(seed)[0]) for seed in range(50)}) > 30


def test_an_empty_list_of_choices_means_first_come_first_served() -> None:
    """Choices that ran out are all the same, so order of arrival decides."""
    seen, _ = _interleaving(0, [])

    assert seen == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


def test_a_dropped_process_runs_no_finally() -> None:
    """Killed means killed: not when it is dropped, not when garbage is collected."""
    bench = Bench()
    seen: list[str] = []

    def body() -> None:
        try:
            bench.scheduler.sleep(10)
        finally:
            seen.append("finally")

    victim = bench.spawn("victim", body)
    bench.scheduler.step()
    bench.scheduler.drop(victim)
    del victim
    gc.collect()
    bench.run()

    assert seen == []


def test_a_process_can_be_dropped_by_itself() -> None:
    """Who kills itself does nothing more."""
    bench = Bench()
    seen: list[str] = []

    def body() -> None:
        assert bench.scheduler.current is not None
        bench.scheduler.drop(bench.scheduler.current)
        bench.scheduler.leave_if_gone()
        seen.append("went on")

    bench.spawn("suicide", body)
    bench.run()

    assert seen == []


def test_an_error_in_a_process_reaches_whoever_runs_the_world() -> None:
    """What a process raises comes out of ``step``."""
    bench = Bench()

    def body() -> None:
        raise LookupError("lost")

    bench.spawn("broken", body)
    with pytest.raises(LookupError, match="lost"):
        bench.run()


def test_waiting_ends_by_waking_or_by_time() -> None:
    """``wait`` says which of the two it was."""
    bench = Bench()
    seen: list[bool] = []
    waiting: list[Process] = []

    def waiter() -> None:
        assert bench.scheduler.current is not None
        waiting.append(bench.scheduler.current)
        seen.append(bench.scheduler.wait("a sign", 5.0))
        seen.append(bench.scheduler.wait("a sign", 5.0))

    def waker() -> None:
        bench.scheduler.sleep(1)
        bench.scheduler.wake(waiting[0])

    bench.spawn("waiter", waiter)
    bench.spawn("waker", waker)
    bench.run()

    assert seen == [True, False]
    assert bench.time.now_s == 5.0


def test_who_waits_for_ever_is_named() -> None:
    """A process that nobody will wake is stuck, and says what it waits for."""
    bench = Bench()
    bench.spawn("w1/2", lambda: bench.scheduler.wait("a lock"))
    bench.run()

    assert bench.scheduler.quiet
    assert bench.scheduler.stuck() == ["w1/2 waits for a lock"]


def test_housekeeping_does_not_keep_the_world_awake() -> None:
    """A wait whose alarm is off leaves the world quiet, and still ends in time."""
    bench = Bench()
    bench.spawn("keeper", lambda: bench.scheduler.wait("work", 20.0, idle=True, alarm=False))
    bench.scheduler.step()

    assert bench.scheduler.quiet
    bench.scheduler.run_for(30)
    assert bench.scheduler.processes == []


def test_the_world_cannot_be_run_from_inside() -> None:
    """A process that calls ``step`` is told what to do instead."""
    bench = Bench()
    bench.spawn("inside", bench.scheduler.step)

    with pytest.raises(RuntimeError, match="inside tried to run the world"):
        bench.run()


def test_an_error_can_be_thrown_into_a_sleep() -> None:
    """This is how a soft time limit reaches a body."""
    bench = Bench()
    seen: list[object] = []

    def body() -> None:
        try:
            bench.scheduler.sleep(3600)
        except TimeoutError as error:
            seen.append((error.args, bench.time.now_s))

    sleeper = bench.spawn("sleeper", body)
    bench.scheduler.run_for(5)
    bench.scheduler.throw(sleeper, TimeoutError("soft"))
    bench.run()

    assert seen == [(("soft",), 5.0)]


def test_a_process_that_only_pauses_runs_into_the_limit() -> None:
    """Also when nobody else wants to go first, so that it goes on without a switch."""
    bench = Bench()

    def spin() -> None:
        while True:
            bench.scheduler.pause()

    bench.spawn("spinner", spin)

    assert bench.scheduler.run(10.0, 500) is Halt.TIRED
    assert bench.scheduler.steps == 500


def test_running_on_stops_before_what_is_late() -> None:
    """What comes behind the end has not begun, and time has not moved there."""
    bench, seen = Bench(), list[float]()
    for at_s in (1.0, 5.0):
        bench.scheduler.spawn(
            f"at {at_s}",
            lambda: seen.append(bench.time.now_s),
            place=None,
            context=copy_context(),
            delay_s=at_s,
        )

    assert bench.scheduler.run(2.0, 500) is Halt.LATE
    assert (seen, bench.time.now_s) == ([1.0], 1.0)
    assert bench.scheduler.run(9.0, 500) is Halt.QUIET
    assert seen == [1.0, 5.0]


@given(seed=st.integers(0, 2**32), lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_running_on_gives_the_history_of_single_steps(seed: int, lengths: list[int]) -> None:
    """Who goes on without a switch is who would have been next: same order, choices, steps."""

    def history(drive: Callable[[Bench], object]) -> tuple[list[str], list[int], int]:
        bench, seen = Bench(seed), list[str]()

        def work(name: str, turns: int) -> None:
            for turn in range(turns):
                seen.append(f"{name}.{turn}")
                if turn % 4 == 3:
                    bench.scheduler.sleep(turn)
                bench.scheduler.pause()

        for number, turns in enumerate(lengths):
            bench.spawn(f"p{number}", partial(work, f"p{number}", turns))
        drive(bench)
        return seen, bench.scheduler.choices.made, bench.scheduler.steps

    assert history(Bench.run) == history(lambda bench: bench.scheduler.run(1e9, 10**6))
