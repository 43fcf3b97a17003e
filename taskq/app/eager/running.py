"""From an eager call to its handle: its messages run here until none is left.

While nothing can run, the clock leaps to when the core wants to be woken: so a retry, an ETA or a
rate limit costs no time, and all happens in the order in which it would be due.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from taskq import current
from taskq.app.drive import Drive
from taskq.app.eager.broker import EagerBroker
from taskq.app.eager.handles import handle_of, raise_failure
from taskq.app.eager.intake import EagerIntake
from taskq.app.eager.place import EagerPlace, collected, entered
from taskq.app.eager.pool import EagerPool
from taskq.app.eager.work import EagerWork
from taskq.app.events import EventSender
from taskq.app.perform import Performer
from taskq.core.effects import Say
from taskq.core.inputs import Connected
from taskq.core.options import WorkerOptions
from taskq.core.worker import WorkerCore
from taskq.ports import Outgoing

__all__ = ["run_here"]


def run_here(app: Any, send: Callable[[], Any], throw: bool | None = None) -> Any:
    """Run what ``send`` sends, and all that follows from it; return handles that are ready.

    With ``throw`` (by default as ``task_eager_propagates`` says) the first failure is raised.
    """
    if throw is None:
        throw = app.conf.task_eager_propagates
    with entered(app) as place:
        with place.standing():
            handle, messages = collected(app, send)
        EagerRun(place).go(messages)
        with place.standing():
            ready = handle_of(place, handle)
    if throw:
        raise_failure(ready)
    return ready


class EagerRun:
    """A worker for the messages of one call."""

    def __init__(self, place: EagerPlace) -> None:
        app = place.app
        self.place = place
        self._intake = EagerIntake(place.note)
        self._pool = EagerPool(place.limiter, place.ports.place.pid)
        self._core = WorkerCore(_options(app), app.traits)
        work = EagerWork(place)
        performer = Performer(
            broker=EagerBroker(),
            intake=self._intake,
            pool=self._pool,
            store=place.store,
            work=work,
            monitors=EventSender(app, place.ports.place.hostname),
            say=_say_nothing,
        )
        self._drive = Drive(
            app,
            core=self._core,
            performer=performer,
            intake=self._intake,
            pool=self._pool,
            clock=place.clock,
        )
        self._pool.start(1, work)

    def go(self, messages: Sequence[Outgoing]) -> None:
        """Run until nothing is left."""
        self._intake.put(messages)
        token = current.frames.set(None)
        self.place.runs.append(self._intake)
        try:
            self._drive.tell(Connected(self._intake.parks))
            while not self._intake.is_done:
                self._drive.turn()
                if not (self._pool.is_busy or self._intake.is_waiting):
                    self._leap()
        finally:
            self.place.runs.pop()
            current.frames.reset(token)

    def _leap(self) -> None:
        """Nothing can run: let it be when something can."""
        if self._intake.is_done:
            return
        wake_at_s = self._core.wake_at
        assert wake_at_s is not None, "what is not settled runs, or waits for its time"
        self.place.clock.leap_to(wake_at_s)


def _options(app: Any) -> WorkerOptions:
    conf = app.conf
    return WorkerOptions(
        zone=app.timezone,
        delivery_limit=conf.taskq_delivery_limit,
        rate_limits=not conf.worker_disable_rate_limits,
        concurrency=1,
    )


def _say_nothing(_said: Say) -> None:
    """Who calls a task is told by its handle, not by a worker's log."""
