"""Eager calls for a test: the fixture ``taskq_eager``, and what it gives.

While it is open every call of the app runs where it is made (``taskq.app.eager``), results can be
read until the test ends, and ``time.sleep`` in the test and in its bodies is virtual.  Time limits
count that time; without a leap or a sleep none passes.

Owned here: beginning and end, what a test can look at, limits on virtual time.  Not owned: how
eager calls run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from taskq.app.app import App
from taskq.app.eager.clock import LeapingClock
from taskq.app.eager.place import EagerPlace, place_here
from taskq.errors import SoftTimeLimitExceeded
from taskq.ports import Guard, Job, Outgoing, Reading
from taskq.ports.limits import LimitPassed
from taskq.protocol.message import read

__all__ = ["Eager", "Sent"]


@dataclass(frozen=True, slots=True)
class Sent:
    """A task message, as a worker would read it."""

    task: str
    id: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    queue: str  # or the routing key, where it went to an exchange
    exchange: str
    eta: str | None
    expires: str | None
    retries: int
    headers: Mapping[str, Any]


class Eager:
    """An app whose calls run where they are made, and the time that they take.

    >>> with Eager(app) as eager:                        # doctest: +SKIP
    ...     assert remind.apply_async(countdown=3600).get() == "sent"
    ...     assert eager.elapsed_s == 3600
    """

    def __init__(self, app: App, *, propagates: bool | None = None) -> None:
        self.app, self._propagates = app, propagates  # None: as the app's settings say
        self._stack = ExitStack()
        self._place: EagerPlace | None = None
        self._limits: VirtualLimits | None = None

    # -- beginning and end ------------------------------------------------------------------------

    def open(self) -> Self:
        """Let calls of the app run where they are made, until ``close``."""
        if self._place is not None:
            return self
        self._set("task_always_eager", True)
        if self._propagates is not None:
            self._set("task_eager_propagates", self._propagates)
        still = StillClock(self.app.ports.clock.read())
        place = EagerPlace(self.app, limiter=self._make_limits, beneath=still)
        self._stack.enter_context(place.opened())
        self._stack.enter_context(_sleeping(place, self._sleep))
        self._place = place
        return self

    def _set(self, name: str, value: bool) -> None:
        conf = self.app.conf
        self._stack.callback(setattr, conf, name, getattr(conf, name))
        setattr(conf, name, value)

    def _make_limits(self, clock: LeapingClock) -> VirtualLimits:
        self._limits = VirtualLimits(clock)
        return self._limits

    def close(self) -> None:
        """Let the app be as it was."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def _open(self) -> EagerPlace:
        if self._place is None:
            raise RuntimeError("it is not open: use it in a `with`, or call open()")
        return self._place

    # -- time -------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The time that workers and messages see, in UTC."""
        return self._open.clock.read().wall

    @property
    def elapsed_s(self) -> float:
        """How much time has passed since it was opened, all of it by leaps."""
        return self._open.clock.ahead_s

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        self._open.clock.sleep(seconds)

    def _sleep(self, seconds: float) -> None:
        assert self._limits is not None, "made when it was opened"
        self._limits.sleep(seconds)

    # -- what was sent ----------------------------------------------------------------------------

    @property
    def sent(self) -> list[Sent]:
        """All task messages so far: of the test, of bodies, and what followed from those."""
        return [self._read(each) for each in self._open.sent]

    def sent_of(self, task: Any) -> list[Sent]:
        """Those of one task, or of one name."""
        name = getattr(task, "name", task)
        return [each for each in self.sent if each.task == name]

    def _read(self, outgoing: Outgoing) -> Sent:
        message, codec = outgoing.message, self.app.ports.codec
        body = message.body
        if compression := message.headers.get("compression"):
            limit_bytes = self.app.conf.taskq_max_body_bytes
            body = codec.decompress(body, compression, limit_bytes)
        accept = codec.accepted([message.content_type])
        value = codec.decode(body, message.content_type, message.content_encoding, accept)
        call = read(message.headers, message.properties, value)
        return Sent(
            task=call.task,
            id=call.id,
            args=tuple(call.args),
            kwargs=call.kwargs,
            queue=outgoing.routing_key,
            exchange=outgoing.exchange,
            eta=call.eta,
            expires=call.expires,
            retries=call.retries,
            headers=call.headers,
        )


@contextmanager
def _sleeping(place: EagerPlace, sleep: Callable[[float], None]) -> Iterator[None]:
    """Let ``time.sleep`` be virtual where the place is; other threads sleep as ever."""
    before = time.sleep  # noqa: TID251 - it is what is replaced

    def nap(seconds: float, /) -> None:
        if place_here(place.app) is place:
            sleep(seconds)
        else:
            before(seconds)

    time.sleep = nap  # type: ignore[assignment]  # noqa: TID251 - as above; all numbers have a float
    try:
        yield
    finally:
        time.sleep = before  # noqa: TID251 - as above


class StillClock:
    """Shows one moment: how fast the machine is does not matter."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def read(self) -> Reading:
        """Look once."""
        return self._reading

    def sleep(self, seconds: float) -> None:
        """Who stands on it leaps by itself."""


# -- time limits ---------------------------------------------------------------------------------


class VirtualLimits:
    """Keeps time limits by a clock that moves when somebody sleeps."""

    def __init__(self, clock: LeapingClock) -> None:
        self._clock = clock
        self._guards: list[VirtualGuard] = []

    @contextmanager
    def watch(self, job: Job) -> Iterator[Guard | None]:
        """Keep the limits of a job; those of bodies around it wait for its end."""
        guard = VirtualGuard(self._clock, job)
        self._guards.append(guard)
        try:
            yield guard
        finally:
            self._guards.remove(guard)

    def sleep(self, seconds: float) -> None:
        """Let time pass, up to a limit of the body that sleeps."""
        until_s = self._clock.read().elapsed_s + seconds
        guard = self._guards[-1] if self._guards else None
        limit = None if guard is None else guard.limit_before(until_s)
        if limit is None:
            self._clock.sleep(seconds)
            return
        at_s, kind = limit
        self._clock.leap_to(at_s)
        raise kind


class VirtualGuard:
    """The limits of one body."""

    def __init__(self, clock: LeapingClock, job: Job) -> None:
        self._clock, self._job = clock, job
        self._limits: list[tuple[float, type[BaseException]]] = []

    def arm(self) -> None:
        """The body begins."""
        now_s, job = self._clock.read().elapsed_s, self._job
        asked = (job.time_limit_s, LimitPassed), (job.soft_time_limit_s, SoftTimeLimitExceeded)
        self._limits = [(now_s + limit_s, kind) for limit_s, kind in asked if limit_s is not None]

    def disarm(self) -> None:
        """The body has ended."""
        self._limits = []

    def passed(self) -> None:
        """A coroutine's soft limit is the runner's."""

    def limit_before(self, until_s: float) -> tuple[float, type[BaseException]] | None:
        """Take the limit that is over first, if that is before a moment."""
        first = min(self._limits, key=lambda limit: limit[0], default=None)
        if first is None or first[0] >= until_s:
            return None
        self._limits.remove(first)
        return first
