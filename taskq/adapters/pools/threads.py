"""The pool of threads: n slots, each a thread with a queue of jobs.

A thread cannot be ended from outside, but something can be raised in it: a soft time limit, and
what ``terminate`` sends.  It comes at the next bytecode, so not while the thread waits in C: a
slot whose thread does not end soon is given up, and a new thread takes its place.  Threads are
daemons: a body that never ends does not keep the worker's process alive.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Final

from taskq.adapters.pools.in_process import InProcessPool, InProcessSlot
from taskq.adapters.pools.limits import ThreadGuard, Watcher
from taskq.adapters.pools.mailbox import Mailbox
from taskq.ports import Job, JobRunner, JobStarted, SlotReady

# How long ``stop`` waits for each thread that has nothing to do.
STOP_GRACE_S: Final = 2.0


class ThreadSlot(InProcessSlot):
    """One thread."""

    def __init__(
        self, number: int, run: JobRunner, mailbox: Mailbox[ThreadSlot], watcher: Watcher
    ) -> None:
        super().__init__(number, run, mailbox)
        self._guard = ThreadGuard(watcher)
        self._bell: SimpleQueue[bool] = SimpleQueue()  # whether it was the last time
        self.thread = Thread(target=self._live, name=f"taskq-slot-{number}", daemon=True)
        self.thread.start()

    def ring(self, *, last: bool = False) -> None:
        """Wake the thread."""
        self._bell.put(last)

    def end_body(self) -> None:
        """Raise in the thread."""
        self._guard.terminate()

    def _live(self) -> None:
        self.tell(SlotReady(self.number, os.getpid()))
        try:
            while not self._bell.get():
                while (job := self.next_job()) is not None:
                    self._run_one(job)
        except BaseException as error:  # noqa: BLE001 - the end of a thread: SystemExit and such
            self.tell_lost(error)
        else:
            self.tell_left()

    def _run_one(self, job: Job) -> None:
        if job.announce:
            self.tell(JobStarted(job.token, os.getpid()))
        self.tell(self._guard.run(self.run, job))


class ThreadsPool(InProcessPool[ThreadSlot]):
    """Runs bodies in threads of this process."""

    def _open(self, number: int, run: JobRunner) -> ThreadSlot:
        return ThreadSlot(number, run, self.mailbox, self.watcher)

    def _await_end(self, idle: Sequence[ThreadSlot]) -> None:
        for slot in idle:
            slot.thread.join(STOP_GRACE_S)
