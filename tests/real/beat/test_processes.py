"""Beat as a process, and beside a worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskq_testing.servers import PrivateServer
from tests.real.beat.conftest import HERE, Ground, until

WORKER = ("worker", "-l", "INFO", "-c", "1", "-P", "solo")


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_what_beat_sends_runs(ground: Ground) -> None:
    """Entries of the settings, and those that the program adds, run; TERM ends it with its file."""
    with ground.beat() as beat, ground.run(*WORKER) as worker:
        until(lambda: min(ground.runs("configured"), ground.runs("added")) >= 3, lambda: beat.text)
        assert beat.stop(60) == 0
        assert worker.stop(60) == 0

    rows = json.loads(ground.schedule.read_text())["entries"]
    assert rows["configured"]["total_run_count"] >= 3
    assert rows["added"]["total_run_count"] >= 3
    assert len(rows) == 3
    assert ground.runs("new year") == 0
    assert "Scheduler: Sending due task added (tick)" in beat.text
    assert "beat: Starting..." in beat.text


def test_a_new_start_goes_on_where_it_was(ground: Ground) -> None:
    """Counts and last runs are taken up; what became due meanwhile runs once."""
    with ground.beat() as beat:
        beat.wait_for("Sending due task configured", 60)
        assert beat.stop(60) == 0
    content = json.loads(ground.schedule.read_text())
    long_ago = datetime.now(UTC) - timedelta(days=500)
    [yearly] = [name for name in content["entries"] if name not in ("configured", "added")]
    content["entries"][yearly]["last_run_at"] = long_ago.isoformat()
    content["entries"]["configured"]["total_run_count"] = 1000
    ground.schedule.write_text(json.dumps(content))

    with ground.beat() as beat, ground.run(*WORKER) as worker:
        until(lambda: ground.runs("new year"), lambda: beat.text + worker.text)
        until(lambda: ground.runs("configured") >= 3, lambda: beat.text)
        beat.stop(60)
        worker.stop(60)

    assert ground.runs("new year") == 1
    rows = json.loads(ground.schedule.read_text())["entries"]
    assert rows["configured"]["total_run_count"] > 1000


def test_a_worker_with_its_beat(ground: Ground) -> None:
    """``worker -B`` sends and runs; TERM ends both, and the schedule file is written."""
    words = ("worker", "-l", "INFO", "-c", "1", "-B", "-s", str(ground.schedule))
    with ground.run(*words) as worker:
        until(lambda: ground.runs("added") >= 3, lambda: worker.text)
        assert worker.stop(60) == 0

    rows = json.loads(ground.schedule.read_text())["entries"]
    assert rows["added"]["total_run_count"] >= 3
    assert "INFO/Beat] beat: Shutting down..." in worker.text


@pytest.mark.parametrize("pool", ["threads", "asyncio", "gevent", "eventlet"])
def test_a_beat_beside_every_pool(on_redis: Ground, pool: str) -> None:
    """It is a process of its own, whatever runs the tasks."""
    words = ("worker", "-l", "INFO", "-c", "2", "-P", pool, "-B", "-s", str(on_redis.schedule))
    with on_redis.run(*words) as worker:
        until(lambda: on_redis.runs("added") >= 3, lambda: worker.text)
        assert worker.stop(60) == 0
        assert "Traceback" not in worker.text


def test_a_beat_ends_with_its_worker(on_redis: Ground) -> None:
    """Also when the worker is killed: two beats would send everything twice."""
    words = ("worker", "-l", "INFO", "-c", "1", "-P", "solo", "-B", "-s", str(on_redis.schedule))
    with on_redis.run(*words) as worker:
        until(lambda: on_redis.runs("added") >= 1, lambda: worker.text)
        pid = int(Path(f"{on_redis.schedule}.lock").read_text())
        assert pid != worker.process.pid
        worker.signal(signal.SIGKILL)
        worker.process.wait(60)

        until(lambda: not lives(pid), lambda: f"{pid} lives\n{worker.text}")


def test_a_second_beat_with_the_same_file_is_refused(on_redis: Ground) -> None:
    """With one line that names the process, and exit code 2."""
    with on_redis.beat() as first:
        first.wait_for("Sending due task", 60)
        with on_redis.beat() as second:
            assert second.process.wait(60) == 2
            assert f"another beat (process {first.process.pid})" in second.text
            assert "Traceback" not in second.text
        assert first.stop(60) == 0


def test_a_killed_beat_leaves_a_file_that_can_be_read(on_redis: Ground) -> None:
    """After kill -9 the next one starts; what was in doubt is said."""
    for _ in range(5):
        with on_redis.beat() as beat:
            beat.wait_for("Sending due task", 60)
            beat.kill_tree()
            assert "set aside" not in beat.text
            assert "Traceback" not in beat.text

    assert json.loads(on_redis.schedule.read_text())["format"] == "taskq schedule"


@pytest.mark.parametrize("server", ["redis", "rabbitmq"])
def test_an_outage_of_the_broker(
    server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Beat lives through it, says so, and sends again when the broker is back."""
    broker: PrivateServer = request.getfixturevalue(f"{server}_server_of_its_own")
    ground = Ground(broker.url, tmp_path)
    with ground.beat() as beat:
        beat.wait_for("Sending due task", 60)
        broker.stop()
        beat.wait_for("could not be sent", 60)
        broker.start()
        with ground.run(*WORKER) as worker:
            before = ground.runs("added")
            until(lambda: ground.runs("added") >= before + 5, lambda: beat.text + worker.text)
        assert beat.stop(60) == 0


def test_in_the_background(on_redis: Ground) -> None:
    """``--detach`` leaves a process that its pid file names; TERM ends it and removes the file."""
    pidfile, log = on_redis.folder / "beat.pid", on_redis.folder / "background.log"
    words = ("--detach", "--pidfile", str(pidfile), "--logfile", str(log))
    with on_redis.beat(*words) as caller:
        assert caller.process.wait(60) == 0
    until(lambda: log.exists() and "Sending due task" in log.read_text(), lambda: caller.text)
    pid = int(pidfile.read_text())
    try:
        assert pid != caller.process.pid
    finally:
        os.kill(pid, signal.SIGTERM)
    until(lambda: not pidfile.exists(), log.read_text)

    until(lambda: not lives(pid), log.read_text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-S", "nosuch"), "no installed package has a scheduler of that name"),
        (("-S", "nosuch.module:Scheduler"), "cannot be loaded"),
        (("-s", "/nonexistent/folder/schedule"), "cannot be used"),
        (("-f", "/nonexistent/folder/log"), "cannot write the log"),
    ],
)
def test_a_wrong_word_is_one_line(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    """With what to do, and exit code 2 (1 for a log that cannot be written); no traceback."""
    env = {
        **os.environ,
        "TICKING_BROKER": "memory://",
        "TICKING_LEDGER": str(tmp_path / "ledger"),
    }
    command = [sys.executable, "-m", "taskq", "-q", "-A", "ticking", "beat", *words]
    if "-s" not in words:
        command += ["-s", str(tmp_path / "schedule")]
    ended = subprocess.run(
        command, cwd=HERE, env=env, capture_output=True, text=True, timeout=60, check=False
    )

    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert ended.returncode in (1, 2)


def test_beat_answers_a_ping(ground: Ground) -> None:
    """With remote control on it is seen by ``inspect ping``, and by no other command."""
    with ground.beat("--enable-remote-control", "-n", "clockwork@here") as beat:
        beat.wait_for("Sending due task", 60)

        def answered(*words: str) -> str:
            asked = ground.run("inspect", *words, "--timeout", "2")
            with asked as command:
                command.process.wait(60)
                return command.text

        until(lambda: "clockwork@here" in answered("ping"), lambda: beat.text)
        assert "pong" in answered("ping", "-d", "clockwork@here")
        assert "clockwork" not in answered("active")
        assert beat.stop(60) == 0


def test_a_worker_works_on_without_its_beat(on_redis: Ground) -> None:
    """Where another beat has the schedule file, the log says it, and tasks run."""
    with on_redis.beat() as beat:
        beat.wait_for("Sending due task", 60)
        words = ("worker", "-l", "INFO", "-c", "1", "-P", "solo", "-B")
        with on_redis.run(*words, "-s", str(on_redis.schedule)) as worker:
            until(lambda: on_redis.runs("added") >= 3, lambda: worker.text)
            worker.wait_for(rf"beat ends: .*another beat \(process {beat.process.pid}\)", 60)
            assert worker.stop(60) == 0
        assert beat.stop(60) == 0
