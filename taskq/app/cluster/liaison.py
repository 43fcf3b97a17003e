"""What one worker has to do with clients and other workers.

Made and called by ``Drive``, in both drivers: it learns the time from there, and never waits.
A command that decides something becomes an input, and goes to the core by ``tell``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from math import inf
from typing import Any

from taskq.app.cluster.ear import Ear
from taskq.app.cluster.gossip import Gossip, gossip_queue
from taskq.app.cluster.heart import Heart
from taskq.app.cluster.mingle import Mingle
from taskq.app.cluster.presence import Presence
from taskq.app.control.commands.cluster import revoked_ids
from taskq.app.control.desk import Desk
from taskq.app.control.messages import command_queue
from taskq.app.control.revoking import remembered
from taskq.app.control.state import State
from taskq.app.events import EventSender
from taskq.core.cluster import Cluster, News
from taskq.core.inputs import ClusterSized, Input, Revoked
from taskq.core.worker import WorkerCore
from taskq.ports import Inbox, Intake, Message, Pool


class Liaison:
    """One worker's ears and mouth."""

    def __init__(
        self,
        app: Any,
        presence: Presence,
        *,
        core: WorkerCore,
        intake: Intake,
        pool: Pool,
        monitors: EventSender,
        tell: Callable[[Input], None],
    ) -> None:
        self._app, self.presence = app, presence
        self._core, self._tell = core, tell
        self.heart = Heart(monitors, presence)
        self._desk = Desk(app, tell)
        self._gossip = Gossip(app, presence, monitors, self._sized)
        self._mingle = Mingle(app, presence.hostname, tell)
        listen = app.ports.broker.listen
        self._fds: frozenset[int] = frozenset()
        self._wake_at_s = inf
        self._commands: deque[Message] = deque()  # heard, and not carried out yet
        self._control = (
            Ear("remote control", lambda: listen(command_queue(app.conf, presence.hostname)))
            if presence.remote_control
            else None
        )
        heard = gossip_queue(app, presence) if presence.gossip else None
        self._others = None if heard is None else Ear("gossip", lambda: listen(heard))
        self._ears = [ear for ear in (self._control, self._others) if ear is not None]
        self.state = State(
            app,
            presence.hostname,
            core=core,
            intake=intake,
            pool=pool,
            tell=self._desk.tell,
            started=app.ports.clock.read(),
            pool_name=presence.pool_name,
            concurrency=presence.concurrency,
            queues={queue.name: queue for queue in presence.queues},
            beat=self._beat,
            elect=self._gossip.elect,
            answers=self.cluster.answers,
            usage=presence.machine.usage,
        )

    # -- what a drive calls --------------------------------------------------------------------

    def begin(self, now_s: float) -> None:
        """There is a broker: listen, and tell others."""
        for ear in self._ears:
            ear.open(now_s)
            ear.missed()  # whoever calls this reads what was revoked meanwhile
        self._gossip.begin(now_s)
        self.heart.online(now_s, active=len(self._core.active), processed=self._core.processed)
        self._look_ahead(now_s)

    def greet(self, now_s: float) -> None:
        """Ask other workers what was revoked, and tell them what is known here."""
        if self.presence.mingle:
            self._mingle.begin(revoked_ids(self.state), now_s)
            self._look_ahead(now_s)

    def tell_of_others(self, listener: Callable[[News], object]) -> Cluster:
        """Let something hear who comes and goes; returns who is there."""
        self._gossip.listeners.append(listener)
        return self._gossip.cluster

    def turn(self, now_s: float, readable: Collection[int] | None = None) -> bool:
        """Hear what there is, and act on it; says whether anything came.

        ``readable``: the descriptors that are; None where that is not known.
        """
        if readable is not None and now_s < self._wake_at_s and self._fds.isdisjoint(readable):
            return False
        try:
            return self._turn(now_s, readable)
        finally:
            self._look_ahead(now_s)

    def _turn(self, now_s: float, readable: Collection[int] | None) -> bool:
        came = self._hear_commands(now_s, readable)
        if self._others is not None:
            if messages := self._others.hear(now_s, readable):
                self._gossip.hear(messages)
                came = True
            elif _is_over(self._gossip.wake_at_s, now_s):
                self._gossip.turn(self._app.ports.clock.read())
        came = self._mingle.turn(now_s, readable) or came
        if _is_over(self.heart.beat_at_s, now_s):
            self._beat()
        return came

    def end(self) -> None:
        """Say good-bye, and listen no longer."""
        self.heart.offline(processed=self._core.processed)
        self._mingle.end()
        for ear in self._ears:
            ear.close()
        self._fds, self._wake_at_s = frozenset(), inf

    @property
    def inboxes(self) -> Sequence[Inbox]:
        """What is listened to now."""
        heard = (ear.heard for ear in (*self._ears, *self._mingle.ears))
        return [inbox for inbox in heard if inbox is not None]

    @property
    def cluster(self) -> Cluster:
        """Who is there."""
        return self._gossip.cluster

    @property
    def watched(self) -> Collection[int]:
        """File descriptors that become readable when ``turn`` may have something to do."""
        return self._fds

    @property
    def wake_at_s(self) -> float | None:
        """When to call ``turn`` though nothing came, on the clock that never goes back."""
        return None if self._wake_at_s == inf else self._wake_at_s

    def _look_ahead(self, now_s: float) -> None:
        """Work out once what a loop asks for in each of its turns, most of which are not ours."""
        ears = (*self._ears, *self._mingle.ears)
        self._fds = frozenset(fd for ear in ears for fd in ear.watched)
        moments = [self._mingle.wake_at_s, *(ear.wake_at_s for ear in ears)]
        if self.heart.beat_at_s is not None:
            moments.append(self.heart.beat_at_s)
        if self._others is not None and self._gossip.wake_at_s is not None:
            moments.append(self._gossip.wake_at_s)
        self._wake_at_s = max(now_s, min(moments))

    # -- the parts -----------------------------------------------------------------------------

    def _hear_commands(self, now_s: float, readable: Collection[int] | None) -> bool:
        if self._control is None:
            return False
        heard = self._control.hear(now_s, readable)
        self._commands.extend(heard)
        if self._control.missed():
            self._learn_revocations()
        try:
            self._desk.forward()
            while self._commands:
                self._desk.take(self._commands.popleft(), self.state)
        finally:
            self._desk.answer()
        return bool(heard)

    def _learn_revocations(self) -> None:
        if known := remembered(self._app):
            self._tell(Revoked(known))

    def _beat(self) -> None:
        now_s = self._app.ports.clock.read().elapsed_s
        self.heart.beat(now_s, active=len(self._core.active), processed=self._core.processed)

    def _sized(self, workers: int) -> None:
        self._tell(ClusterSized(workers))


def _is_over(at_s: float | None, now_s: float) -> bool:
    return at_s is not None and at_s <= now_s
