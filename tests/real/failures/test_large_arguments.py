"""Children that are replaced after each large task, or killed while they get it."""

from __future__ import annotations

import os
import random
import signal
import threading
from pathlib import Path

from tests.real.failures.conftest import Load, names
from tests.real.workers import WorkerProcess

COUNT, KILLS = 10, 6
SIZE = 8 * 1024 * 1024
SEED = 20261120


def test_a_parent_answers_and_loses_nothing_whatever_happens_to_its_children(load: Load) -> None:
    """Each child gets 8 MB and is replaced after them; some are killed at any moment."""
    program = load(worker_max_tasks_per_child=1, taskq_delivery_limit=KILLS + 1)
    data = "x" * SIZE
    pings: list[object] = []
    with program.worker("-c", "2", "-n", "w1@here") as running:
        results = [program.module.large.delay(name, data) for name in names("t", COUNT)]
        killer = Killer(running)
        killer.start()
        inspect = program.module.app.control.inspect(["w1@here"], timeout=20)
        while not all(result.ready() for result in results):
            pings.append(inspect.ping())
        killer.join()
        values = [result.get(timeout=10) for result in results]
        assert running.stop() == 0

    assert values == [SIZE] * COUNT
    assert pings == [{"w1@here": {"ok": "pong"}}] * len(pings)
    assert set(program.counts("start")) == set(names("t", COUNT))
    assert program.counts("start").total() <= COUNT + killer.killed
    assert killer.killed == KILLS
    assert "Traceback" not in running.text


class Killer(threading.Thread):
    """Sends SIGKILL to children of a worker, at odd moments."""

    def __init__(self, running: WorkerProcess) -> None:
        super().__init__(daemon=True)
        self._parent, self._chance = running.process.pid, random.Random(SEED)
        self._rest = threading.Event()
        self.killed = 0

    def run(self) -> None:
        """Kill, and rest until the next one is at work."""
        while self.killed < KILLS:
            self._rest.wait(self._chance.uniform(0.05, 0.3))
            if children := self._children():
                os.kill(self._chance.choice(children), signal.SIGKILL)
                self.killed += 1

    def _children(self) -> list[int]:
        found = Path(f"/proc/{self._parent}/task/{self._parent}/children").read_text()
        return [int(pid) for pid in found.split()]
