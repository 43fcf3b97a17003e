"""One turn of a worker: what came from the ports goes to the core, what it asks is carried out.

Used by both drivers, ``runtime.worker`` and ``taskq_testing/sim/node.py``: what they do not share
is how they wait, and how they find a lost broker again.  Any call may raise ``OperationalError``
when the broker or the store is lost; the driver gets it back, calls ``resume``, and goes on.
"""

from __future__ import annotations

from collections import deque

from taskq.app.app import App
from taskq.app.perform import Performer
from taskq.app.upgrade import upgrade
from taskq.core.inputs import (
    Buried,
    Connected,
    Delivered,
    Disconnected,
    Happened,
    Input,
    LeaseLost,
    Stop,
    StopAsked,
    Woke,
)
from taskq.core.worker import WorkerCore
from taskq.ports import Clock, Delivery, Intake, Malformed, Pool


class Drive:
    """A core, its hands, and what they read."""

    def __init__(
        self,
        app: App,
        *,
        core: WorkerCore,
        performer: Performer,
        intake: Intake,
        pool: Pool,
        clock: Clock,
    ) -> None:
        self._app, self.core, self._performer = app, core, performer
        self._intake, self._pool, self._clock = intake, pool, clock
        self._stops: deque[Stop] = deque()
        self._renew_at_s: float | None = clock.read().elapsed_s

    @property
    def exit_code(self) -> int | None:
        """None while the worker works."""
        return self._performer.exit_code

    @property
    def renew_at_s(self) -> float | None:
        """When leases or connections want to be looked after."""
        return self._renew_at_s

    def ask_to_stop(self, how: Stop) -> None:
        """Tell the core at the next turn; may be called from anywhere."""
        self._stops.append(how)

    def turn(self) -> bool:
        """Hear what there is, and act on it; says whether messages came."""
        while self._stops:
            self.tell(StopAsked(self._stops.popleft()))
        if events := self._pool.collect():
            self.tell(Happened(tuple(events)))
        wake_at_s = self.core.wake_at
        if wake_at_s is not None and wake_at_s <= self._clock.read().elapsed_s:
            self.tell(Woke())
        return self.exit_code is None and self._take()

    def tell(self, happened: Input) -> None:
        """Tell the core, and carry out what it asks, and what follows from that."""
        todo: deque[Input] = deque([happened])
        while todo:
            effects = self.core.handle(todo.popleft(), self._clock.read())
            if concluded := self._performer.perform(effects):
                todo.append(Happened(tuple(concluded)))

    def resume(self) -> None:
        """The broker is there again: go on where it broke off."""
        kept = self._intake.keeps_deliveries
        not_run = () if kept else self._performer.forsake()
        self.tell(Disconnected(kept, not_run))
        self.tell(Connected())

    def _take(self) -> bool:
        self._renew()
        deliveries = self._intake.receive() if self.core.takes else ()
        if lost := self._intake.lost_tags():
            self.tell(LeaseLost(tuple(lost)))
        if deliveries:
            self.tell(Delivered(tuple(map(self._upgraded, deliveries))))
        return bool(deliveries)

    def _renew(self) -> None:
        now_s = self._clock.read().elapsed_s
        if self._renew_at_s is None or self._renew_at_s > now_s:
            return
        again_s = self._intake.renew()
        self._renew_at_s = None if again_s is None else now_s + again_s
        if lost := self._intake.lost_claims():
            self.tell(Buried(tuple(lost)))

    def _upgraded(self, delivery: Delivery | Malformed) -> Delivery | Malformed:
        if isinstance(delivery, Malformed) or "task" in delivery.message.headers:
            return delivery  # all but those of protocol 1
        conf, codec = self._app.conf, self._app.ports.codec
        accept = codec.accepted(conf.accept_content)
        return upgrade(delivery, codec, accept, conf.taskq_max_body_bytes)
