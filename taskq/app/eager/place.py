"""Where eager calls stand: their clock, their store, and what they have come to.

A place begins with the outermost eager call and ends with it, unless somebody opens one for longer
(the fixture ``taskq_eager``).  Calls that are made inside of it share it.

Under ``task_always_eager`` everything inside stands on it.  With a plain ``apply`` only the
machinery does: what a body sends goes where it would go without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Final

from taskq import current
from taskq.app.eager.broker import EagerBroker
from taskq.app.eager.clock import LeapingClock
from taskq.app.eager.intake import EagerIntake
from taskq.app.eager.pool import NoLimits
from taskq.app.eager.store import EagerStore
from taskq.app.run_task import Outcome
from taskq.ports import Clock, Outgoing, Ports
from taskq.ports.limits import Limiter

__all__ = ["EagerPlace", "collected", "entered", "place_here", "post", "store_state"]

PortsOf = Callable[[current.AppLike], Ports]

_here: Final[ContextVar[EagerPlace | None]] = ContextVar("taskq_eager_place", default=None)


class EagerPlace:
    """Clock, store and ports of eager calls of one app."""

    def __init__(
        self,
        app: Any,
        *,
        limiter: Callable[[LeapingClock], Limiter] | None = None,
        beneath: Clock | None = None,
    ) -> None:
        self.app = app
        self._beneath: PortsOf | None = current.ports_here.get()
        ports: Ports = app.ports
        self.clock = LeapingClock(ports.clock if beneath is None else beneath)
        self.store = EagerStore(self.clock)
        self.is_all = app.send_settings.always_eager
        broker = EagerBroker() if self.is_all else ports.broker
        self.ports = replace(ports, clock=self.clock, store=self.store, broker=broker)
        self.sent: list[Outgoing] = []
        self.names: dict[str, str] = {}  # of tasks, by id
        self.outcomes: dict[str, Outcome] = {}  # of bodies, by id: how the last one ended
        self.runs: list[EagerIntake] = []  # the queues of those that go on, the innermost last
        self.limiter = self._limiter() if limiter is None else limiter(self.clock)

    def _limiter(self) -> Limiter:
        """In a simulated world the time of this machine means nothing."""
        if self._beneath is not None:
            return NoLimits()
        found: Limiter = self.app.eager_limiter()
        return found

    def note(self, outgoing: Outgoing) -> None:
        """A message was sent."""
        self.sent.append(outgoing)
        headers = outgoing.message.headers
        if "task" in headers:
            self.names[headers["id"]] = headers["task"]

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Let the app stand on these ports."""
        token = current.ports_here.set(self._ports_of)
        try:
            yield
        finally:
            current.ports_here.reset(token)

    @contextmanager
    def beneath(self) -> Iterator[None]:
        """Let the app stand on the ports that it has without."""
        token = current.ports_here.set(self._beneath)
        try:
            yield
        finally:
            current.ports_here.reset(token)

    def _ports_of(self, app: current.AppLike) -> Ports:
        if app is self.app:
            return self.ports
        with self.beneath():
            return app.ports

    @contextmanager
    def opened(self) -> Iterator[EagerPlace]:
        """Let eager calls that are made inside run here."""
        token = _here.set(self)
        try:
            if self.is_all:
                with self.standing():
                    yield self
            else:
                yield self
        finally:
            _here.reset(token)


def place_here(app: Any) -> EagerPlace | None:
    """Return the place in which eager calls of an app run now."""
    place = _here.get()
    return place if place is not None and place.app is app else None


@contextmanager
def entered(app: Any) -> Iterator[EagerPlace]:
    """Go to the place in which eager calls of an app run; open one if there is none."""
    place = place_here(app)
    if place is not None:
        yield place
        return
    with EagerPlace(app).opened() as place:
        yield place


def collected(app: Any, send: Callable[[], Any]) -> tuple[Any, Sequence[Outgoing]]:
    """Return what ``send`` returns, and the messages that it sends."""
    with app.collecting() as outbox:
        handle = send()
    app.announce_sent(outbox)
    return handle, [each.outgoing for each in outbox]


def post(app: Any, send: Callable[[], Any]) -> None:
    """Let what ``send`` sends run when the body that runs here has ended, as in a worker."""
    place = place_here(app)
    assert place is not None, "an eager body runs here"
    assert place.runs, "and so does its run"
    with place.standing():
        _, messages = collected(app, send)
    place.runs[-1].put(messages)


def store_state(app: Any, store: Callable[[], object], *, beneath: bool) -> None:
    """Store a state that a body tells of itself: here, and where the app keeps results if asked."""
    place = place_here(app)
    if place is None:
        if beneath:
            store()
        return
    with place.standing():
        store()
    if beneath:
        with place.beneath():
            store()
