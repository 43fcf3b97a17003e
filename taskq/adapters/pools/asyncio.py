"""The asyncio pool: one thread with an event loop, and as many coroutines as there are slots.

A body that is a coroutine function is awaited on the loop, each job in a context of its own.  Any
other body runs in a thread, so that it does not hold up the loop; each slot has one, started when
it is first needed.  ``terminate`` cancels what is awaited; a thread goes on.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from queue import SimpleQueue
from threading import Event, Thread
from typing import Final, TypeAlias

from taskq.adapters.pools.in_process import InProcessPool, InProcessSlot
from taskq.adapters.pools.mailbox import Mailbox
from taskq.ports import Clock, Ending, Job, JobRunner, JobStarted, SlotReady

log = logging.getLogger(__name__)

# How long ``stop`` waits for a slot, and for the loop, that have nothing left to do.
STOP_GRACE_S: Final = 2.0

# What a body comes to: its ending, or what would have ended a process of its own.
Fate: TypeAlias = Ending | BaseException


class LoopThread:
    """An event loop in a thread of its own, and the threads of its slots."""

    def __init__(self) -> None:
        self._up = Event()
        self.thread = Thread(target=self._live, name="taskq-loop", daemon=True)
        self.thread.start()
        self._up.wait()

    def stop(self) -> None:
        """End the loop; what still runs on it is cancelled."""
        with suppress(RuntimeError):  # it has ended
            self.loop.call_soon_threadsafe(self._over.set)

    def _live(self) -> None:
        asyncio.run(self._until_over())

    async def _until_over(self) -> None:
        self.loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._up.set()
        await self._over.wait()


class SideThread:
    """Runs the bodies of one slot that would hold up the loop."""

    def __init__(self, number: int, run: JobRunner, loop: asyncio.AbstractEventLoop) -> None:
        self._run, self._loop = run, loop
        self._calls: SimpleQueue[tuple[Job, asyncio.Future[Fate]] | None] = SimpleQueue()
        Thread(target=self._live, name=f"taskq-slot-{number}", daemon=True).start()

    def call(self, job: Job) -> asyncio.Future[Fate]:
        """Run a job there."""
        future: asyncio.Future[Fate] = self._loop.create_future()
        self._calls.put((job, future))
        return future

    def end(self) -> None:
        """Nothing follows."""
        self._calls.put(None)

    def _live(self) -> None:
        while (call := self._calls.get()) is not None:
            job, future = call
            fate = self._fate(job)
            # The loop is closed when the worker stops at once; then nobody asks any more.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_resolve, future, fate)

    def _fate(self, job: Job) -> Fate:
        try:
            return Context().run(self._run, job)
        except BaseException as error:  # noqa: BLE001 - the slot that asked deals with it
            return error


class LoopSlot(InProcessSlot):
    """One coroutine that runs one job after the other."""

    def __init__(self, number: int, run: JobRunner, mailbox: Mailbox, loop: LoopThread) -> None:
        super().__init__(number, run, mailbox)
        self._loop = loop.loop
        self._bell: asyncio.Queue[bool] = asyncio.Queue()  # whether it was the last time
        self._side: SideThread | None = None
        self._running: asyncio.Task[Fate] | None = None
        self._terminated = ""
        self.done = Event()
        self._loop.call_soon_threadsafe(self._begin)

    def ring(self, *, last: bool = False) -> None:
        """Wake the slot, on the loop."""
        self._loop.call_soon_threadsafe(self._bell.put_nowait, last)

    def cancel(self, why: str) -> None:
        """Cancel the body that is awaited, if one is."""
        self._loop.call_soon_threadsafe(self._cancel, why)

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._live(), name=f"taskq-slot-{self.number}")

    def _cancel(self, why: str) -> None:
        if self._running is None:
            log.error("slot %d runs in a thread, which nothing can end; it goes on", self.number)
        else:
            self._terminated = why
            self._running.cancel()

    async def _live(self) -> None:
        self.mailbox.put(SlotReady(self.number, os.getpid()))
        try:
            why = await self._serve()
            self.tell_lost(why or self.leaving, expected=not why or why == self._terminated)
        finally:
            self.done.set()
            if self._side is not None:
                self._side.end()

    async def _serve(self) -> str:
        """Run jobs; returns why the slot is lost, or nothing when it leaves."""
        while not await self._bell.get():
            while (job := self.next_job()) is not None:
                self._terminated = ""
                if job.announce:
                    self.mailbox.put(JobStarted(job.token, os.getpid()))
                fate = await self._fate(job)
                if isinstance(fate, asyncio.CancelledError) and self._terminated:
                    return self._terminated
                if isinstance(fate, BaseException):
                    return f"the body raised {fate!r}"
                self.mailbox.put(fate)
        return ""

    async def _fate(self, job: Job) -> Fate:
        if not self.run.is_async(job):
            if self._side is None:
                self._side = SideThread(self.number, self.run, self._loop)
            return await self._side.call(job)
        running = self._loop.create_task(self._awaited(job), context=copy_context())
        self._running = running
        try:
            return await running
        except asyncio.CancelledError as error:
            if running.cancelled() and self._terminated:
                return error  # it was cancelled before its first step
            raise  # the loop ends
        finally:
            self._running = None

    async def _awaited(self, job: Job) -> Fate:
        try:
            return await self.run.awaitable(job)
        except BaseException as error:  # noqa: BLE001 - SystemExit would end the loop of all slots
            return error


class AsyncioPool(InProcessPool[LoopSlot]):
    """Runs bodies on an event loop in a thread of this process."""

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self._loop: LoopThread | None = None

    def terminate(self, slot: int, signal: int) -> None:
        """Cancel what the slot awaits."""
        place = self.slots.get(slot)
        if place is not None:
            place.cancel(f"terminated with signal {signal}")

    def _close(self) -> None:
        if self._loop is not None:
            self._loop.stop()
            self._loop.thread.join(STOP_GRACE_S)

    def _open(self, number: int, run: JobRunner) -> LoopSlot:
        if self._loop is None:
            self._loop = LoopThread()
        return LoopSlot(number, run, self.mailbox, self._loop)

    def _await_end(self, idle: Sequence[LoopSlot]) -> None:
        for slot in idle:
            slot.done.wait(STOP_GRACE_S)


def _resolve(future: asyncio.Future[Fate], fate: Fate) -> None:
    if not future.done():
        future.set_result(fate)
