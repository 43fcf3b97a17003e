"""Workers are asked and steered by the commands, on a real broker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.real.workers import worker

HERE = Path(__file__).parent
TIMEOUT_S = 60.0


@pytest.fixture(params=["redis_url", "amqp_url"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def env(url: str, tmp_path: Path) -> dict[str, str]:
    return {"OPS_BROKER": url, "OPS_LEDGER": str(tmp_path / "ledger"), "OPS_LEASE": "2"}


def taskq(env: dict[str, str], *argv: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "taskq", "-A", "ops", *argv],
        cwd=HERE,
        env={**os.environ, **env},
        input=answer,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def as_json(env: dict[str, str], *argv: str) -> Any:
    done = taskq(env, *argv, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    return json.loads(done.stdout)


def test_workers_are_found_asked_and_sent_home(env: dict[str, str], tmp_path: Path) -> None:
    """From the first ``ping`` to ``shutdown``, and then nobody is there."""
    with (
        worker(tmp_path, "-c", "1", "-n", "w1@here", app="ops", env=env, cwd=HERE) as one,
        worker(tmp_path, "-c", "1", "-n", "w2@here", app="ops", env=env, cwd=HERE) as two,
    ):
        pong = {"ok": "pong"}
        assert as_json(env, "inspect", "ping") == {"w1@here": pong, "w2@here": pong}
        assert as_json(env, "status", "-d", "w2@here") == {"w2@here": pong}
        shown = taskq(env, "status").stdout
        assert sorted(shown.splitlines()[:2]) == ["->  w1@here: OK", "->  w2@here: OK"]
        assert shown.endswith("\n2 nodes online.\n")
        assert "ops.early" in str(as_json(env, "inspect", "registered"))

        limited = taskq(env, "control", "rate_limit", "ops.early", "10/m", "-d", "w1@here")
        assert limited.stdout == "->  w1@here: OK\n        new rate limit set successfully\n"
        refused = as_json(env, "control", "rate_limit", "nosuch", "1/s", "-d", "w1@here")
        assert refused == [{"w1@here": {"error": "unknown task"}}]

        assert taskq(env, "control", "shutdown", "-d", "w1@here").returncode == 69
        assert one.process.wait(20) == 0
        assert list(as_json(env, "inspect", "ping")) == ["w2@here"]
        assert two.stop() == 0

    nobody = taskq(env, "inspect", "ping", "--json")
    assert (nobody.returncode, nobody.stdout) == (69, "")
    assert "No nodes replied within time constraint" in nobody.stderr


def test_a_task_is_called_and_its_result_shown(env: dict[str, str], tmp_path: Path) -> None:
    """By commands alone, from the queue to the result, and what waits is thrown away."""
    waiting = as_json(env, "call", "ops.early", "-a", "[1]")
    assert waiting["name"] == "ops.early"
    assert as_json(env, "purge", "-f") == {"celery": 1}
    assert "there was no message in celery" in taskq(env, "purge", "-f").stdout
    bindings = taskq(env, "list", "bindings")
    assert bindings.returncode == 0 or "rabbitmq_management" in bindings.stderr

    with_results = {**env, "OPS_BACKEND": "cache+memory://"}
    if env["OPS_BROKER"].startswith("redis"):
        with_results = {**env, "OPS_BACKEND": env["OPS_BROKER"]}
        with worker(tmp_path, "-c", "1", app="ops", env=with_results, cwd=HERE):
            called = taskq(with_results, "call", "ops.early", "-a", "[2]").stdout.strip()
            shown = as_json(with_results, "result", called)
            assert (shown["id"], shown["state"], shown["result"]) == (called, "SUCCESS", None)
    late = taskq(with_results, "result", "nosuch", "--timeout", "0.5")
    assert late.returncode == 69
    assert "has no result after 0.5 s; its state is PENDING" in late.stderr


def test_dead_letters_are_seen_and_sent_again(env: dict[str, str], tmp_path: Path) -> None:
    """A message that no worker knows is kept with its reason, until somebody decides."""
    with worker(tmp_path, "-c", "1", app="ops", env=env, cwd=HERE) as running:
        taskq(env, "call", "nosuch.task")
        running.wait_for("nosuch.task")
        deadline = time.monotonic() + TIMEOUT_S
        while not (listed := as_json(env, "dlq", "list"))["count"]:
            assert time.monotonic() < deadline, "no dead letter"
        [letter] = listed["letters"]
        assert letter["task"] == "nosuch.task"
        assert letter["reason"]
        assert taskq(env, "dlq", "show", letter["id"]).returncode == 0
        refused = taskq(env, "dlq", "purge", letter["id"], answer="n\n")
        assert refused.returncode == 1
        assert as_json(env, "dlq", "list")["count"] == 1
        assert as_json(env, "dlq", "purge", letter["id"], "--yes") == {"count": 1}
        assert as_json(env, "dlq", "list")["count"] == 0
        assert taskq(env, "dlq", "replay", letter["id"]).returncode == 1
        assert running.stop() == 0


@pytest.mark.parametrize(
    "broker", ["redis://:s3cret@127.0.0.1:1/0", "amqp://guest:s3cret@127.0.0.1:1//"]
)
@pytest.mark.parametrize(
    "argv",
    [
        ("inspect", "ping"),
        ("status", "--json"),
        ("control", "shutdown"),
        ("call", "ops.early"),
        ("purge", "-f"),
        ("list", "bindings"),
        ("dlq", "list"),
        ("events", "--dump"),
    ],
    ids=" ".join,
)
def test_a_broker_that_is_not_there_is_one_line(broker: str, argv: tuple[str, ...]) -> None:
    """Whatever the command: what, where, and the exit code of what is not available."""
    done = taskq({"OPS_BROKER": broker, "OPS_LEDGER": ""}, *argv)

    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr.count("\n") == 1
    assert "127.0.0.1" in done.stderr or "onnection refused" in done.stderr
    assert "s3cret" not in done.stderr


def test_a_hangup_begins_the_worker_anew(env: dict[str, str], tmp_path: Path) -> None:
    """HUP ends the running task first, then the same command runs in the same process."""
    pidfile = tmp_path / "worker.pid"
    own = ("-c", "1", "-n", "w1@here", "--pidfile", str(pidfile))
    with worker(tmp_path, *own, app="ops", env=env, cwd=HERE) as running:
        before = pidfile.read_text()
        running.signal(signal.SIGHUP)
        deadline = time.monotonic() + TIMEOUT_S
        while running.text.count("is ready") < 2:
            assert time.monotonic() < deadline, running.text
            time.sleep(0.05)
        assert pidfile.read_text() == before
        assert list(as_json(env, "inspect", "ping")) == ["w1@here"]
        assert running.stop() == 0
    assert not pidfile.exists()


def test_no_password_is_in_any_log(url: str, env: dict[str, str], tmp_path: Path) -> None:
    """From the banner to a connection that fails, at the loudest level, nothing leaks."""
    canary = "c4n4ry-s3cret"
    scheme, _, rest = url.partition("://")
    address = rest.rpartition("@")[2]
    wrong = f"{scheme}://user:{canary}@{address}"
    own = {**env, "OPS_BROKER": url, "OPS_BACKEND": f"redis://:{canary}@127.0.0.1:1/0"}

    with worker(tmp_path, "-c", "1", "-l", "DEBUG", app="ops", env=own, cwd=HERE) as running:
        taskq(own, "call", "ops.early", "-a", f'["{wrong}"]')
        running.wait_for("ops.early")
        for command in ("report", "conf", "stats", "registered", "active"):
            assert canary not in taskq(own, "inspect", command, "--json").stdout
        assert canary not in taskq(own, "report").stdout
        running.stop(TIMEOUT_S)  # it tries its store for a while before it gives up
    assert canary not in running.text
    with worker(
        tmp_path, "-l", "DEBUG", app="ops", env={**env, "OPS_BROKER": wrong}, cwd=HERE, ready=False
    ) as refused:
        refused.wait_for("(ERROR|CRITICAL)")
    assert canary not in refused.text
