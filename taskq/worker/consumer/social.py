"""The documented steps that have to do with others: the broker, monitors, other workers.

As places they give a program's own steps theirs.  ``Gossip`` tells them who comes and goes, and
``Mingle`` can greet the others once more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, ClassVar, Final, NamedTuple

from taskq.app.log import get_logger
from taskq.core.cluster import Change, News
from taskq.worker.bootsteps import ConsumerStep
from taskq.worker.consumer.place import AT, Place
from taskq.worker.state import merge_revoked

__all__ = ["Connection", "Events", "Gossip", "Member", "Mingle"]

logger: Final = get_logger("taskq.worker.cluster")

# How long ``send_hello`` waits for answers.
HELLO_S: Final = 1.0


class Connection(Place):
    """The broker is there."""

    name = f"{AT}.connection.Connection"

    def info(self, c: Any) -> dict[str, Any]:
        """Return where the broker is."""
        connection = c.app.connection_for_read()
        return {"broker": {**connection.info(), "password": None}}

    def close_connection(self, c: Any) -> None:
        """Close the connection of the steps; the worker's own goes on."""
        connection, c.connection = c.connection, None
        if connection is not None:
            connection.close()


class Events(Place):
    """Monitors are told."""

    name = f"{AT}.events.Events"
    requires: ClassVar[Any] = (Connection,)


class _Social:
    """What needs a broker that tells many listeners the same."""

    compatible_transports: ClassVar[frozenset[str]] = frozenset({"amqp", "memory", "redis"})

    def compatible_transport(self, app: Any) -> bool:
        """Say whether the broker of an app is one of those that Celery's workers hear others by.

        taskq's hear each other by any broker that has fan-out.
        """
        with app.connection_for_read() as connection:
            return connection.transport.driver_type in self.compatible_transports


class Mingle(_Social, Place):
    """Other workers were asked what they know."""

    name = f"{AT}.mingle.Mingle"
    label = "Mingle"
    requires: ClassVar[Any] = (Events,)

    def include_if(self, c: Any) -> bool:
        """Unless ``--without-mingle`` was said."""
        return bool(c.controller.plan.presence.mingle)

    def sync(self, c: Any) -> None:
        """Ask the others once more, and learn from what they answer."""
        for node, reply in self.send_hello(c).items():
            self.on_node_reply(c, node, reply)

    def send_hello(self, c: Any) -> Mapping[str, Any]:
        """Return what other workers answer to a greeting."""
        known = [one.task_id for one in c.controller.core.revocations if one.task_id]
        replies = c.app.control.inspect(timeout=HELLO_S).hello(c.hostname, known) or {}
        return {node: reply for node, reply in replies.items() if node != c.hostname}

    def on_node_reply(self, c: Any, nodename: str, reply: Any) -> None:
        """Learn from one answer."""
        if isinstance(reply, Mapping):
            logger.debug("%s has answered the greeting", nodename)
            self.sync_with_node(c, **reply)

    def sync_with_node(
        self, c: Any, clock: Any = None, revoked: Any = None, **_kwargs: Any
    ) -> None:
        """Take over a clock, and what was revoked."""
        self.on_clock_event(c, clock)
        self.on_revoked_received(c, revoked)

    def on_clock_event(self, c: Any, clock: int | None) -> None:
        """Take over a logical clock."""
        if clock:
            c.app.clock.adjust(clock)

    def on_revoked_received(self, c: Any, revoked: Collection[str] | None) -> None:  # noqa: ARG002 - Celery's signature
        """Take over what was revoked."""
        if revoked:
            merge_revoked(revoked)


class Member(NamedTuple):
    """Another worker, as far as it was heard."""

    hostname: str
    alive: bool = True

    @property
    def id(self) -> str:
        """Its name."""
        return self.hostname


class Gossip(_Social, ConsumerStep):
    """Other workers are listened to.

    ``c.gossip.on`` has sets of callbacks, each called with the worker that came or went:
    ``node_join``, ``node_leave``, ``node_lost``; ``c.gossip.state.alive_workers()`` are those that
    are there, this one among them.
    """

    name = f"{AT}.gossip.Gossip"
    label = "Gossip"
    requires: ClassVar[Any] = (Mingle,)

    def __init__(self, c: Any, **kwargs: Any) -> None:
        super().__init__(c, **kwargs)
        self._consumer = c
        self._cluster: Any = None  # once the worker listens
        self.on = SimpleNamespace(
            node_join={self.on_node_join},
            node_leave={self.on_node_leave},
            node_lost={self.on_node_lost},
        )
        self.state = self
        c.gossip = self

    def include_if(self, c: Any) -> bool:
        """Unless ``--without-gossip`` was said."""
        return bool(c.controller.plan.presence.gossip)

    def get_consumers(self, channel: Any) -> list[Any]:  # noqa: ARG002 - a consumer step's signature
        """None of kombu's: the worker listens by its broker port."""
        return []

    def start(self, c: Any) -> None:
        """The worker has begun to listen."""
        if self._cluster is None:
            self._cluster = c.controller.hear_of_others(self.heard)

    def stop(self, c: Any) -> None:
        """The worker ends that."""

    def heard(self, news: News) -> None:
        """Tell the program who came or went."""
        callbacks = {
            Change.JOINED: self.on.node_join,
            Change.LEFT: self.on.node_leave,
            Change.LOST: self.on.node_lost,
        }[news.change]
        for callback in tuple(callbacks):
            try:
                callback(Member(news.hostname, news.change is Change.JOINED))
            except Exception:  # a boundary: a program's callback may raise anything
                logger.exception("a callback of gossip has failed: %r", callback)

    def alive_workers(self) -> Iterator[Member]:
        """Return who is there."""
        names = [self._consumer.hostname] if self._cluster is None else self._cluster.names
        return map(Member, sorted(names))

    def on_node_join(self, worker: Any) -> None:
        """A worker has come; for subclasses."""

    def on_node_leave(self, worker: Any) -> None:
        """A worker has said good-bye; for subclasses."""

    def on_node_lost(self, worker: Any) -> None:
        """A worker was silent for too long; for subclasses."""

    def election(self, id: str, topic: str, action: Any = None) -> None:  # noqa: A002 - Celery's name
        """Let the workers elect one that carries out an action."""
        state = self._consumer.controller.command_state
        if state is not None:
            state.elect(id, topic, action)

    def call_task(self, task: Any) -> None:
        """Send a signature, as the one who was elected."""
        self._consumer.app.signature(task).apply_async()
