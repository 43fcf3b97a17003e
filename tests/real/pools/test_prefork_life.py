"""Children of the prefork pool start, live and end as they should."""

from __future__ import annotations

import datetime as dt
import decimal
import logging
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from taskq.errors import ImproperlyConfigured
from taskq.ports import Ending, EndingKind, Job, Reading, SlotLost, SlotReady
from tests.real.pools.bench import Bench, BodiesRunner

Make = Callable[..., Bench]

BODIES = {
    "quick": lambda _job: "done",
    "long": lambda _job: time.sleep(600),
    "headers": lambda job: repr(job.headers),
    "pid": lambda _job: os.getpid(),
}


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def read(self) -> Reading:
        return Reading(0.0, self.now_s)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_a_slow_start_is_waited_for(bench: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Children that need longer than the timeout still come up, each said once; none is lost."""
    b = bench(alive_timeout_s=0.05, max_tasks_per_child=5)
    b.start(1, BodiesRunner(BODIES, begin=lambda: time.sleep(0.2)))
    waiting = [b.job("quick") for _ in range(20)]
    while waiting:
        ready = len(b.of(SlotReady))
        batch, waiting = waiting[:5], waiting[5:]
        b.until_ended(b.submit(0, batch))
        b.until(partial(is_ready, b, ready + 1))

    assert len(b.of(Ending)) == 20
    assert {lost.unstarted for lost in b.of(SlotLost)} == {()}
    warned = [r.message for r in caplog.records if "has not come up" in r.message]
    assert len(warned) == 5
    assert "in 0.05 s (worker_proc_alive_timeout)" in warned[0]


def test_children_that_never_come_up_are_not_started_in_a_circle(
    bench: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """One line for each attempt, with the reason; the pause between them grows."""

    def fail() -> None:
        raise ImportError("no module named proj")

    clock = HandClock()
    b = bench(clock=clock)
    b.pool.start(1, BodiesRunner(BODIES, begin=fail))
    for number in range(1, 5):
        b.until(partial(has_failed, caplog, number))
        for _ in range(20):
            b.look()
        assert len(failures(caplog)) == number
        clock.now_s += b.pool.poll_s or 0.0

    assert "ImportError: no module named proj; next try in 0.5 s" in failures(caplog)[0]
    assert [line.rpartition(" in ")[2] for line in failures(caplog)] == [
        "0.5 s",
        "1 s",
        "2 s",
        "4 s",
    ]
    assert not b.events


def test_a_slot_that_came_up_late_works(
    bench: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """When what kept a child from beginning is mended, the slot is there without more ado."""

    def begin() -> None:
        assert (tmp_path / "mended").exists()

    clock = HandClock()
    b = bench(clock=clock)
    b.pool.start(1, BodiesRunner(BODIES, begin=begin))
    b.until(partial(has_failed, caplog, 1))
    (tmp_path / "mended").touch()
    clock.now_s += 1

    b.until(lambda: bool(b.of(SlotReady)))
    assert b.until_ended(b.give(0, "quick")) == ["done"]


def test_a_system_without_room_for_processes_is_asked_again(
    bench: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork that fails is said, and costs a pause, not the worker."""

    def no_fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    clock = HandClock()
    b = bench(clock=clock)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fork", no_fork)
        b.pool.start(2, BodiesRunner(BODIES))
    clock.now_s += 1

    b.until(lambda: len(b.of(SlotReady)) == 2)
    assert "the system gives no process" in failures(caplog)[0]


def test_a_pool_says_how_its_work_was_spread(bench: Make) -> None:
    """As Celery's monitors show it: shares and numbers of batches by process."""
    b = bench(max_tasks_per_child=50, timeouts=(3.0, 9.0))
    b.start(2, BodiesRunner(BODIES))
    for _ in range(3):
        b.until_ended(b.give(0, "quick"))
    b.until_ended(b.give(1, "quick"))
    said = b.pool.describe()

    assert said["implementation"] == "taskq.adapters.pools.prefork:PreforkPool"
    assert said["processes"] == [b.pid(0), b.pid(1)]
    assert (said["max-concurrency"], said["max-tasks-per-child"]) == (2, 50)
    assert said["timeouts"] == [3.0, 9.0]
    assert said["writes"] == {
        "total": 4,
        "avg": "0.50",
        "all": "0.75, 0.25",
        "raw": "3, 1",
        "strategy": "fair",
        "inqueues": {"total": 2, "active": 0},
    }


def test_an_ending_does_not_wait_for_a_long_body(bench: Make) -> None:
    """A job that is done is told soon, also when the next one of its batch takes long."""
    b = bench()
    b.start(1, BodiesRunner(BODIES))
    first, _second = b.give(0, "quick", "long")
    began = time.monotonic()
    b.until_ended([first])

    assert time.monotonic() - began < 2.0
    assert not b.of(SlotLost)


def test_an_ending_that_was_told_early_is_told_once(bench: Make) -> None:
    """What the parent took from the ledger, and the child sends later, counts once."""
    b = bench()
    b.start(1, BodiesRunner({**BODIES, "nap": lambda _job: time.sleep(0.3)}))
    tokens = b.give(0, "quick", "nap", "quick", "quick")
    b.until_ended(tokens[:1])
    b.until_ended(tokens)
    b.until_ended(b.give(0, "quick"))

    assert [ending.token for ending in b.of(Ending)] == [1, 2, 3, 4, 5]


def test_signals_to_the_whole_group_are_the_parents() -> None:
    """TERM, INT, HUP and QUIT to parent and children end neither child nor job."""
    script = """
        import os, signal, sys, time
        from taskq.adapters.clock import SystemClock
        from taskq.adapters.pools.prefork import PreforkPool
        from taskq.ports import Ending, SlotLost
        from tests.real.pools.bench import Bench, BodiesRunner

        came = []
        group = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
        for number in group:
            signal.signal(number, lambda number, frame: came.append(number))
        b = Bench(PreforkPool(clock=SystemClock()))
        b.start(2, BodiesRunner({"nap": lambda job: time.sleep(0.3) or "rested"}))
        tokens = b.submit(0, [b.job("nap", announce=True)])
        tokens += b.submit(1, [b.job("nap", announce=True)])
        b.until(lambda: len(b.events) == 4)
        for number in group:
            os.killpg(0, number)
        said = b.until_ended(tokens)
        b.pool.stop()
        b.look()
        print(said, sorted(came) == sorted(group), {lost.reason for lost in b.of(SlotLost)})
    """
    done = run_script(script)

    assert done.stdout == "['rested', 'rested'] True {'the worker stops: exited with code 0'}\n"


def test_children_of_a_killed_parent_finish_and_end(tmp_path: Path) -> None:
    """They run the batch that they hold, then see that nobody is left, and go."""
    script = f"""
        import os, signal, time
        from taskq.adapters.clock import SystemClock
        from taskq.adapters.pools.prefork import PreforkPool
        from tests.real.pools.bench import Bench, BodiesRunner

        ledger = os.open({str(tmp_path / "ledger")!r}, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

        def nap(job):
            time.sleep(0.1)
            os.write(ledger, b"%d\\n" % job.token)

        b = Bench(PreforkPool(clock=SystemClock()))
        b.start(2, BodiesRunner({{"nap": nap}}))
        b.submit(0, [b.job("nap", announce=True), b.job("nap"), b.job("nap")])
        b.until(lambda: len(b.events) == 3)
        print(*b.pool.describe()["processes"], flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = run_script(script)
    assert done.returncode == -signal.SIGKILL
    for pid in done.stdout.split():
        wait_until_gone(int(pid))

    assert (tmp_path / "ledger").read_text() == "1\n2\n3\n"


def test_a_child_holds_nothing_of_its_parents(bench: Make) -> None:
    """No descriptor of another slot, nor what ``begin_child`` closes; stdin is empty."""
    before = open_things()
    mine_r, mine_w = os.pipe()
    mine = open_things() - before
    bodies = {
        "open": lambda _job: " ".join(open_things()),
        "stdin": lambda _job: repr(sys.stdin.read()),
    }

    def close_mine(_number: int = 0) -> None:
        os.close(mine_r)
        os.close(mine_w)

    b = bench(begin_child=close_mine)
    b.start(3, BodiesRunner(bodies))
    held, stdin = b.until_ended(b.give(2, "open", "stdin"))
    close_mine()
    own = set(held.split()) - before

    assert len(own) == 2
    assert not own & mine
    assert stdin == "''"


def test_what_a_body_starts_can_be_terminated(bench: Make) -> None:
    """Programs and processes of a body take SIGTERM as ever, although their parent does not."""

    def program(_job: Job) -> int:
        with subprocess.Popen(["sleep", "600"]) as process:
            process.terminate()
            return process.wait()

    def fork(_job: Job) -> int:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        os.kill(pid, signal.SIGTERM)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    b = bench()
    b.start(1, BodiesRunner({"program": program, "fork": fork}))

    assert b.until_ended(b.give(0, "program", "fork")) == ["-15", "-15"]


def test_hooks_are_called_at_both_ends_of_a_process(bench: Make, tmp_path: Path) -> None:
    """``begin_process`` before the first job, ``end_process`` with the code after the last."""
    ledger = os.open(tmp_path / "ledger", os.O_CREAT | os.O_APPEND | os.O_RDWR)

    def note(text: str) -> None:
        os.write(ledger, f"{text}\n".encode())

    def leave(_job: Job) -> None:
        raise SystemExit(3)

    runner = BodiesRunner(
        {"quick": lambda _job: note("job"), "leave": leave},
        begin=lambda: note("begin"),
        end=lambda code: note(f"end {code}"),
    )
    b = bench(max_tasks_per_child=2)
    b.start(1, runner)
    b.give(0, "quick", "quick")
    b.until(lambda: len(b.of(SlotReady)) == 2)
    b.give(0, "leave")
    b.until(lambda: len(b.of(SlotReady)) == 3)
    b.pool.stop()

    said = os.pread(ledger, 1000, 0).decode().splitlines()
    os.close(ledger)
    assert said == ["begin", "job", "job", "end 0", "begin", "end 3", "begin", "end 0"]


def test_headers_of_any_plain_type_arrive(bench: Make) -> None:
    """Dates and decimals, as brokers deliver them, cross the pipe as they are."""
    headers = {
        "when": dt.datetime(2030, 1, 1, tzinfo=dt.UTC),
        "n": decimal.Decimal("1.5"),
    }
    b = bench()
    b.start(1, BodiesRunner(BODIES))
    token = b.submit(0, [b.job("headers", headers=headers)])

    assert b.until_ended(token) == [repr({"task": "headers", **headers})]


def test_a_header_that_cannot_travel_costs_its_own_job_only(bench: Make) -> None:
    """Such a job ends as malformed, and the others of its batch run."""
    b = bench()
    b.start(1, BodiesRunner(BODIES))
    good = b.job("quick")
    bad = b.job("quick", headers={"lock": threading.Lock()})
    b.submit(0, [good, bad])
    b.until(lambda: len(b.of(Ending)) == 2)

    kinds = {ending.token: ending.kind for ending in b.of(Ending)}
    assert kinds == {good.token: EndingKind.SUCCEEDED, bad.token: EndingKind.MALFORMED}


def test_a_child_that_writes_nonsense_is_replaced(
    bench: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """Bytes on the pool's pipe that are no frame end the child, and nothing else."""

    def scribble(_job: Job) -> None:
        for link in Path("/proc/self/fd").iterdir():
            fd = int(link.name)
            if link.is_symlink() and str(link.readlink()) in open_things() - before:
                with suppress(OSError):  # the end of a pipe that is read
                    os.write(fd, b"hello, is this a log file?\n")
        time.sleep(600)

    before = open_things()
    b = bench()
    b.start(1, BodiesRunner({**BODIES, "scribble": scribble}))
    [token] = b.give(0, "scribble")
    b.until(lambda: len(b.of(SlotReady)) == 2)

    assert b.until_lost().started == (token,)
    assert "wrote what is no frame" in b.of(SlotLost)[0].reason
    assert b.until_ended(b.give(0, "quick")) == ["done"]


def test_a_pool_can_be_started_in_a_thread(bench: Make) -> None:
    """A worker that is not in the main thread has children that work and end like any other."""
    b = bench()
    said: list[str] = []

    def work() -> None:
        b.start(2, BodiesRunner(BODIES))
        said.extend(b.until_ended(b.give(0, "quick") + b.give(1, "quick")))
        b.pool.stop()
        b.look()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)

    assert said == ["done", "done"]
    assert {lost.reason for lost in b.of(SlotLost)} == {"the worker stops: exited with code 0"}


def test_memory_that_is_too_small_for_any_child_is_said_once(
    bench: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """Each job costs a process then; the operator learns why."""
    b = bench(max_memory_per_child=1000)
    b.start(1, BodiesRunner(BODIES))
    for number in range(3):
        b.until_ended(b.give(0, "quick"))
        b.until(partial(is_ready, b, number + 2))

    assert len([r for r in caplog.records if "before its first task" in r.message]) == 1


def test_a_start_method_that_is_not_there_is_refused(bench: Make) -> None:
    """Only ``fork`` works; anything else is said when the pool is made."""
    with pytest.raises(ImproperlyConfigured, match="'spawn' is not there yet"):
        bench(start_method="spawn")


def failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.message for r in caplog.records if r.levelno == logging.ERROR]


def has_failed(caplog: pytest.LogCaptureFixture, times: int) -> bool:
    return len(failures(caplog)) == times


def is_ready(bench: Bench, times: int) -> bool:
    return len(bench.of(SlotReady)) == times


def open_things() -> set[str]:
    """Return what the descriptors of this process stand for, files aside."""
    links = Path("/proc/self/fd").iterdir()
    names = {str(link.readlink()) for link in links if link.is_symlink()}
    return {name for name in names if not name.startswith("/")}


def run_script(script: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a session of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        timeout=60,
        cwd=Path(__file__).parents[3],
    )


def wait_until_gone(pid: int) -> None:
    """Wait until a process that is not ours has ended."""
    try:
        ends = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert select.select([ends], [], [], 20)[0], f"process {pid} lives on"
    os.close(ends)
