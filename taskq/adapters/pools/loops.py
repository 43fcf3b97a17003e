"""Threads of the asyncio pool: the one with the event loop, and those beside it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from contextvars import Context
from queue import SimpleQueue
from threading import Event, Thread
from typing import TypeAlias

from taskq.adapters.pools.limits import ThreadGuard, Watcher
from taskq.adapters.pools.raising import Reach, Terminated
from taskq.ports import Ending, Job, JobRunner

log = logging.getLogger(__name__)

# What a body comes to: its ending, or what would have ended a process of its own.
Fate: TypeAlias = Ending | BaseException


class LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        # Until when it may hear again, after something was raised in it because it did not.
        self.last_chance_s: float | None = None
        self.is_over = False
        self.reach = Reach()
        self._up = Event()
        self.thread = Thread(target=self._live, name="taskq-loop", daemon=True)
        self.thread.start()
        self._up.wait()

    def stop(self) -> None:
        """End the loop; what still runs on it is cancelled."""
        with suppress(RuntimeError):  # it has ended
            self.loop.call_soon_threadsafe(self._over.set)

    def _live(self) -> None:
        self.reach.enter()
        try:
            asyncio.run(self._until_over())
        except Terminated:
            pass  # it came when no body held the loop up any more; the slots have told
        except RuntimeError:
            log.exception("a body has stopped the event loop; another one takes its place")
        finally:
            self.reach.leave()

    async def _until_over(self) -> None:
        self.loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._up.set()
        await self._over.wait()


class SideThread:
    """Runs the bodies of one slot that would hold up the loop."""

    def __init__(
        self, number: int, run: JobRunner, loop: asyncio.AbstractEventLoop, watcher: Watcher
    ) -> None:
        self._run, self._loop = run, loop
        self._guard = ThreadGuard(watcher)
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._asked: asyncio.Future[Fate] | None = None  # who waits for the last job
        self.thread = Thread(target=self._live, name=f"taskq-slot-{number}", daemon=True)
        self.thread.start()

    def call(self, job: Job) -> asyncio.Future[Fate]:
        """Run a job there; one at a time."""
        future: asyncio.Future[Fate] = self._loop.create_future()
        self._asked = future
        self._jobs.put(job)
        return future

    def end_body(self) -> None:
        """Raise in the body that runs."""
        self._guard.terminate()

    def end(self) -> None:
        """Nothing follows."""
        self._jobs.put(None)

    def _live(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._answer(self._fate(job))

    def _answer(self, fate: Fate) -> None:
        # The loop is closed when the worker stops at once; then nobody asks any more.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_resolve, self._asked, fate)

    def _fate(self, job: Job) -> Fate:
        try:
            return Context().run(self._guard.run, self._run, job)
        except BaseException as error:  # noqa: BLE001 - the slot that asked deals with it
            return error


def _resolve(future: asyncio.Future[Fate] | None, fate: Fate) -> None:
    if future is not None and not future.done():
        future.set_result(fate)
