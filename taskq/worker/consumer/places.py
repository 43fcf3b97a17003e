"""The documented steps of a consumer, as places that a program's own steps may require.

Like those of ``components.py``: the worker does what stands here.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from taskq.worker.bootsteps import ConsumerStep, StartStopStep

__all__ = [
    "CONSUMER_STEPS",
    "Agent",
    "Connection",
    "Control",
    "DelayedDelivery",
    "Events",
    "Evloop",
    "Gossip",
    "Heart",
    "Mingle",
    "Tasks",
]

_AT: Final = "taskq.worker.consumer"


class Place(StartStopStep):
    """A step whose deeds are the worker's own; what it says of itself is what they come to."""

    def include_if(self, c: Any) -> bool:
        """Say whether it is there."""
        return bool(super().include_if(c))

    def create(self, c: Any) -> None:
        """There is nothing to make."""

    def info(self, c: Any) -> dict[str, Any] | None:
        """Return what ``inspect stats`` shows of it."""
        return super().info(c)

    def start(self, c: Any) -> None:
        """The worker has begun it."""

    def stop(self, c: Any) -> None:
        """The worker ends it."""

    def shutdown(self, c: Any) -> None:
        """The worker has ended it."""


class Connection(Place):
    """The broker is there."""

    name = f"{_AT}.connection.Connection"

    def info(self, c: Any) -> dict[str, Any]:
        """Return where the broker is."""
        connection = c.app.connection_for_read()
        return {"broker": {**connection.info(), "password": None}}


class Events(Place):
    """Monitors are told."""

    name = f"{_AT}.events.Events"
    requires: ClassVar[Any] = (Connection,)


class Heart(Place):
    """Heartbeats."""

    name = f"{_AT}.heart.Heart"
    requires: ClassVar[Any] = (Events,)

    def include_if(self, c: Any) -> bool:
        """Unless ``--without-heartbeat`` was said."""
        return c.controller.plan.presence.heartbeat_s is not None


class Mingle(Place):
    """Other workers were asked what they know."""

    name = f"{_AT}.mingle.Mingle"
    label = "Mingle"
    requires: ClassVar[Any] = (Events,)

    def include_if(self, c: Any) -> bool:
        """Unless ``--without-mingle`` was said."""
        return bool(c.controller.plan.presence.mingle)


class Gossip(ConsumerStep):
    """Other workers are listened to."""

    name = f"{_AT}.gossip.Gossip"
    label = "Gossip"
    requires: ClassVar[Any] = (Mingle,)

    def __init__(self, c: Any, **kwargs: Any) -> None:
        super().__init__(c, **kwargs)
        self._consumer = c
        c.gossip = self

    def include_if(self, c: Any) -> bool:
        """Unless ``--without-gossip`` was said."""
        return bool(c.controller.plan.presence.gossip)

    def get_consumers(self, channel: Any) -> list[Any]:  # noqa: ARG002 - a consumer step's signature
        """None of kombu's: the worker listens by its broker port."""
        return []

    def start(self, c: Any) -> None:
        """The worker has begun to listen."""

    def stop(self, c: Any) -> None:
        """The worker ends that."""

    def election(self, id: str, topic: str, action: Any = None) -> None:  # noqa: A002 - Celery's name
        """Let the workers elect one that carries out an action."""
        state = self._consumer.controller.command_state
        if state is not None:
            state.elect(id, topic, action)

    def call_task(self, task: Any) -> None:
        """Send a signature, as the one who was elected."""
        self._consumer.app.signature(task).apply_async()


class Tasks(Place):
    """Tasks are taken."""

    name = f"{_AT}.tasks.Tasks"

    def info(self, c: Any) -> dict[str, Any]:
        """Return how many messages may be open; 0 means any number."""
        return {"prefetch_count": c.qos.value}

    requires: ClassVar[Any] = (Mingle,)


class DelayedDelivery(Place):
    """Queues of the broker that keep what is not due; those that need them have made them."""

    name = f"{_AT}.delayed_delivery.DelayedDelivery"
    requires: ClassVar[Any] = (Tasks,)


class Control(Place):
    """Commands are heard."""

    name = f"{_AT}.control.Control"
    requires: ClassVar[Any] = (Tasks,)

    def include_if(self, c: Any) -> bool:
        """Unless the settings turn it off."""
        return bool(c.controller.plan.presence.remote_control)


class Agent(Place):
    """A place for an agent; there is none, so it is left out."""

    name = f"{_AT}.agent.Agent"
    conditional = True
    enabled = False
    requires: ClassVar[Any] = (Connection,)


class Evloop(Place):
    """The loop; it comes last."""

    name = f"{_AT}.consumer.Evloop"
    label = "event loop"
    last = True


CONSUMER_STEPS: Final = (
    *(Connection, Events, Mingle, Gossip, Heart, Tasks, DelayedDelivery, Control, Agent, Evloop),
)
