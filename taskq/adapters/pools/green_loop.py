"""An event loop in a greenlet, for coroutine functions in the pools of gevent and of eventlet.

One loop for all slots, for one thread can run one at a time; it runs while there are coroutines,
and waits as the library waits, so that greenlets run meanwhile.  A body of another slot that
starts a loop of its own (``asyncio.run``) is refused by asyncio as long as this one runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextvars import Context
from selectors import BaseSelector
from typing import Any, Protocol, TypeAlias

from taskq.ports import Ending, Guard, Job, JobRunner

log = logging.getLogger(__name__)

# What a body comes to: its ending, or what would have ended a process of its own.
Fate: TypeAlias = Ending | BaseException


class Queue(Protocol):
    """A queue on which a greenlet waits."""

    def put(self, item: Any) -> object:
        """Wake who waits."""

    def get(self) -> Any:
        """Wait."""


class LoopMaker(Protocol):
    """What the loop needs of the library."""

    def new_queue(self) -> Queue:
        """Return a queue without an end."""

    def new_selector(self) -> BaseSelector:
        """Return a selector that lets other greenlets run."""

    def spawn(self, function: Callable[[], None]) -> object:
        """Run in a greenlet of its own."""


class GreenLoop:
    """Awaits bodies for greenlets that wait for them."""

    def __init__(self, library: LoopMaker) -> None:
        self._library = library
        self._made: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_running = False
        self._greenlet: object = None

    def run(self, run: JobRunner, job: Job, guard: Guard | None) -> Ending:
        """Wait here until the loop has run a job; what ends this greenlet cancels the body."""
        loop, inbox = self._loop, self._library.new_queue()
        task = loop.create_task(_tell(inbox, run, job, guard), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._wake_up()
        try:
            fate: Fate = inbox.get()
        except BaseException:
            loop.call_soon_threadsafe(task.cancel)
            raise
        if isinstance(fate, BaseException):
            raise fate
        return fate

    def close(self, wait: Callable[[Any], None]) -> None:
        """Nothing follows; ``wait`` is called with the greenlet, if it has not ended."""
        if self._is_running:
            wait(self._greenlet)
        if self._made is not None and not self._is_running:
            self._made.close()

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        if self._made is None:
            self._made = asyncio.SelectorEventLoop(self._library.new_selector())
        return self._made

    def _wake_up(self) -> None:
        if self._is_running:
            self._loop.call_soon_threadsafe(lambda: None)  # it looks at what is ready
        else:
            self._is_running = True
            self._greenlet = self._library.spawn(self._live)

    def _live(self) -> None:
        while self._tasks:
            try:
                self._loop.run_until_complete(asyncio.wait(self._tasks))
            except (Exception, SystemExit, KeyboardInterrupt):  # of what a body has started
                log.exception("a body has stopped the event loop; it goes on")
        self._is_running = False


async def _tell(inbox: Queue, run: JobRunner, job: Job, guard: Guard | None) -> None:
    try:
        inbox.put(await run.awaitable(job, guard))
    except BaseException as error:  # noqa: BLE001 - SystemExit would end the loop of all slots
        inbox.put(error)
