"""Calls that are to be made later, in the thread of a worker's loop.

The loop asks ``next_s`` before it waits and calls ``run_due`` after each turn; nothing here waits.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any, Final

from taskq.app.log import get_logger
from taskq.ports import EMPTY, Clock

__all__ = ["Entry", "Timer"]

logger: Final = get_logger("taskq.worker")


class Entry:
    """One call to come."""

    def __init__(
        self, fun: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        self.fun, self.args, self.kwargs = fun, tuple(args), dict(kwargs)
        self.cancelled = self.canceled = False
        self.tref = self

    def cancel(self) -> None:
        """Do not make it."""
        self.cancelled = self.canceled = True

    def __call__(self) -> Any:
        """Make it now."""
        return self.fun(*self.args, **self.kwargs)


class Timer:
    """``worker.timer`` and ``consumer.timer``."""

    def __init__(self, clock: Callable[[], Clock], nudge: Callable[[], None]) -> None:
        self._clock, self._nudge = clock, nudge
        self._heap: list[tuple[float, int, Entry]] = []
        self._new: deque[tuple[float, int, Entry]] = deque()  # added to from any thread
        self._numbers = count()
        self._on_error: Callable[[Exception], object] | None = None
        self._on_tick: Callable[[float], object] | None = None

    def tell(
        self, on_error: Callable[[Exception], object], on_tick: Callable[[float], object]
    ) -> None:
        """Tell what a call has raised, and after calls in how many seconds the next one is due."""
        self._on_error, self._on_tick = on_error, on_tick

    def _now_s(self) -> float:
        return self._clock().read().elapsed_s

    def call_after(
        self,
        secs: float,
        fun: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = EMPTY,
        priority: int = 0,  # noqa: ARG002 - kombu's signature
    ) -> Entry:
        """Call once."""
        return self.enter_after(secs, Entry(fun, args, kwargs))

    def enter_after(self, secs: float, entry: Entry, priority: int = 0) -> Entry:  # noqa: ARG002 - kombu's signature
        """Make the call of an entry later."""
        self._new.append((self._now_s() + secs, next(self._numbers), entry))
        self._nudge()
        return entry

    def _look(self) -> None:
        while self._new:
            heapq.heappush(self._heap, self._new.popleft())

    def call_at(
        self,
        eta: float | datetime,
        fun: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = EMPTY,
        priority: int = 0,
    ) -> Entry:
        """Call once, at a moment of the wall clock."""
        at_s = eta.timestamp() if isinstance(eta, datetime) else float(eta)
        wait_s = at_s - self._clock().read().wall_s
        return self.call_after(max(0.0, wait_s), fun, args, kwargs, priority)

    def call_repeatedly(
        self,
        secs: float,
        fun: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = EMPTY,
        priority: int = 0,
    ) -> Entry:
        """Call again and again, until the entry is cancelled."""
        entry = Entry(fun, args, kwargs)

        def again() -> None:
            if entry.cancelled:
                return
            try:
                entry()
            finally:
                self.call_after(secs, again, priority=priority)

        self.call_after(secs, again, priority=priority)
        return entry

    def cancel(self, tref: Entry) -> None:
        """Do not make a call."""
        tref.cancel()

    def clear(self) -> None:
        """Make none of the calls."""
        self._new.clear()
        self._heap.clear()

    stop = clear

    @property
    def queue(self) -> list[tuple[float, int, Entry]]:
        """What is to come, the next first."""
        self._look()
        return sorted(self._heap, key=lambda item: item[:2])

    @property
    def next_s(self) -> float | None:
        """In how many seconds the next call is due; None: there is none."""
        self._look()
        while self._heap and self._heap[0][2].cancelled:
            heapq.heappop(self._heap)
        return max(0.0, self._heap[0][0] - self._now_s()) if self._heap else None

    def run_due(self) -> None:
        """Make the calls whose time has come."""
        self._look()
        now_s, any_due = self._now_s(), False
        while self._heap and self._heap[0][0] <= now_s:
            entry = heapq.heappop(self._heap)[2]
            if entry.cancelled:
                continue
            any_due = True
            try:
                entry()
            except Exception as error:  # a boundary: a program's call may raise anything
                logger.exception("a call of the worker's timer has failed: %r", entry.fun)
                if self._on_error is not None:
                    self._on_error(error)
        if any_due and self._on_tick is not None and (next_s := self.next_s) is not None:
            self._on_tick(next_s)

    def __len__(self) -> int:
        return len(self._heap) + len(self._new)
