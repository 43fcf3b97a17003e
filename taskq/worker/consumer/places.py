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


class Connection(StartStopStep):
    """The broker is there."""

    name = f"{_AT}.connection.Connection"


class Events(StartStopStep):
    """Monitors are told."""

    name = f"{_AT}.events.Events"
    requires: ClassVar[Any] = (Connection,)


class Heart(StartStopStep):
    """Heartbeats."""

    name = f"{_AT}.heart.Heart"
    requires: ClassVar[Any] = (Events,)

    def include_if(self, parent: Any) -> bool:
        """Unless ``--without-heartbeat`` was said."""
        return parent.controller.plan.presence.heartbeat_s is not None


class Mingle(StartStopStep):
    """Other workers were asked what they know."""

    name = f"{_AT}.mingle.Mingle"
    label = "Mingle"
    requires: ClassVar[Any] = (Events,)

    def include_if(self, parent: Any) -> bool:
        """Unless ``--without-mingle`` was said."""
        return bool(parent.controller.plan.presence.mingle)


class Gossip(ConsumerStep):
    """Other workers are listened to."""

    name = f"{_AT}.gossip.Gossip"
    label = "Gossip"
    requires: ClassVar[Any] = (Mingle,)

    def include_if(self, parent: Any) -> bool:
        """Unless ``--without-gossip`` was said."""
        return bool(parent.controller.plan.presence.gossip)

    def get_consumers(self, channel: Any) -> list[Any]:  # noqa: ARG002 - a consumer step's signature
        """None of kombu's: the worker listens by its broker port."""
        return []

    def start(self, c: Any) -> None:
        """The worker has begun to listen."""

    def stop(self, c: Any) -> None:
        """The worker ends that."""


class Tasks(StartStopStep):
    """Tasks are taken."""

    name = f"{_AT}.tasks.Tasks"
    requires: ClassVar[Any] = (Mingle,)


class DelayedDelivery(StartStopStep):
    """Queues of the broker that keep what is not due; those that need them have made them."""

    name = f"{_AT}.delayed_delivery.DelayedDelivery"
    requires: ClassVar[Any] = (Tasks,)


class Control(StartStopStep):
    """Commands are heard."""

    name = f"{_AT}.control.Control"
    requires: ClassVar[Any] = (Tasks,)

    def include_if(self, parent: Any) -> bool:
        """Unless the settings turn it off."""
        return bool(parent.controller.plan.presence.remote_control)


class Agent(StartStopStep):
    """A place for an agent; there is none, so it is left out."""

    name = f"{_AT}.agent.Agent"
    conditional = True
    enabled = False
    requires: ClassVar[Any] = (Connection,)


class Evloop(StartStopStep):
    """The loop; it comes last."""

    name = f"{_AT}.consumer.Evloop"
    label = "event loop"
    last = True


CONSUMER_STEPS: Final = (
    *(Connection, Events, Mingle, Gossip, Heart, Tasks, DelayedDelivery, Control, Agent, Evloop),
)
