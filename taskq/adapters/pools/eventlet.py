"""The eventlet pool: a greenlet for each slot.  See ``greenlets.py``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from selectors import BaseSelector
from typing import Any

with warnings.catch_warnings():
    # It says of itself that it is no longer developed; who chooses it knows.
    warnings.simplefilter("ignore")
    import eventlet
    import eventlet.queue
    from eventlet import greenthread, hubs, timeout
    from eventlet.green.selectors import SelectSelector

from taskq.adapters.pools.green_loop import Queue
from taskq.adapters.pools.greenlets import GreenletPool, Library, Thrower, Timer
from taskq.ports import Job, JobRunner
from taskq.signals import (
    eventlet_pool_apply,
    eventlet_pool_postshutdown,
    eventlet_pool_preshutdown,
    eventlet_pool_started,
)

# A process that is forked (a worker's beat) shares the descriptors that its parent's hub waits on,
# and would be woken by them; so it begins with a hub of its own.
os.register_at_fork(after_in_child=hubs.use_hub)


class EventletLibrary:
    """What the pool asks eventlet for."""

    def new_queue(self) -> Queue:
        """A queue without an end."""
        queue: Queue = eventlet.queue.LightQueue()
        return queue

    def new_selector(self) -> BaseSelector:
        """What ``selectors.DefaultSelector`` is in a process that is patched."""
        selector: BaseSelector = SelectSelector()
        return selector

    def spawn(self, function: Callable[[], None]) -> Thrower:
        """A green thread."""
        greenlet: Thrower = greenthread.spawn(function)
        return greenlet

    def current(self) -> Thrower:
        """Who asks."""
        greenlet: Thrower = greenthread.getcurrent()
        return greenlet

    def throw_soon(self, greenlet: Any, error: BaseException) -> None:
        """From the hub, if it has not ended by then."""

        def throw() -> None:
            if not greenlet.dead:
                greenlet.throw(error)

        hubs.get_hub().schedule_call_global(0, throw)

    def call_later(self, seconds: float, function: Callable[[], None]) -> Timer:
        """From the hub."""
        timer: Timer = hubs.get_hub().schedule_call_global(seconds, function)
        return timer

    def join(self, greenlet: Any, seconds: float) -> None:
        """Wait for its end."""
        with timeout.Timeout(seconds, False):
            greenlet.wait()


class EventletPool(GreenletPool):
    """Runs bodies in greenlets of eventlet, and tells of its life by signals of its own."""

    def start(self, slots: int, run: JobRunner) -> None:
        """Make slots."""
        eventlet_pool_started.send(sender=self)
        super().start(slots, run)

    def submit(self, slot: int, jobs: Sequence[Job]) -> None:
        """Give jobs to a slot."""
        if eventlet_pool_apply.receivers:
            for job in jobs:
                eventlet_pool_apply.send(sender=self, target=self._run, args=(job,), kwargs={})
        super().submit(slot, jobs)

    def stop(self, *, at_once: bool = False) -> None:
        """No job follows."""
        eventlet_pool_preshutdown.send(sender=self)
        super().stop(at_once=at_once)
        eventlet_pool_postshutdown.send(sender=self)

    def _load(self) -> Library:
        return EventletLibrary()
