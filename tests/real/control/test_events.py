"""A monitor of taskq's sees workers of both libraries, on both brokers."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from taskq import TaskQ
from tests.real.control.conftest import HERE
from tests.real.workers import worker

COMMON = {"type", "timestamp", "hostname", "pid", "utcoffset", "clock", "local_received"}
OF_WORKER = {"freq", "active", "processed", "loadavg", "sw_ident", "sw_ver", "sw_sys"}
OF_CALL = {"uuid", "name", "args", "kwargs", "retries", "eta", "expires", "root_id", "parent_id"}
# What each event says, and nothing else.
FIELDS = {
    "task-sent": OF_CALL | {"queue", "exchange", "routing_key"},
    "task-received": OF_CALL,
    "task-started": {"uuid"},
    "task-succeeded": {"uuid", "result", "runtime"},
    "task-failed": {"uuid", "exception", "traceback"},
    "task-rejected": {"uuid", "requeue"},
    "task-revoked": {"uuid", "terminated", "signum", "expired"},
    "task-retried": {"uuid", "exception", "traceback"},
    "worker-online": OF_WORKER,
    "worker-heartbeat": OF_WORKER,
    "worker-offline": OF_WORKER,
}


class Monitor:
    """A picture, and each event that made it."""

    def __init__(self, client: TaskQ) -> None:
        self.state = client.events.State()
        self.seen: dict[str, dict[str, Any]] = {}
        self.receiver = client.events.Receiver(None, handlers={"*": self._hear})

    def _hear(self, event: dict[str, Any]) -> None:
        self.state.event(event)
        self.seen.setdefault(event["type"], event)

    def watch(self, *types: str, timeout_s: float = 30.0) -> None:
        """Listen until events of these types have come."""
        deadline = time.monotonic() + timeout_s
        while not set(types) <= set(self.seen):
            left_s = deadline - time.monotonic()
            assert left_s > 0, f"seen {sorted(self.seen)}, not {set(types) - set(self.seen)}"
            try:
                self.receiver.capture(limit=1, timeout=min(left_s, 1.0), wakeup=False)
            except TimeoutError:
                continue


@pytest.mark.parametrize("library", ["taskq", "celery"])
def test_a_monitor_sees_all_that_happens(
    client: TaskQ, place: dict[str, str], celery_python: str, tmp_path: Path, library: str
) -> None:
    """Every event with its fields, and what follows of them for tasks and workers."""
    client.conf.task_send_sent_event = True
    python = {"taskq": sys.executable, "celery": celery_python}[library]
    env = {**place, "STEERED_LIBRARY": library}
    command = [python, "-m", library]
    monitor = Monitor(client)
    try:
        with pytest.raises(TimeoutError):
            monitor.receiver.capture(timeout=0.1)
        with worker(
            tmp_path,
            *("-n", "w1@here", "-c", "1", "-E", "-P", "prefork"),
            app="steered",
            cwd=HERE,
            env=env,
            command=command,
        ):
            good = client.send_task("steered.add", (2, 3))
            for name in ("steered.fail", "steered.again", "steered.reject"):
                client.send_task(name)
            client.control.revoke("unwanted", reply=True, destination=["w1@here"], timeout=10)
            client.send_task("steered.add", (1, 1), task_id="unwanted")
            monitor.watch(*(set(FIELDS) - {"worker-offline"}))
            alive = [each.hostname for each in monitor.state.alive_workers()]
        monitor.watch("worker-offline")
    finally:
        monitor.receiver.close()

    said = {name: set(event) - COMMON for name, event in monitor.seen.items()}
    assert {name: said[name] for name in FIELDS} == FIELDS
    assert all(set(event) >= COMMON for event in monitor.seen.values())
    task = monitor.state.tasks[good.id]
    assert (task.name, task.state, task.result, task.args) == (
        "steered.add",
        "SUCCESS",
        "5",
        "(2, 3)",
    )
    assert task.worker.hostname == "w1@here"
    assert monitor.state.tasks["unwanted"].state == "REVOKED"
    assert monitor.seen["task-revoked"]["expired"] is False
    assert alive == ["w1@here"]
    assert list(monitor.state.alive_workers()) == []
