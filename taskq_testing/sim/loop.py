"""An asyncio event loop in virtual time, for bodies that are coroutines.

It is asyncio's own loop, with a selector that lets virtual time pass instead of waiting for
sockets.  It opens no file; a body that opens a socket on it is told that there is none.

Several simulated processes may each be inside their own running loop, all in one thread, where
asyncio allows one.  So whoever is switched out takes its mark with it: the scheduler sees to it.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import Any, NoReturn

from taskq_testing.sim.scheduler import Process, Scheduler


class _Selector:
    """Waits in virtual time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        """Let time pass; no socket ever becomes ready."""
        self._loop.rest(timeout)
        return []

    def close(self) -> None:
        """Nothing is open."""


class VirtualLoop(asyncio.BaseEventLoop):
    """A loop on the time of a world."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._selector = _Selector(self)
        self._sleeper: Process | None = None
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """The elapsed time of the world."""
        return self._scheduler.time.now_s

    def rest(self, timeout: float | None) -> None:
        """Wait until the next timer, or until somebody calls from outside."""
        if timeout is not None and timeout <= 0:
            return
        scheduler = self._scheduler
        until_s = None if timeout is None else scheduler.time.now_s + timeout
        self._sleeper = scheduler.current
        try:
            scheduler.wait("something to happen on its event loop", until_s)
        finally:
            self._sleeper = None

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """``call_soon_threadsafe`` from another simulated process."""
        if self._sleeper is not None:
            self._scheduler.wake(self._sleeper)

    def _refuse(self, what: str) -> NoReturn:
        raise RuntimeError(
            f"a simulated body tried to {what}; the simulation has no real sockets and threads. "
            "Give the task a stand-in for what it talks to, or run this test on a real worker."
        )

    def run_in_executor(  # type: ignore[override]  # the same, without its generics
        self, executor: Any, func: Any, *args: Any
    ) -> asyncio.Future[Any]:
        """Run it as a process of its own beside the loop, in the place of a thread."""
        if executor is not None:
            self._refuse("use an executor of its own")
        process = self._scheduler.current
        assert process is not None, "a virtual loop runs in a simulated process"
        future: asyncio.Future[Any] = self.create_future()
        self._scheduler.spawn(
            f"{process.name}/thread",
            lambda: self._call(future, func, args),
            place=process.place,
            context=copy_context(),
            owner=process.owner,
        )
        return future

    def _call(self, future: asyncio.Future[Any], func: Any, args: tuple[Any, ...]) -> None:
        try:
            value = func(*args)
        except Exception as error:  # noqa: BLE001 - what a function raises is its future's
            self.call_soon_threadsafe(_settle, future, None, error)
        else:
            self.call_soon_threadsafe(_settle, future, value, None)

    async def getaddrinfo(self, *args: Any, **_: Any) -> Any:
        """Refuse."""
        self._refuse(f"look up {args[0]!r}")

    async def create_connection(self, *args: Any, **_: Any) -> Any:
        """Refuse."""
        self._refuse(f"connect to {args[1:3]!r}")


def _settle(future: asyncio.Future[Any], value: Any, error: Exception | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
