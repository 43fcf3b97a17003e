"""Bodies that do not end: loops, and calls that wait in C, in each kind of pool."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from taskq.adapters.pools.asyncio import AsyncioPool
from taskq.adapters.pools.solo import SoloPool
from taskq.adapters.pools.threads import ThreadsPool
from taskq.errors import SoftTimeLimitExceeded
from taskq.ports import Ending, EndingKind, Job, JobStarted, SlotLost, SlotReady
from tests.real.pools.bench import Bench, BodiesRunner
from tests.real.pools.test_prefork_life import run_script

Make = Callable[..., Bench]
LIMITED = "Soft time limit (0.1s) exceeded for {}[the-id]"


def spin(_job: Job) -> None:
    while True:
        pass


async def spin_on_loop(_job: Job) -> None:
    while True:
        pass


async def rest(job: Job) -> str:
    await asyncio.sleep(float(job.body or b"600"))
    return "rested"


def sleep_in_c(_job: Job) -> None:
    time.sleep(600)


BODIES = {
    "quick": lambda _job: "done",
    "spin": spin,
    "spin on loop": spin_on_loop,
    "rest": rest,
    "sleep": sleep_in_c,
    "nap": lambda _job: time.sleep(0.3),
    "pid": lambda _job: os.getpid(),
}


class Blocker:
    """A body that waits for a socket in C, until it is let go on."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._is_in = threading.Event()

    def body(self, _job: Job) -> None:
        self._is_in.set()
        self._theirs.recv(1)

    async def coroutine(self, job: Job) -> None:
        self.body(job)

    def wait_until_in(self) -> None:
        assert self._is_in.wait(20)

    def let_go_on(self) -> None:
        self._ours.send(b"!")

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()


@pytest.fixture
def blocker() -> Iterator[Blocker]:
    blocker = Blocker()
    yield blocker
    blocker.close()


def limited(b: Bench, task: str, limit_s: float = 0.1) -> int:
    """Give a job with a soft limit to slot 0."""
    job = b.job(task, soft_time_limit_s=limit_s, headers={"id": "the-id"})
    return b.submit(0, [job])[0]


def run(b: Bench, task: str, slot: int = 0) -> int:
    """Give a job, and wait until it has begun."""
    before = len(b.of(JobStarted))
    [token] = b.submit(slot, [b.job(task, announce=True)])
    b.until(lambda: len(b.of(JobStarted)) > before)
    return token


def is_ready(b: Bench, times: int) -> bool:
    return len(b.of(SlotReady)) == times


class Threads:
    """The threads that pools have started since this was made."""

    def __init__(self) -> None:
        self._before = set(threading.enumerate())

    @property
    def names(self) -> list[str]:
        new = set(threading.enumerate()) - self._before
        return sorted(thread.name for thread in new if thread.name.startswith("taskq-"))

    def wait_until(self, names: list[str]) -> None:
        """Wait until these are left, and no others."""
        end_s = time.monotonic() + 20
        while self.names != names:
            assert time.monotonic() < end_s, self.names
            os.sched_yield()


@pytest.fixture
def threads() -> Threads:
    return Threads()


# -- soft ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["spin", "sleep"])
def test_a_child_is_interrupted_whatever_it_does(
    bench: Make, caplog: pytest.LogCaptureFixture, task: str
) -> None:
    """Also in a call that waits in C; the parent says so at once."""
    b = bench()
    b.start(1, BodiesRunner(BODIES))
    token = limited(b, task)

    assert b.until_ended([token]) == ["SoftTimeLimitExceeded()"]
    b.until(lambda: LIMITED.format(task) in caplog.messages)
    assert b.until_ended(b.give(0, "quick")) == ["done"]
    assert not b.of(SlotLost)


def test_the_line_comes_while_the_body_goes_on(
    bench: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """A body that catches its limit may go on for long; the operator does not wait for it."""

    def go_on(_job: Job) -> None:
        try:
            time.sleep(600)
        except SoftTimeLimitExceeded:
            time.sleep(600)

    b = bench()
    b.start(1, BodiesRunner({"go on": go_on}))
    limited(b, "go on")
    b.until(lambda: LIMITED.format("go on") in caplog.messages)

    assert not b.of(Ending)


def test_an_alarm_of_the_body_s_own_gets_along_with_its_limit(bench: Make) -> None:
    """Bodies set alarms to limit parts of what they do; the limit of the task stays."""

    def alarmed(_job: Job) -> str:
        came: list[int] = []
        signal.signal(signal.SIGALRM, lambda number, _frame: came.append(number))
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        while not came:
            pass
        try:
            time.sleep(600)
        except SoftTimeLimitExceeded:
            return f"both came, {came == [signal.SIGALRM]}"
        return "no limit"

    b = bench()
    b.start(1, BodiesRunner({"alarmed": alarmed}))

    assert b.until_ended([limited(b, "alarmed", 0.3)]) == ["both came, True"]


def test_a_name_that_a_message_gives_stays_in_its_line(
    bench: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody writes lines of their own into the log."""
    b = bench()
    b.start(1, BodiesRunner(BODIES))
    job = b.job("sleep", soft_time_limit_s=0.05, headers={"id": "x\nERROR all is lost"})
    b.until_ended(b.submit(0, [job]))

    b.until(lambda: bool(caplog.messages))
    assert r"exceeded for sleep['x\nERROR all is lost']" in caplog.messages[0]


@pytest.mark.parametrize("task", ["spin", "sleep"])
def test_the_solo_pool_is_interrupted_in_the_main_thread(
    bench: Make, caplog: pytest.LogCaptureFixture, task: str
) -> None:
    """The worker's own thread, in C too."""
    b = bench(SoloPool)
    b.start(1, BodiesRunner(BODIES))

    assert b.until_ended([limited(b, task)]) == ["SoftTimeLimitExceeded()"]
    b.until(lambda: caplog.messages == [LIMITED.format(task)])


def test_the_solo_pool_keeps_no_limit_beside_the_main_thread(bench: Make) -> None:
    """It says so, and runs the body to its end."""
    b = bench(SoloPool)
    keeps: list[tuple[bool, bool]] = []

    def work() -> None:
        keeps.append(b.pool.keeps_limits)
        b.start(1, BodiesRunner(BODIES))
        b.until_ended([limited(b, "nap")])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)

    assert keeps == [(False, False)]
    assert [ending.kind for ending in b.of(Ending)] == [EndingKind.SUCCEEDED]


@pytest.mark.parametrize("kind", [ThreadsPool, AsyncioPool])
def test_a_loop_in_a_thread_ends_by_its_soft_limit(
    bench: Make, caplog: pytest.LogCaptureFixture, kind: type
) -> None:
    """Raised at the next bytecode."""
    b = bench(kind)
    b.start(1, BodiesRunner(BODIES))

    assert b.until_ended([limited(b, "spin")]) == ["SoftTimeLimitExceeded()"]
    b.until(lambda: caplog.messages == [LIMITED.format("spin")])
    assert b.until_ended(b.give(0, "quick")) == ["done"]


def test_a_coroutine_ends_by_its_soft_limit(bench: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Raised where it awaits."""
    b = bench(AsyncioPool)
    b.start(1, BodiesRunner(BODIES))

    assert b.until_ended([limited(b, "rest")]) == ["SoftTimeLimitExceeded()"]
    b.until(lambda: caplog.messages == [LIMITED.format("rest")])


@pytest.mark.parametrize("kind", [ThreadsPool, AsyncioPool])
def test_nobody_watches_where_there_are_no_limits(
    bench: Make, threads: Threads, kind: type
) -> None:
    """The thread that looks at the clock is started for the first limit, and ends with the pool."""
    b = bench(kind)
    b.start(1, BodiesRunner(BODIES))
    b.until_ended(b.give(0, "quick"))
    assert "taskq-limits" not in threads.names
    b.until_ended([limited(b, "quick", 60)])
    assert "taskq-limits" in threads.names
    b.pool.stop()

    threads.wait_until([])


# -- hard ----------------------------------------------------------------------------------------


def test_a_thread_that_loops_is_ended(bench: Make, threads: Threads) -> None:
    """The thread is gone, and another one works in its place."""
    b = bench(ThreadsPool)
    b.start(1, BodiesRunner(BODIES))
    token = run(b, "spin")
    b.pool.terminate(0, 15)
    b.until(partial(is_ready, b, 2))

    assert b.until_lost().started == (token,)
    assert b.of(SlotLost)[0].expected
    threads.wait_until(["taskq-slot-0"])
    assert b.until_ended(b.give(0, "quick")) == ["done"]


@pytest.mark.parametrize("kind", [ThreadsPool, AsyncioPool])
def test_a_thread_that_waits_in_c_is_left_to_itself(
    bench: Make,
    caplog: pytest.LogCaptureFixture,
    threads: Threads,
    blocker: Blocker,
    kind: type,
) -> None:
    """Its place is taken; when it wakes up it ends, and nothing is heard of it."""
    b = bench(kind)
    b.start(1, BodiesRunner({**BODIES, "blocked": blocker.body}))
    [token] = b.give(0, "blocked")
    blocker.wait_until_in()
    b.pool.terminate(0, 9)
    b.until(partial(is_ready, b, 2))
    assert "its body was terminated with signal 9 and does not end" in caplog.messages[0]
    after = list(threads.names)
    after.remove("taskq-slot-0")
    blocker.let_go_on()
    threads.wait_until(after)

    assert b.until_lost().started == (token,)
    assert b.until_ended(b.give(0, "quick")) == ["done"]
    assert len(b.of(Ending)) == 1


def test_a_coroutine_that_holds_up_the_loop_is_ended(bench: Make) -> None:
    """The others on the loop go on as if nothing was."""
    b = bench(AsyncioPool)
    b.start(2, BodiesRunner(BODIES))
    [other] = b.submit(1, [b.job("rest", b"1.5", announce=True)])
    b.until(lambda: bool(b.of(JobStarted)))
    token = run(b, "spin on loop")
    b.pool.terminate(0, 15)
    b.until(partial(is_ready, b, 3))

    assert b.until_lost().started == (token,)
    assert b.until_ended([other]) == ["rested"]
    assert b.until_ended(b.give(0, "quick")) == ["done"]
    assert len(b.of(SlotLost)) == 1


def test_a_coroutine_that_blocks_in_c_takes_the_loop_with_it(
    bench: Make, threads: Threads, blocker: Blocker
) -> None:
    """What runs beside it is lost, though not by the worker's will; there are new slots."""
    b = bench(AsyncioPool)
    b.start(2, BodiesRunner({**BODIES, "block": blocker.coroutine}))
    other, [token] = run(b, "rest", slot=1), b.give(0, "block")
    blocker.wait_until_in()
    b.pool.terminate(0, 15)
    b.until(partial(is_ready, b, 4))

    lost = {event.slot: event for event in b.of(SlotLost)}
    assert (lost[0].started, lost[0].expected) == ((token,), True)
    assert (lost[1].started, lost[1].expected) == ((other,), False)
    assert lost[1].reason == "its event loop was held up by another body"
    assert b.until_ended([*b.give(0, "quick"), *b.give(1, "quick")]) == ["done", "done"]
    blocker.let_go_on()
    threads.wait_until(["taskq-loop", "taskq-slot-0", "taskq-slot-1"])


def test_a_coroutine_that_does_not_hear_is_left_to_itself(bench: Make) -> None:
    """It swallows its cancellation; its slot goes on without it."""

    async def deaf(_job: Job) -> None:
        for _ in range(2):
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                continue

    b = bench(AsyncioPool)
    b.start(1, BodiesRunner({**BODIES, "deaf": deaf}))
    token = run(b, "deaf")
    b.pool.terminate(0, 15)
    b.until(partial(is_ready, b, 2))

    assert b.until_lost().started == (token,)
    assert b.until_ended(b.give(0, "quick")) == ["done"]


def test_an_event_loop_that_ends_is_replaced(bench: Make) -> None:
    """A body that stops the loop under the feet of all costs what ran on it, and no more."""

    async def stop_loop(_job: Job) -> None:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(600)

    b = bench(AsyncioPool)
    b.start(2, BodiesRunner({**BODIES, "stop": stop_loop}))
    b.give(0, "stop")
    b.until(partial(is_ready, b, 4))

    assert {lost.reason for lost in b.of(SlotLost)} == {"its event loop has ended"}
    assert b.until_ended([*b.give(0, "quick"), *b.give(1, "quick")]) == ["done", "done"]


def test_a_stopped_child_is_killed(bench: Make) -> None:
    """A process that does not even get its signals dies of SIGKILL, and its slot is replaced."""
    b = bench()
    b.start(1, BodiesRunner(BODIES))
    old = b.pid(0)
    os.kill(old, signal.SIGSTOP)
    [token] = b.give(0, "quick")
    b.pool.terminate(0, signal.SIGTERM)
    b.until(partial(is_ready, b, 2))

    assert b.until_lost().reason == "terminated with SIGTERM: killed by signal 9 (SIGKILL)"
    assert b.until_lost().unstarted == (token,)
    assert b.until_ended(b.give(0, "pid")) == [str(b.pid(0))] != [str(old)]


def test_an_exception_that_waits_for_a_thread_is_nobody_else_s_business() -> None:
    """A tracer works beside a thread that is blocked, and was to be ended."""
    script = """
        import sys
        from taskq.adapters.clock import SystemClock
        from taskq.adapters.pools.threads import ThreadsPool
        from taskq.ports import SlotReady
        from tests.real.pools.bench import Bench, BodiesRunner
        from tests.real.pools.test_limits import Blocker

        blocker = Blocker()
        b = Bench(ThreadsPool(clock=SystemClock()))
        b.start(1, BodiesRunner({"blocked": blocker.body}))
        b.give(0, "blocked")
        blocker.wait_until_in()
        b.pool.terminate(0, 15)
        b.until(lambda: len(b.of(SlotReady)) == 2)

        def traced():
            return sum(range(10))

        lines = []

        def trace(frame, what, argument):
            lines.append(what)
            return trace

        sys.settrace(trace)
        traced()
        sys.settrace(None)
        print(lines)
    """
    done = run_script(script)

    assert done.stdout == "['call', 'line', 'return']\n"
