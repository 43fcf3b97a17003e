"""Workers are restarted under load, as a deployment does it."""

from __future__ import annotations

import random
import threading
from contextlib import ExitStack

from tests.real.survival.conftest import Program

RESTARTS = 60
SEED = 20261120


class Load(threading.Thread):
    """A client that sends without a pause until it is told to stop."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self._program, self._over = program, threading.Event()
        self._chance = random.Random(SEED)
        self.sent = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Send some thirty tasks a second, early and late ones."""
        tasks = (self._program.module.early, self._program.module.late)
        try:
            while not self._over.wait(0.03):
                task = tasks[self.sent % 2]
                task.delay(self.sent, self._chance.uniform(0, 0.1))
                self.sent += 1
        except BaseException as error:  # the test looks at it
            self.failure = error
            raise

    def stop(self) -> None:
        """Send no more."""
        self._over.set()
        self.join()


def test_sixty_rolling_restarts_lose_nothing_and_double_nothing(program: Program) -> None:
    load = Load(program)
    codes: list[int] = []
    with ExitStack() as fleet:
        running = [fleet.enter_context(program.worker("-c", "2", "-n", "w0@%h"))]
        load.start()
        for number in range(1, RESTARTS + 1):
            newer = fleet.enter_context(program.worker("-c", "2", "-n", f"w{number}@%h"))
            codes.append(running.pop().stop())
            running.append(newer)
        load.stop()
        program.wait(lambda: len(program.counts("end")) == load.sent, "all have ended")

    assert load.failure is None
    assert codes == [0] * RESTARTS
    assert set(program.counts("end")) == set(range(load.sent))
    assert max(program.counts("start").values()) == 1
