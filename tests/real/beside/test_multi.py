"""``taskq multi`` starts, restarts and stops workers of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.beside.conftest import HERE

LIMIT_S = 240
FILES = ("--pidfile={folder}/%n.pid", "--logfile={folder}/%n%I.log")


class Machine:
    """Where nodes are started, and what a person types."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder, self._env = folder, env
        self._files = [word.format(folder=folder) for word in FILES]

    def multi(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "taskq", "multi", *words, *self._files],
            cwd=HERE,
            env={**os.environ, **self._env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    @property
    def pids(self) -> dict[str, int]:
        return {file.stem: int(file.read_text()) for file in self.folder.glob("*.pid")}


@pytest.fixture
def machine(
    tmp_path: Path, redis_url: str, environment: Callable[..., dict[str, str]]
) -> Iterator[Machine]:
    made = Machine(tmp_path, environment(redis_url))
    yield made
    made.multi("kill", "one", "two")


def test_nodes_live_from_start_to_stop(
    machine: Machine, redis_url: str, program: Any, environment: Callable[..., dict[str, str]]
) -> None:
    """Nodes work after start, are others after restart, and are gone after stopwait."""
    client = program(environment(redis_url))
    words = ("one", "two", "-A", "beside", "-c", "1", "-l", "INFO")

    started = machine.multi("start", *words)
    first = machine.pids
    again = machine.multi("start", *words)
    assert client.plain.delay(5).get(timeout=60) == 5
    restarted = machine.multi("restart", *words)
    second = machine.pids
    assert client.plain.delay(6).get(timeout=60) == 6
    stopped = machine.multi("stopwait", "one", "two")

    assert (started.returncode, set(first)) == (0, {"one", "two"}), started.stderr
    assert again.returncode == 1
    assert "is there already" in again.stderr
    assert (restarted.returncode, set(second)) == (0, {"one", "two"}), restarted.stderr
    assert not set(first.values()) & set(second.values())
    assert stopped.returncode == 0
    assert machine.pids == {}
    assert "ready" in (machine.folder / "one.log").read_text()


def test_a_killed_node_is_started_again(machine: Machine) -> None:
    """What a kill leaves behind, a pid file, keeps no node from starting."""
    words = ("one", "-A", "beside", "-c", "1")
    machine.multi("start", *words)
    killed = machine.multi("kill", "one")
    left = dict(machine.pids)

    started = machine.multi("start", *words)

    assert killed.returncode == 0
    assert set(left) == {"one"}
    assert started.returncode == 0
    assert machine.pids["one"] != left["one"]
