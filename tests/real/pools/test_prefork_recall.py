"""What children of the prefork pool have not begun can be called back, at any moment."""

from __future__ import annotations

import mmap
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import Any

import pytest

from taskq.adapters.pools.ledger import Ledger
from taskq.ports import Ending, Job, JobsReturned, SlotLost, SlotReady
from tests.real.pools.bench import Bench, BodiesRunner

Make = Callable[..., Bench]


class Runs:
    """How often the body of each token has run, counted by the bodies themselves."""

    def __init__(self, tokens: int) -> None:
        self.counts = mmap.mmap(-1, tokens + 1)

    def bodies(self, begin: Callable[[], None] = lambda: None) -> BodiesRunner:
        bodies = {"quick": self._count, "short": self._short, "long": self._long}
        return BodiesRunner(bodies, begin)

    def of(self, tokens: Sequence[int]) -> Counter[int]:
        return Counter(self.counts[token] for token in tokens)

    def _count(self, job: Job) -> None:
        self.counts[job.token] += 1

    def _short(self, job: Job) -> None:
        self._count(job)
        time.sleep(0.0004)

    def _long(self, job: Job) -> None:
        self._count(job)
        time.sleep(600)


def returned(b: Bench) -> list[int]:
    return [token for event in b.of(JobsReturned) for token in event.tokens]


def ended(b: Bench) -> list[int]:
    return [ending.token for ending in b.of(Ending)]


def until_answered(b: Bench, answers: int) -> None:
    b.until(lambda: len(b.of(JobsReturned)) >= answers)


def test_what_waits_behind_a_long_body_comes_back(bench: Make) -> None:
    """The body goes on, none of the others begins there, and the slot can be used again."""
    runs = Runs(20)
    b = bench()
    b.start(1, runs.bodies())
    done, long, *waiting = b.give(0, "quick", "long", *["quick"] * 8)
    b.until_ended([done])
    b.pool.recall(0)
    until_answered(b, 1)

    assert b.of(JobsReturned) == [JobsReturned(0, tuple(waiting))]
    os.kill(b.pid(0), signal.SIGKILL)
    assert b.until_lost().started == (long,)
    assert b.until_lost().unstarted == ()
    assert runs.of([long, *waiting]) == Counter({1: 1, 0: 8})


def test_jobs_that_are_still_in_the_parent_come_back(bench: Make) -> None:
    """Also those for which the pipe had no room; what follows them arrives whole."""
    runs = Runs(200)
    b = bench()
    b.start(1, runs.bodies())
    os.kill(b.pid(0), signal.SIGSTOP)
    big = b.submit(0, [b.job("quick", b"x" * 10_000) for _ in range(100)])
    b.pool.recall(0)
    after = b.submit(0, [b.job("quick", b"y" * 10_000) for _ in range(50)])
    until_answered(b, 1)
    os.kill(b.pid(0), signal.SIGCONT)
    b.until_ended(after)

    assert returned(b) + ended(b) == big + after
    assert runs.of(big) == Counter({0: 100})
    assert runs.of(after) == Counter({1: 50})


def test_a_slot_that_is_asked_twice_answers(bench: Make) -> None:
    """A second question before the first answer changes nothing."""
    runs = Runs(10)
    b = bench()
    b.start(1, runs.bodies())
    os.kill(b.pid(0), signal.SIGSTOP)
    tokens = b.give(0, "quick", "quick")
    b.pool.recall(0)
    b.pool.recall(0)
    until_answered(b, 1)
    os.kill(b.pid(0), signal.SIGCONT)
    b.until_ended(b.give(0, "quick"))

    assert b.of(JobsReturned) == [JobsReturned(0, tuple(tokens))]
    assert len(ended(b)) == 1


@pytest.mark.parametrize("after", [0, 2])
def test_a_slot_that_leaves_before_it_answers_does_what_it_was_given_after(
    bench: Make, after: int
) -> None:
    """A recall and a stop get along: the one empties the slot, the other ends it."""
    runs = Runs(10)
    b = bench()
    b.start(1, runs.bodies())
    os.kill(b.pid(0), signal.SIGSTOP)
    tokens = b.give(0, "quick", "quick")
    b.pool.recall(0)
    tokens += b.give(0, *["quick"] * after)
    b.pool.stop()
    until_answered(b, 1)
    os.kill(b.pid(0), signal.SIGCONT)
    lost = b.until_lost()

    assert (lost.started, lost.unstarted, lost.expected) == ((), (), True)
    assert returned(b) + ended(b) == tokens
    assert len(ended(b)) == after


def test_a_slot_that_dies_before_it_answers_gives_back_by_its_death(bench: Make) -> None:
    """Nothing is told twice."""
    runs = Runs(10)
    b = bench()
    b.start(1, runs.bodies())
    tokens = b.give(0, "long", "quick", "quick")
    b.until(lambda: runs.of(tokens)[1] == 1)
    b.pool.recall(0)
    b.pool.terminate(0, signal.SIGKILL)
    b.until(lambda: len(b.of(SlotReady)) == 2)

    [lost] = b.of(SlotLost)
    assert [*lost.started, *lost.unstarted, *returned(b)] == tokens
    assert len(b.until_ended(b.give(0, "quick"))) == 1


@pytest.mark.parametrize("seed", range(3))
def test_each_recalled_job_ends_once_or_comes_back_once(bench: Make, seed: int) -> None:
    """Thousands of recalls at any moment of short jobs: never both, and never neither."""
    slots, rounds = range(3), 500
    chance = random.Random(seed)
    runs = Runs(len(slots) * rounds * 30)
    b = bench()
    b.start(len(slots), runs.bodies())
    tokens: list[int] = []
    for round_ in range(1, rounds + 1):
        for slot in slots:
            kinds = ["short" if chance.random() < 0.05 else "quick" for _ in range(30)]
            tokens += b.give(slot, *kinds[: chance.randrange(1, 30)])
        for slot in slots:
            spin_s(chance.random() * 0.0006)
            b.pool.recall(slot)
        until_answered(b, round_ * len(slots))
    b.until(lambda: len(ended(b)) + len(returned(b)) >= len(tokens))

    assert sorted(ended(b) + returned(b)) == tokens
    assert runs.of(ended(b)) == Counter({1: len(ended(b))})
    assert runs.of(returned(b)) == Counter({0: len(returned(b))})
    assert min(len(ended(b)), len(returned(b))) > len(tokens) / 20, "both happened often"
    assert not b.of(SlotLost)


@pytest.mark.parametrize("seed", range(2))
def test_a_child_that_is_held_up_at_the_door_of_a_job_agrees_with_its_parent(
    bench: Make, seed: int
) -> None:
    """Between any two lines of ``Ledger.begin`` the parent may ask, wait and look."""
    slots, rounds = range(3), 100
    chance = random.Random(seed)
    runs = Runs(len(slots) * rounds * 10)
    b = bench()
    b.start(len(slots), runs.bodies(begin=hesitate_at_the_door))
    tokens: list[int] = []
    for round_ in range(1, rounds + 1):
        for slot in slots:
            tokens += b.give(slot, *["quick"] * chance.randrange(1, 10))
        for slot in slots:
            spin_s(chance.random() * 0.004)
            b.pool.recall(slot)
        until_answered(b, round_ * len(slots))
    b.until(lambda: len(ended(b)) + len(returned(b)) >= len(tokens))

    assert sorted(ended(b) + returned(b)) == tokens
    assert runs.of(ended(b)) == Counter({1: len(ended(b))})
    assert runs.of(returned(b)) == Counter({0: len(returned(b))})


@pytest.mark.parametrize("seed", range(2))
def test_recalls_and_kills_lose_and_double_nothing(bench: Make, seed: int) -> None:
    """A job has ended, has come back, or was begun by a child that was killed: one of the three."""
    slots, rounds = range(3), 300
    chance = random.Random(seed)
    runs = Runs(len(slots) * rounds * 30)
    b = bench()
    b.start(len(slots), runs.bodies())
    tokens: list[int] = []
    killed: Counter[int] = Counter()
    for _ in range(rounds):
        for slot in slots:
            b.until(partial(has_come_up, b, slot, killed[slot] + 1))
            tokens += b.give(slot, *["quick"] * chance.randrange(1, 30))
            spin_s(chance.random() * 0.0003)
            b.pool.recall(slot)
            if chance.random() < 0.1:
                os.kill(b.pid(slot), signal.SIGKILL)
                killed[slot] += 1
            b.look()
    b.until(lambda: accounted(b) >= len(tokens))

    lost = b.of(SlotLost)
    begun = [token for event in lost for token in event.started]
    unbegun = [token for event in lost for token in event.unstarted]
    assert sorted(ended(b) + returned(b) + begun + unbegun) == tokens
    assert runs.of(ended(b)) == Counter({1: len(ended(b))})
    assert not +Counter({n: c for n, c in runs.of(returned(b) + unbegun).items() if n})
    assert len(begun) <= len(lost)
    assert len(lost) > rounds / 10


def has_come_up(b: Bench, slot: int, times: int) -> bool:
    return sum(event.slot == slot for event in b.of(SlotReady)) == times


def accounted(b: Bench) -> int:
    lost = sum(len(event.started) + len(event.unstarted) for event in b.of(SlotLost))
    return len(ended(b)) + len(returned(b)) + lost


def hesitate_at_the_door() -> None:
    """Stop a child for a while before lines of ``Ledger.begin``, as a busy machine may."""
    chance = random.Random(os.getpid())

    def line(_frame: FrameType, what: str, _argument: object) -> Any:
        if what == "line" and chance.random() < 0.3:
            time.sleep(chance.random() * 0.003)
        return line

    def call(frame: FrameType, _what: str, _argument: object) -> Any:
        return line if frame.f_code is Ledger.begin.__code__ else None

    sys.settrace(call)


def spin_s(seconds: float) -> None:
    """Let a moment pass that is too short to sleep for."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        pass
