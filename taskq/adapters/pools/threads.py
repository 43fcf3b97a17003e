"""The pool of threads: n slots, each a thread with a queue of jobs.

Threads are daemons: a body that never ends does not keep the worker's process alive.  Nothing can
end a thread from outside, so no limit is kept and ``terminate`` does nothing but say so.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Final

from taskq.adapters.pools.in_process import InProcessPool, InProcessSlot
from taskq.adapters.pools.mailbox import Mailbox
from taskq.ports import Job, JobRunner, JobStarted, SlotReady

log = logging.getLogger(__name__)

# How long ``stop`` waits for each thread that has nothing to do.
STOP_GRACE_S: Final = 2.0


class ThreadSlot(InProcessSlot):
    """One thread."""

    def __init__(self, number: int, run: JobRunner, mailbox: Mailbox) -> None:
        super().__init__(number, run, mailbox)
        self._bell: SimpleQueue[bool] = SimpleQueue()  # whether it was the last time
        self.thread = Thread(target=self._live, name=f"taskq-slot-{number}", daemon=True)
        self.thread.start()

    def ring(self, *, last: bool = False) -> None:
        """Wake the thread."""
        self._bell.put(last)

    def _live(self) -> None:
        self.mailbox.put(SlotReady(self.number, os.getpid()))
        try:
            while not self._bell.get():
                while (job := self.next_job()) is not None:
                    self._run_one(job)
        except BaseException as error:  # noqa: BLE001 - the end of a thread: SystemExit and such
            self.tell_lost(f"the body raised {error!r}")
        else:
            self.tell_lost(self.leaving, expected=True)

    def _run_one(self, job: Job) -> None:
        if job.announce:
            self.mailbox.put(JobStarted(job.token, os.getpid()))
        self.mailbox.put(self.run(job))


class ThreadsPool(InProcessPool[ThreadSlot]):
    """Runs bodies in threads of this process."""

    def terminate(self, slot: int, signal: int) -> None:
        """Say that it cannot be done."""
        log.error("signal %d: slot %d is a thread, which nothing can end; it goes on", signal, slot)

    def _open(self, number: int, run: JobRunner) -> ThreadSlot:
        return ThreadSlot(number, run, self.mailbox)

    def _await_end(self, idle: Sequence[ThreadSlot]) -> None:
        for slot in idle:
            slot.thread.join(STOP_GRACE_S)
