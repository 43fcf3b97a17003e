"""Whole workers with each pool: limits, termination, and bodies that wait side by side."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.compat.test_introduction import run_program
from tests.real.workers import WorkerProcess, worker

POOLS = ["prefork", "threads", "asyncio", "gevent", "eventlet"]
GREEN = ["gevent", "eventlet"]
# As the program ``taskq`` begins.
START = """
import sys
from taskq.wiring.patching import patch_as_told
patch_as_told(sys.argv)
from taskq.__main__ import main
main()
"""
PROGRAM = """
import asyncio, os, signal, time
from taskq import TaskQ
from taskq.errors import SoftTimeLimitExceeded, TaskRevokedError, TimeLimitExceeded

app = TaskQ("limits", broker=os.environ["BROKER"], backend=os.environ["STORE"])
app.conf.task_track_started = True


def doze(seconds):
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        time.sleep(0.01)


@app.task(bind=True)
def limited(self, catch=False):
    try:
        doze(600)
    except SoftTimeLimitExceeded:
        if not catch:
            raise
        return "caught", list(self.request.timelimit)


@app.task(bind=True)
async def awaiting(self, catch=False):
    try:
        await asyncio.sleep(600)
    except SoftTimeLimitExceeded:
        if not catch:
            raise
        return "caught", list(self.request.timelimit)


@app.task
def nap(seconds=0.2):
    began = time.time()
    time.sleep(seconds)
    return began, time.time()


@app.task
def add(a, b):
    return a + b


@app.task
def pid():
    return os.getpid()


@app.task
def freeze():
    os.kill(os.getpid(), signal.SIGSTOP)


def outcome(result):
    try:
        return result.get(timeout=30)
    except Exception as error:
        return type(error).__name__


def soft():
    for task in (limited, awaiting):
        caught = task.apply_async((True,), soft_time_limit=0.3, time_limit=60)
        assert outcome(caught) == ["caught", [60, 0.3]], outcome(caught)
        raised = task.apply_async(soft_time_limit=0.3)
        assert outcome(raised) == "SoftTimeLimitExceeded", outcome(raised)
        assert raised.state == "FAILURE"
    assert outcome(add.delay(1, 2)) == 3


def hard():
    for task in (limited, awaiting):
        ended = task.apply_async(time_limit=0.5)
        assert outcome(ended) == "TimeLimitExceeded", outcome(ended)
        assert ended.state == "FAILURE"
    assert outcome(add.delay(1, 2)) == 3


def terminated():
    for task in (limited, awaiting):
        running = task.delay()
        while running.state != "STARTED":
            time.sleep(0.05)
        running.revoke(terminate=True)
        assert outcome(running) == "TaskRevokedError", outcome(running)
        assert running.state == "REVOKED"
    assert outcome(add.delay(1, 2)) == 3


def frozen():
    os.kill(pid.delay().get(timeout=30), signal.SIGSTOP)
    assert outcome(add.apply_async((1, 2), time_limit=1)) == 3
    freezes = freeze.apply_async(time_limit=1)
    assert outcome(freezes) == "TimeLimitExceeded", outcome(freezes)
    assert outcome(add.delay(1, 2)) == 3


def side_by_side():
    results = [nap.delay() for _ in range(200)]
    spans = [result.get(timeout=60) for result in results]
    steps = sorted([(began, 1) for began, _ in spans] + [(ended, -1) for _, ended in spans])
    running = most = 0
    for _, step in steps:
        running += step
        most = max(most, running)
    assert 50 < most <= 100, most
"""


@contextmanager
def program(
    tmp_path: Path, url: str, *options: str, broker: str = ""
) -> Iterator[tuple[WorkerProcess, dict[str, str]]]:
    """Run a worker of the program above."""
    (tmp_path / "limits.py").write_text(PROGRAM)
    env = {"BROKER": broker or url, "STORE": url}
    command = (sys.executable, "-c", START)
    with worker(tmp_path, *options, app="limits", env=env, cwd=tmp_path, command=command) as w:
        yield w, env


@pytest.mark.parametrize("pool", POOLS)
def test_limits_are_kept_and_tasks_terminated(pool: str, redis_url: str, tmp_path: Path) -> None:
    """Soft, to be caught or not; hard; and by revocation: of functions and of coroutines."""
    with program(tmp_path, redis_url, "-c", "2", "-P", pool) as (running, env):
        for what in ("soft", "hard", "terminated"):
            run_program(f"import limits; limits.{what}()", env, cwd=tmp_path)

        assert running.stop() == 0
    log = running.text
    assert log.count("Soft time limit (0.3s) exceeded for limits.limited[") == 2
    assert log.count("Soft time limit (0.3s) exceeded for limits.awaiting[") == 2
    assert log.count("Hard time limit (0.5s) exceeded for limits.") == 2
    assert "Exception ignored" not in log


def test_a_stopped_child_goes_by_its_hard_limit(redis_url: str, tmp_path: Path) -> None:
    """What it had not begun runs in the next one; what it ran is over its limit."""
    with program(tmp_path, redis_url, "-c", "1") as (_, env):
        run_program("import limits; limits.frozen()", env, cwd=tmp_path)


@pytest.mark.parametrize("pool", GREEN)
def test_greenlets_wait_side_by_side(pool: str, redis_url: str, tmp_path: Path) -> None:
    """200 naps with a concurrency of 100 overlap, never more than 100 of them."""
    with program(tmp_path, redis_url, "-c", "100", "-P", pool) as (_, env):
        run_program("import limits; limits.side_by_side()", env, cwd=tmp_path)


@pytest.mark.parametrize("pool", GREEN)
def test_greenlets_let_kombus_connections_wait_too(
    pool: str, redis_url: str, amqp_url: str, tmp_path: Path
) -> None:
    """The same with RabbitMQ, and limits are kept meanwhile."""
    with program(tmp_path, redis_url, "-c", "100", "-P", pool, broker=amqp_url) as (running, env):
        run_program("import limits; limits.side_by_side(); limits.soft()", env, cwd=tmp_path)

        assert running.stop() == 0
