"""One slot of a simulated pool: what it was given, and what it does."""

from __future__ import annotations

import asyncio
from collections import deque

from taskq.ports import Ending, Job
from taskq_testing.sim.loop import VirtualLoop
from taskq_testing.sim.scheduler import Process


class Slot:
    """One child process, thread or greenlet."""

    def __init__(self, number: int, pid: int) -> None:
        self.number, self.pid = number, pid
        self.jobs: deque[Job] = deque()
        self.running: Job | None = None
        self.process: Process | None = None
        self.loop: VirtualLoop | None = None
        self.coroutine: asyncio.Task[Ending] | None = None  # of the body that runs
        self.leaving = ""  # why it ends when it is idle
        self.again = False  # another takes its place then
        self.unheard = False  # nobody wants to know what it does any more
        self.done = 0  # how many bodies it has run
        self.late: list[Job] = []  # given when it was leaving already

    @property
    def load(self) -> int:
        """How many endings it owes."""
        return len(self.jobs) + (self.running is not None)

    @property
    def started(self) -> tuple[int, ...]:
        """The token of what it has begun and not ended."""
        return () if self.running is None else (self.running.token,)

    @property
    def unstarted(self) -> tuple[int, ...]:
        """The tokens of what it has not begun."""
        return tuple(job.token for job in (*self.jobs, *self.late))

    def close_loop(self) -> None:
        """Close its event loop, if nothing runs on it."""
        if self.loop is not None and not self.loop.is_running():
            self.loop.close()
