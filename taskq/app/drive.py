"""One turn of a worker: what came from the ports goes to the core, what it asks is carried out.

Used by both drivers, ``runtime.worker`` and ``taskq_testing/sim/node.py``: what they do not share
is how they wait, and how they find a lost broker again.  Any call may raise ``OperationalError``
when the broker or the store is lost; the driver gets it back, calls ``resume``, and goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

from taskq.app.app import App
from taskq.app.cluster import Liaison, Presence
from taskq.app.control.revoking import remembered
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
    Revoked,
    Woke,
)
from taskq.core.worker import WorkerCore
from taskq.ports import Clock, Delivery, Inbox, Intake, Malformed, Pool
from taskq.signals import task_received, task_rejected


class Drive:
    """A core, its hands, and what they read.

    A driver makes it with the worker's ``Presence``, calls ``connected`` once the broker is there
    and ``turn`` whenever ``watched`` is readable, ``poll_s`` is over or ``wake_at_s`` has come;
    ``resume`` after it has found a lost broker again, and ``close`` before it closes the intake.
    """

    def __init__(
        self,
        app: App,
        *,
        core: WorkerCore,
        performer: Performer,
        intake: Intake,
        pool: Pool,
        clock: Clock,
        presence: Presence | None = None,
    ) -> None:
        self._app, self.core, self._performer = app, core, performer
        self._intake, self._pool, self._clock = intake, pool, clock
        self._asked: deque[Input] = deque()
        self._renew_at_s: float | None = clock.read().elapsed_s
        self.liaison = (  # None: it has nothing to do with others
            None
            if presence is None
            else Liaison(
                app,
                presence,
                core=core,
                intake=intake,
                pool=pool,
                monitors=performer.monitors,
                tell=self.tell,
            )
        )

    @property
    def exit_code(self) -> int | None:
        """None while the worker works."""
        return self._performer.exit_code

    @property
    def renew_at_s(self) -> float | None:
        """When leases or connections want to be looked after."""
        return self._renew_at_s

    @property
    def inboxes(self) -> Sequence[Inbox]:
        """What is listened to beside the intake; changes when one is lost or found again."""
        return () if self.liaison is None else self.liaison.inboxes

    @property
    def watched(self) -> Sequence[int]:
        """File descriptors that become readable when ``turn`` may have something to do."""
        watched = [*self._pool.watched]
        if self.core.takes:
            watched += self._intake.watched
        if self.liaison is not None:
            watched += self.liaison.watched
        return watched

    @property
    def poll_s(self) -> float | None:
        """How often to call ``turn`` though nothing became readable; None: never."""
        pool_s = self._pool.poll_s
        intake_s = self._intake.poll_s if self.core.takes else None
        if pool_s is None or intake_s is None:
            return intake_s if pool_s is None else pool_s
        return min(pool_s, intake_s)

    @property
    def wake_at_s(self) -> float | None:
        """When to call ``turn`` at the latest, on the clock that never goes back."""
        social_s = None if self.liaison is None else self.liaison.wake_at_s
        moments = (self.core.wake_at, self._renew_at_s, social_s)
        return min((at_s for at_s in moments if at_s is not None), default=None)

    def ask(self, asked: Input) -> None:
        """Tell the core at the next turn; may be called from anywhere, also a signal handler."""
        self._asked.append(asked)

    def turn(self, readable: Collection[int] | None = None) -> bool:
        """Hear what there is, and act on it; says whether messages came.

        A driver that knows which of ``watched`` are readable says so: what is silent is then not
        asked.
        """
        while self._asked:
            self.tell(self._asked.popleft())
        if self.exit_code is None:
            # Before what has ended is told: of a process that stood still for too long, others
            # have the work by now.
            self._renew()
        if events := self._pool.collect():
            self.tell(Happened(tuple(events)))
        wake_at_s = self.core.wake_at
        if wake_at_s is not None and wake_at_s <= self._clock.read().elapsed_s:
            self.tell(Woke())
        came = self.exit_code is None and self._take()
        if self.liaison is not None and self.exit_code is None:
            came = self.liaison.turn(self._clock.read().elapsed_s, readable) or came
        self._performer.monitors.flush()
        return came

    def tell(self, happened: Input) -> None:
        """Tell the core, and carry out what it asks, and what follows from that."""
        todo: deque[Input] = deque([happened])
        while todo:
            effects = self.core.handle(todo.popleft(), self._clock.read())
            if concluded := self._performer.perform(effects):
                todo.append(Happened(tuple(concluded)))

    def connected(self) -> None:
        """There is a broker: tell the core, and what it can do; tell others that we are there."""
        if self.liaison is not None:
            # First it listens, then it reads: what is revoked in between is heard.
            self.liaison.begin(self._clock.read().elapsed_s)
        if known := remembered(self._app):
            self.tell(Revoked(known))
        if self.liaison is not None:
            self.liaison.greet(self._clock.read().elapsed_s)
        self.tell(Connected(self._intake.parks))

    def resume(self) -> None:
        """The broker is there again: go on where it broke off."""
        kept = self._intake.keeps_deliveries
        not_run = () if kept else self._performer.forsake()
        self.tell(Disconnected(kept, not_run))
        self.connected()

    def close(self) -> None:
        """Say good-bye to others; nothing follows but the end of the intake."""
        self._performer.monitors.flush()
        if self.liaison is not None:
            self.liaison.end()

    def _take(self) -> bool:
        deliveries = self._intake.receive() if self.core.takes else ()
        self._hear_of_lost_tags()
        if deliveries:
            heard = bool(task_received.receivers or task_rejected.receivers)
            self.tell(Delivered(tuple(map(self._upgraded, deliveries)), heard))
        return bool(deliveries)

    def _renew(self) -> None:
        now_s = self._clock.read().elapsed_s
        if self._renew_at_s is None or self._renew_at_s > now_s:
            return
        again_s = self._intake.renew()
        self._renew_at_s = None if again_s is None else now_s + again_s
        self._hear_of_lost_tags()
        if lost := self._intake.lost_claims():
            self.tell(Buried(tuple(lost)))

    def _hear_of_lost_tags(self) -> None:
        if lost := self._intake.lost_tags():
            self.tell(LeaseLost(tuple(lost)))

    def _upgraded(self, delivery: Delivery | Malformed) -> Delivery | Malformed:
        if isinstance(delivery, Malformed) or "task" in delivery.message.headers:
            return delivery  # all but those of protocol 1
        conf, codec = self._app.conf, self._app.ports.codec
        accept = codec.accepted(conf.accept_content)
        return upgrade(delivery, codec, accept, conf.taskq_max_body_bytes)
