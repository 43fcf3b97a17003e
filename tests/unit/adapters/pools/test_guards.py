"""A limit is raised in the body or not at all, however close its end is."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from taskq.adapters.pools.limits import INTERRUPT, SignalGuard, ThreadGuard, Watcher
from taskq.adapters.pools.raising import Reach, Terminated, forget
from taskq.app.soft_limit import call_limited
from taskq.errors import SoftTimeLimitExceeded
from taskq.ports import Ending, EndingKind, Guard, Job

ROUNDS = 1500


class Runner:
    """Runs a body under its guard, and looks for strays in what follows."""

    def __init__(self, body: Callable[[], None]) -> None:
        self.body = body
        self.came: Counter[str] = Counter()

    def __call__(self, job: Job, guard: Guard | None = None) -> Ending:
        assert guard is not None
        try:
            call_limited(guard, self.body, (), {})
            self.came["ended"] += 1
        except SoftTimeLimitExceeded:
            self.came["limit"] += 1
        try:
            for _ in range(300):  # the code around the body
                pass
        except SoftTimeLimitExceeded:
            self.came["stray"] += 1
        return Ending(job.token, EndingKind.SUCCEEDED)

    def begin_process(self) -> None: ...

    def end_process(self, exitcode: int) -> None: ...

    def is_async(self, job: Job) -> bool:
        return False

    async def awaitable(self, job: Job, guard: Guard | None = None) -> Ending:
        raise NotImplementedError


def job(limit_s: float) -> Job:
    return Job(1, {"task": "t", "id": "i"}, b"", "a", "b", {}, {}, soft_time_limit_s=limit_s)


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    watcher = Watcher()
    watcher.start()
    yield watcher
    watcher.stop()


@pytest.fixture
def _signal_handler() -> Iterator[None]:
    before = signal.getsignal(INTERRUPT)
    SignalGuard.listen()
    yield
    signal.signal(INTERRUPT, before)


def spin(seconds: float) -> Callable[[], None]:
    def body() -> None:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            pass

    return body


@pytest.mark.parametrize("body_s", [0.0, 0.0002, 0.002])
def test_a_thread_is_hit_in_its_body_alone(watcher: Watcher, body_s: float) -> None:
    """Bodies that end when their limit does."""
    runner, guard = Runner(spin(body_s)), ThreadGuard(watcher)
    until_s = time.monotonic() + 5
    rounds = 0

    def work() -> None:
        nonlocal rounds
        while rounds < ROUNDS and time.monotonic() < until_s:
            rounds += 1
            guard.run(runner, job(body_s * (0.9 + rounds % 5 * 0.05)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)

    assert runner.came["stray"] == 0
    assert runner.came["ended"] + runner.came["limit"] == rounds > 0
    assert body_s == 0 or runner.came["limit"] > 0


@pytest.mark.usefixtures("_signal_handler")
@pytest.mark.parametrize("body_s", [0.0002, 0.002])
def test_the_main_thread_is_hit_in_its_body_alone(watcher: Watcher, body_s: float) -> None:
    """The same with a signal."""
    runner = Runner(spin(body_s))
    until_s = time.monotonic() + 5
    rounds = 0
    while rounds < ROUNDS and time.monotonic() < until_s:
        rounds += 1
        limited = job(body_s * (0.9 + rounds % 5 * 0.05))
        runner(limited, SignalGuard(watcher, limited, lambda _job: None))

    assert runner.came["stray"] == 0
    assert runner.came["ended"] + runner.came["limit"] == rounds > 0
    assert runner.came["limit"] > 0


@pytest.mark.usefixtures("_signal_handler")
def test_a_signal_from_elsewhere_is_no_limit(watcher: Watcher) -> None:
    """Whoever sends it, the limit has to be over."""
    runner = Runner(lambda: signal.raise_signal(INTERRUPT))
    limited = job(60)
    runner(limited, SignalGuard(watcher, limited, lambda _job: None))
    signal.raise_signal(INTERRUPT)

    assert runner.came == {"ended": 1}


@pytest.mark.parametrize("before", [True, False])
def test_a_thread_that_is_to_end_ends_by_its_next_body(watcher: Watcher, before: bool) -> None:
    """Asked before the body it does not begin; asked in it, it ends there."""
    begun, came = threading.Event(), []

    def body() -> None:
        begun.set()
        spin(20)()

    guard, runner = ThreadGuard(watcher), Runner(body)

    def work() -> None:
        try:
            guard.run(runner, job(60))
        except Terminated as error:
            came.append(error)
        forget()

    thread = threading.Thread(target=work)
    if before:
        guard.terminate()
    thread.start()
    if not before:
        assert begun.wait(20)
        guard.terminate()
    thread.join(20)

    assert (begun.is_set(), len(came)) == (not before, 1)


@pytest.mark.parametrize("before", [True, False])
def test_a_coroutine_is_cancelled_by_whoever_awaits_it(watcher: Watcher, before: bool) -> None:
    """Now, or when it begins; not when it has ended."""
    cancelled: list[int] = []
    guard = ThreadGuard(watcher)
    if before:
        guard.terminate()
    guard.awaits(lambda: cancelled.append(1))
    if not before:
        guard.terminate()

    assert cancelled == [1]
    guard.awaits(None)
    assert cancelled == [1]


def test_a_thread_that_has_left_is_not_reached() -> None:
    """Its number may be another one's by then."""
    reach, came = Reach(), []

    def work() -> None:
        reach.enter()
        reach.leave()
        try:
            reach.throw(Terminated)
            for _ in range(300):
                pass
        except Terminated as error:
            came.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)

    assert came == []
