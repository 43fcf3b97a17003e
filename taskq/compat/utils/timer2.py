"""``celery.utils.timer2``: a thread that calls functions when their time comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Final

from kombu.asynchronous.timer import Entry, to_timestamp
from kombu.asynchronous.timer import Timer as Schedule

__all__ = ["Entry", "Schedule", "Timer", "to_timestamp"]

# How long it sleeps at most, also where nothing is to be done: a clock may jump.
LONGEST_S: Final = 1.0
_numbers: Final[Iterator[int]] = count(1)


class Timer(threading.Thread):  # noqa: TID251 - for outside programs
    """Calls what its schedule says, from a thread of its own; started by the first entry."""

    Entry = Entry
    Schedule = Schedule

    running: bool = False
    on_tick: Any = None

    def __init__(
        self,
        schedule: Any = None,
        on_error: Any = None,
        on_tick: Callable[[float], object] | None = None,
        on_start: Callable[[Timer], object] | None = None,
        max_interval: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.schedule: Any = schedule or self.Schedule(  # type: ignore[no-untyped-call]  # kombu
            on_error=on_error, max_interval=max_interval
        )
        self._due: Iterator[Any] = iter(self.schedule)
        self.on_start = on_start
        self.on_tick = on_tick or self.on_tick
        self.mutex = threading.Lock()
        self.not_empty = threading.Condition(self.mutex)
        self.daemon = True
        self.name = f"Timer-{next(_numbers)}"
        self._ending = threading.Event()
        self._ended = threading.Event()

    def next(self) -> float | None:
        """Call what is due; returns for how many seconds nothing will be."""
        with self.not_empty:
            delay, entry = next(self._due)
            if entry is None:
                if delay is None:
                    self.not_empty.wait(LONGEST_S)
                return None if delay is None else float(delay)
        self.schedule.apply_entry(entry)
        return 0.0

    def run(self) -> None:
        """Call what is due until it is stopped."""
        self.running = True
        try:
            while not self._ending.is_set():
                delay = self.next()
                if not delay:
                    continue
                if self.on_tick is not None:
                    self.on_tick(delay)
                with self.not_empty:
                    if not self._ending.is_set():
                        self.not_empty.wait(min(delay, LONGEST_S))
        finally:
            self.running = False
            self._ended.set()

    def stop(self) -> None:
        """Let the thread end, and wait for it."""
        self._ending.set()
        with self.not_empty:
            self.not_empty.notify_all()
        if self.ident is not None and threading.current_thread() is not self:
            self._ended.wait()
            self.join()

    def ensure_started(self) -> None:
        """Start the thread, once."""
        if self.ident is None and not self._ending.is_set():
            if self.on_start is not None:
                self.on_start(self)
            self.start()

    def _enter(self, method: str, *args: Any, **kwargs: Any) -> Any:
        self.ensure_started()
        with self.not_empty:
            entry = getattr(self.schedule, method)(*args, **kwargs)
            self.not_empty.notify()
        return entry

    def enter(self, entry: Any, eta: Any, priority: int | None = None) -> Any:
        """Schedule an entry for a time."""
        return self._enter("enter_at", entry, eta, priority or 0)

    def call_at(self, *args: Any, **kwargs: Any) -> Any:
        """Call a function at a time."""
        return self._enter("call_at", *args, **kwargs)

    def enter_after(self, *args: Any, **kwargs: Any) -> Any:
        """Schedule an entry for so many seconds from now."""
        return self._enter("enter_after", *args, **kwargs)

    def call_after(self, *args: Any, **kwargs: Any) -> Any:
        """Call a function after so many seconds."""
        return self._enter("call_after", *args, **kwargs)

    def call_repeatedly(self, *args: Any, **kwargs: Any) -> Any:
        """Call a function every so many seconds."""
        return self._enter("call_repeatedly", *args, **kwargs)

    def exit_after(self, secs: float, priority: int = 10) -> None:
        """End the process after so many seconds."""
        self.call_after(secs, _exit, priority=priority)

    def cancel(self, tref: Any) -> None:
        """Do not call an entry any more."""
        tref.cancel()

    def clear(self) -> None:
        """Forget all entries."""
        self.schedule.clear()

    def empty(self) -> bool:
        """Whether there is no entry."""
        return len(self) == 0

    def __len__(self) -> int:
        return len(self.schedule)

    def __bool__(self) -> bool:
        return True

    @property
    def queue(self) -> Any:
        """The entries in the order of their times."""
        return self.schedule.queue


def _exit() -> None:
    raise SystemExit
