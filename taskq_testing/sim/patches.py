"""Lends task bodies the time and the chance of the node that they run on.

While a world is active, functions of ``time``, ``datetime``, ``os`` and a few more are
replaced by ones that ask: is this a simulated process of mine, in my thread?  If so they answer
from its node; else they do what they always did.  So a body's ``time.sleep(3600)`` costs nothing,
``datetime.now()`` is the node's wall clock, and ``uuid4()`` comes from the seed, while pytest,
kombu and other threads notice nothing.

Why not freezegun: it exchanges the class ``datetime`` in every loaded module (6.9 ms for each start
and stop with 820 modules, against 0.03 ms here), its ``FakeDatetime`` would travel inside pickled
messages, and a frozen ``monotonic`` hangs what waits in kombu.  Here the one class stays, and two
entries of its dictionary are exchanged.

``random`` is seeded when a world begins, and gets its old state back when it ends.
"""

from __future__ import annotations

import asyncio
import ctypes
import datetime as dt
import gc
import os
import queue
import random  # noqa: TID251 - the global generator of bodies is what is seeded here
import sys
import threading
import time
from collections.abc import Callable, Iterable
from types import FunctionType, ModuleType
from typing import Any, Final, Protocol

from taskq_testing.sim.frozen import Thaw
from taskq_testing.sim.scheduler import Process, Scheduler

# A body that reads the clock this often without ever waiting is waiting for time to pass.
READS_BEFORE_TIME_PASSES: Final = 1000
BUSY_WAIT_S: Final = 0.001


class Surroundings(Protocol):
    """What a node lends to the bodies that run on it."""

    @property
    def wall_s(self) -> float:
        """Its wall clock."""

    @property
    def elapsed_s(self) -> float:
        """Its monotonic clock."""

    @property
    def zone(self) -> dt.tzinfo | None:
        """The zone of its operating system; None: that of the real one."""

    def urandom(self, size: int) -> bytes:
        """Its operating system's randomness."""

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """An event loop on its virtual time."""


class _State:
    """Which world is active."""

    scheduler: Scheduler | None = None
    thread = 0


def _process() -> Process | None:
    """The simulated process that calls, if one does."""
    scheduler = _State.scheduler
    if scheduler is None or threading.get_ident() != _State.thread:
        return None
    return scheduler.current


def _surroundings() -> Any:
    process = _process()
    return None if process is None else process.place


def _looked_at_the_clock(process: Process) -> Any:
    process.reads += 1
    if process.reads > READS_BEFORE_TIME_PASSES:
        assert _State.scheduler is not None
        _State.scheduler.sleep(BUSY_WAIT_S)
    return process.place


# -- time ----------------------------------------------------------------------------------------

_real_sleep = time.sleep  # noqa: TID251 - for callers outside of the world
_real_localtime, _real_gmtime, _real_strftime = time.localtime, time.gmtime, time.strftime


def _sleep(seconds: float, /) -> None:
    if _process() is None:
        _real_sleep(seconds)
        return
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    assert _State.scheduler is not None
    _State.scheduler.sleep(seconds)


def _reading(real: Callable[[], Any], of: Callable[[Any], Any]) -> Callable[[], Any]:
    def read() -> Any:
        process = _process()
        return real() if process is None else of(_looked_at_the_clock(process))

    return read


def _wall_s(place: Any) -> float:
    return float(place.wall_s)


def _wall_ns(place: Surroundings) -> int:
    return round(place.wall_s * 1e9)


def _elapsed_s(place: Any) -> float:
    return float(place.elapsed_s)


def _elapsed_ns(place: Surroundings) -> int:
    return round(place.elapsed_s * 1e9)


def _of_now(real: Callable[..., Any]) -> Callable[..., Any]:
    def convert(seconds: float | None = None, /) -> Any:
        place = _surroundings() if seconds is None else None
        return real(seconds if place is None else place.wall_s)

    return convert


def _localtime(seconds: float | None = None, /) -> time.struct_time:
    place = _surroundings()
    if place is None or (place.zone is None and seconds is not None):
        return _real_localtime(seconds)
    moment_s = place.wall_s if seconds is None else seconds
    if place.zone is None:
        return _real_localtime(moment_s)
    return dt.datetime.fromtimestamp(moment_s, place.zone).timetuple()


def _strftime(form: str, moment: Any = None, /) -> str:
    return _real_strftime(form, time.localtime() if moment is None else moment)


_TIME: Final[dict[str, Callable[..., Any]]] = {
    "sleep": _sleep,
    "time": _reading(time.time, _wall_s),  # noqa: TID251 - as above
    "time_ns": _reading(time.time_ns, _wall_ns),
    "monotonic": _reading(time.monotonic, _elapsed_s),  # noqa: TID251 - as above
    "monotonic_ns": _reading(time.monotonic_ns, _elapsed_ns),
    "perf_counter": _reading(time.perf_counter, _elapsed_s),
    "perf_counter_ns": _reading(time.perf_counter_ns, _elapsed_ns),
    "localtime": _localtime,
    "gmtime": _of_now(_real_gmtime),
    "strftime": _strftime,
}
_REAL_TIME: Final = {name: getattr(time, name) for name in _TIME}
# Modules that took a copy of one of these names, and wait by it.
_COPIES: Final[tuple[tuple[ModuleType, str, str], ...]] = (
    (queue, "time", "monotonic"),
    (threading, "_time", "monotonic"),
)

# -- datetime ------------------------------------------------------------------------------------

_dictionary_of = {cls: gc.get_referents(cls.__dict__)[0] for cls in (dt.datetime, dt.date)}
_real_now = dt.datetime.__dict__["now"]
_real_utcnow = dt.datetime.__dict__["utcnow"]
_real_today = dt.date.__dict__["today"]


def _now(cls: type[dt.datetime], tz: dt.tzinfo | None = None) -> Any:
    process = _process()
    if process is None:
        return _real_now.__get__(None, cls)(tz)
    place = _looked_at_the_clock(process)
    if tz is None and place.zone is not None:
        return cls.fromtimestamp(place.wall_s, place.zone).replace(tzinfo=None)
    return cls.fromtimestamp(place.wall_s, tz)


def _utcnow(cls: type[dt.datetime]) -> Any:
    process = _process()
    if process is None:
        return _real_utcnow.__get__(None, cls)()
    moment = cls.fromtimestamp(_looked_at_the_clock(process).wall_s, dt.UTC)
    return moment.replace(tzinfo=None)


def _today(cls: type[dt.date]) -> Any:
    place = _surroundings()
    if place is None:
        return _real_today.__get__(None, cls)()
    if place.zone is None:
        return cls.fromtimestamp(place.wall_s)
    moment = dt.datetime.fromtimestamp(place.wall_s, place.zone)
    return cls(moment.year, moment.month, moment.day)


_DATETIME: Final[tuple[tuple[type[dt.date], str, Any, Any], ...]] = (
    (dt.datetime, "now", classmethod(_now), _real_now),
    (dt.datetime, "utcnow", classmethod(_utcnow), _real_utcnow),
    (dt.date, "today", classmethod(_today), _real_today),
)

# -- chance, waiting, loops ----------------------------------------------------------------------

_real_urandom = os.urandom  # noqa: TID251 - as above
_real_condition_wait = threading.Condition.wait
_real_new_loop = asyncio.events.new_event_loop


def _urandom(size: int, /) -> bytes:
    place = _surroundings()
    return _real_urandom(size) if place is None else place.urandom(size)


class _Waiter:
    """Stands in a condition's line instead of a lock; ``notify`` releases it."""

    def __init__(self, scheduler: Scheduler, process: Process) -> None:
        self._scheduler, self._process = scheduler, process
        self.released = False

    def release(self) -> None:
        """End the wait."""
        self.released = True
        self._scheduler.wake(self._process)


def _condition_wait(self: Any, timeout: float | None = None) -> bool:
    """``threading.Condition.wait`` in virtual time; events, queues and barriers stand on it."""
    process = _process()
    if process is None:
        return _real_condition_wait(self, timeout)
    if not self._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    scheduler = _State.scheduler
    assert scheduler is not None
    waiter = _Waiter(scheduler, process)
    self._waiters.append(waiter)
    saved = self._release_save()
    until_s = None if timeout is None else scheduler.time.now_s + max(timeout, 0.0)
    try:
        while not waiter.released:
            if not scheduler.wait("a threading.Condition to be notified", until_s):
                break
    finally:
        self._acquire_restore(saved)
    if not waiter.released:
        self._waiters.remove(waiter)
    return waiter.released


def _new_loop() -> asyncio.AbstractEventLoop:
    place = _surroundings()
    return _real_new_loop() if place is None else place.new_loop()


_ATTRIBUTES: Final[tuple[tuple[Any, str, Any], ...]] = (
    (os, "urandom", _urandom),
    (random, "_urandom", _urandom),
    (threading.Condition, "wait", _condition_wait),
    (asyncio.events, "new_event_loop", _new_loop),
    (asyncio, "new_event_loop", _new_loop),
)


def _wall_of_body() -> float | None:
    place = _surroundings()
    return None if place is None else float(place.wall_s)


# -- putting it on and taking it off ---------------------------------------------------------------


class Patches:
    """What is exchanged while one world is active."""

    def __init__(self, scheduler: Scheduler, seed: int) -> None:
        self._scheduler, self._seed = scheduler, seed
        self._undo: list[tuple[Any, str, Any]] = []
        self._random_state: Any = None
        self._thaw = Thaw(_wall_of_body)

    def apply(self) -> None:
        """Put on."""
        if _State.scheduler is not None:
            raise RuntimeError("another world is active; close it first (use `with World(...)`)")
        _State.scheduler, _State.thread = self._scheduler, threading.get_ident()
        self._random_state = random.getstate()
        random.seed(self._seed)
        for module, name, function in (*((time, name, name) for name in _TIME), *_COPIES):
            # Where a user has frozen the time, freezegun's function stands there (``frozen.py``).
            if getattr(module, name) is _REAL_TIME[function]:
                self._exchange(module, name, _TIME[function])
        for owner, name, stand_in in _ATTRIBUTES:
            self._exchange(owner, name, stand_in)
        for cls, name, stand_in, _ in _DATETIME:
            _set_static(cls, name, stand_in)
        self._thaw.apply()

    def remove(self) -> None:
        """Take off."""
        self._thaw.remove()
        for owner, name, value in reversed(self._undo):
            setattr(owner, name, value)
        self._undo.clear()
        for cls, name, _, real in _DATETIME:
            _set_static(cls, name, real)
        random.setstate(self._random_state)
        _State.scheduler = None

    def cover(self, functions: Iterable[Any]) -> None:
        """Also reach modules of bodies that say ``from time import sleep``."""
        for function in functions:
            if isinstance(function, FunctionType):
                self._cover_module(function.__globals__)

    def _cover_module(self, names: dict[str, Any]) -> None:
        module = sys.modules.get(names.get("__name__", ""))
        if module is None or module.__dict__ is not names:
            return
        for name, value in list(names.items()):
            stand_in = _STAND_INS.get(id(value))
            if stand_in is not None:
                self._exchange(module, name, stand_in)

    def _exchange(self, owner: Any, name: str, stand_in: Any) -> None:
        self._undo.append((owner, name, getattr(owner, name)))
        setattr(owner, name, stand_in)


# By identity, because that is what a copied name shares with the original.
_STAND_INS: Final = {
    **{id(_REAL_TIME[name]): stand_in for name, stand_in in _TIME.items()},
    id(_real_urandom): _urandom,
    id(_real_new_loop): _new_loop,
}


def _set_static(cls: type[dt.date], name: str, value: Any) -> None:
    """Set an attribute of a class of C, and tell the interpreter's caches."""
    _dictionary_of[cls][name] = value
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(cls))
