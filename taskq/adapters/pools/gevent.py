"""The gevent pool: a greenlet for each slot.  See ``greenlets.py``."""

from __future__ import annotations

from collections.abc import Callable
from selectors import BaseSelector
from typing import Any

import gevent
import gevent.queue
import gevent.selectors

from taskq.adapters.pools.green_loop import Queue
from taskq.adapters.pools.greenlets import GreenletPool, Library, Thrower, Timer


class GeventTimer:
    """A timer of the hub."""

    def __init__(self, seconds: float, function: Callable[[], None]) -> None:
        self._timer = gevent.get_hub().loop.timer(seconds)
        self._timer.start(function)

    def cancel(self) -> None:
        """Stop it, and let it go."""
        self._timer.close()


class GeventLibrary:
    """What the pool asks gevent for."""

    def new_queue(self) -> Queue:
        """A queue without an end."""
        queue: Queue = gevent.queue.SimpleQueue()
        return queue

    def new_selector(self) -> BaseSelector:
        """What ``selectors.DefaultSelector`` is in a process that is patched."""
        selector: BaseSelector = gevent.selectors.GeventSelector()
        return selector

    def spawn(self, function: Callable[[], None]) -> Thrower:
        """A greenlet."""
        greenlet: Thrower = gevent.spawn(function)
        return greenlet

    def current(self) -> Thrower:
        """Who asks."""
        greenlet: Thrower = gevent.getcurrent()
        return greenlet

    def throw_soon(self, greenlet: Any, error: BaseException) -> None:
        """As ``gevent.kill`` does it."""
        gevent.kill(greenlet, error)

    def call_later(self, seconds: float, function: Callable[[], None]) -> Timer:
        """From the hub."""
        return GeventTimer(seconds, function)

    def join(self, greenlet: Any, seconds: float) -> None:
        """Wait for its end."""
        greenlet.join(seconds)


class GeventPool(GreenletPool):
    """Runs bodies in greenlets of gevent."""

    def _load(self) -> Library:
        return GeventLibrary()
