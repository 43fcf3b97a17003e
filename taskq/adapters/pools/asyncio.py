"""The asyncio pool: one thread with an event loop, and as many coroutines as there are slots.

A body that is a coroutine function is awaited on the loop, each job in a context of its own.  Any
other body runs in a thread, so that it does not hold up the loop; each slot has one, started when
it is first needed.  ``terminate`` cancels what is awaited, or raises in the thread.

A coroutine that computes without an ``await``, or that blocks, holds up the loop and all slots
with it; then not even its cancellation is heard.  See ``AsyncioPool._pass_deadline``.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from threading import Event
from typing import Final

from taskq.adapters.pools.in_process import TERMINATE_GRACE_S, InProcessPool, InProcessSlot
from taskq.adapters.pools.limits import Teller, Watcher, warn_of
from taskq.adapters.pools.loops import Fate, LoopThread, SideThread
from taskq.adapters.pools.mailbox import Mailbox
from taskq.adapters.pools.raising import Terminated
from taskq.adapters.pools.report import NO_LIMITS, TimeLimits
from taskq.ports import Clock, Job, JobRunner, JobStarted, PoolEvent, SlotLost, SlotReady

log = logging.getLogger(__name__)

# How long ``stop`` waits for a slot, and for the loop, that have nothing left to do.
STOP_GRACE_S: Final = 2.0


class LoopSlot(InProcessSlot):
    """One coroutine that runs one job after the other."""

    def __init__(
        self,
        number: int,
        run: JobRunner,
        mailbox: Mailbox[LoopSlot],
        watcher: Watcher,
        home: LoopThread,
    ) -> None:
        super().__init__(number, run, mailbox)
        self.home, self._loop = home, home.loop
        self._watcher = watcher
        self._bell: asyncio.Queue[bool] = asyncio.Queue()  # whether it was the last time
        self._side: SideThread | None = None
        self._running: asyncio.Task[Fate] | None = None
        self.heard = False  # the loop knows that the body is to end
        self._is_given_up = False
        self.done = Event()
        self._on_loop(self._begin)

    def ring(self, *, last: bool = False) -> None:
        """Wake the slot, on the loop."""
        self._on_loop(lambda: self._bell.put_nowait(last))

    def end_body(self) -> None:
        """Cancel what is awaited, or raise in the slot's thread."""
        self._on_loop(self._end_body)

    def wait_end(self, timeout_s: float) -> None:
        """Wait, not for long, until it has left, and its thread as well."""
        if self.done.wait(timeout_s) and self._side is not None:
            self._side.thread.join(timeout_s)

    def give_up(self) -> None:
        """Let the coroutine of this slot end, if its body lets it."""
        self._is_given_up = True
        self._on_loop(self._cancel)

    def _on_loop(self, deed: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(deed)

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._live(), name=f"taskq-slot-{self.number}")

    def _cancel(self) -> None:
        self._task.cancel()

    def _end_body(self) -> None:
        self.heard = True
        if self._running is not None:
            self._running.cancel()
        elif self._side is not None:
            self._side.end_body()

    async def _live(self) -> None:
        self.tell(SlotReady(self.number, os.getpid()))
        try:
            error = await self._serve()
            if error is None:
                self.tell_left()
            else:
                self.tell_lost(error)
        except asyncio.CancelledError:
            if not self._is_given_up:
                self.home.is_over = True
                self.tell(SlotLost(self.number, (), (), "its event loop has ended"))
            raise
        finally:
            self.done.set()
            if self._side is not None:
                self._side.end()

    async def _serve(self) -> BaseException | None:
        """Run jobs; returns what a body has ended the slot with, or nothing when it leaves."""
        while not await self._bell.get():
            while (job := self.next_job()) is not None:
                if job.announce:
                    self.tell(JobStarted(job.token, os.getpid()))
                fate = await self._fate(job)
                if isinstance(fate, asyncio.CancelledError) and not self.terminated:
                    raise fate  # the runner would have answered for the body: the loop ends
                if isinstance(fate, BaseException):
                    return fate
                self.tell(fate)
        return None

    async def _fate(self, job: Job) -> Fate:
        if not self.run.is_async(job):
            if self._side is None:
                self._side = SideThread(self.number, self.run, self._loop, self._watcher)
            return await self._side.call(job)
        running = self._loop.create_task(self._awaited(job), context=copy_context())
        self._running = running
        try:
            return await running
        except asyncio.CancelledError as error:
            if running.cancelled() and self.terminated:
                return error  # it was cancelled before its first step
            raise  # the loop ends, or this slot is given up
        finally:
            self._running = None

    async def _awaited(self, job: Job) -> Fate:
        try:
            if job.soft_time_limit_s is None:
                return await self.run.awaitable(job)
            return await self.run.awaitable(job, Teller(job, warn_of))
        except BaseException as error:  # noqa: BLE001 - SystemExit would end the loop of all slots
            return error


class AsyncioPool(InProcessPool[LoopSlot]):
    """Runs bodies on an event loop in a thread of this process."""

    def __init__(self, *, clock: Clock, timeouts: TimeLimits = NO_LIMITS) -> None:
        super().__init__(clock=clock, timeouts=timeouts)
        self._home: LoopThread | None = None

    def _pass_deadline(self, slot: LoopSlot) -> Sequence[PoolEvent]:
        """A body was told to end, and has not: give up its slot, if it is the only one.

        If the loop has not heard of it either, something holds it up, and most of the time that
        body itself: so raise in the loop's thread.  If not even that helps, the loop is lost with
        all that is on it.
        """
        home, now_s = slot.home, self._now_s()
        if slot.heard:
            home.last_chance_s = None
            return super()._pass_deadline(slot)
        if home.last_chance_s is None:
            home.last_chance_s = now_s + TERMINATE_GRACE_S
            home.reach.throw(Terminated)
        if now_s < home.last_chance_s:
            self._doomed[slot] = home.last_chance_s
            return ()
        return self._lose_loop(home)

    def _lose_loop(self, home: LoopThread) -> Sequence[PoolEvent]:
        log.error(
            "the event loop is held up by a coroutine that does not await; it is given up with"
            " all that runs on it, and another loop takes its place"
        )
        home.stop()
        self._home = None
        lost: list[PoolEvent] = []
        for slot in [slot for slot in self.slots.values() if slot.home is home]:
            slot.give_up()
            expected = bool(slot.terminated)
            reason = slot.terminated or "its event loop was held up by another body"
            lost.append(self._see_off(slot, reason, expected=expected))
        return lost

    def _close(self) -> None:
        super()._close()
        if self._home is not None:
            self._home.stop()
            self._home.thread.join(STOP_GRACE_S)

    def _open(self, number: int, run: JobRunner) -> LoopSlot:
        if self._home is None or self._home.is_over:
            self._home = LoopThread()
        return LoopSlot(number, run, self.mailbox, self.watcher, self._home)

    def _await_end(self, idle: Sequence[LoopSlot]) -> None:
        for slot in idle:
            slot.wait_end(STOP_GRACE_S)
