"""The documented steps of a consumer, as places that a program's own steps may require.

Like those of ``components.py``: the worker does what stands here.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from taskq.worker.consumer.place import AT, Place
from taskq.worker.consumer.social import Connection, Events, Gossip, Mingle

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


class Heart(Place):
    """Heartbeats."""

    name = f"{AT}.heart.Heart"
    requires: ClassVar[Any] = (Events,)

    def include_if(self, c: Any) -> bool:
        """Unless ``--without-heartbeat`` was said."""
        return c.controller.plan.presence.heartbeat_s is not None


class Tasks(Place):
    """Tasks are taken."""

    name = f"{AT}.tasks.Tasks"

    def qos_global(self, c: Any) -> bool:
        """Say whether the prefetch is one for all queues; the intake sees to it either way."""
        return bool(c.qos_global)

    def info(self, c: Any) -> dict[str, Any]:
        """Return how many messages may be open; 0 means any number."""
        return {"prefetch_count": c.qos.value}

    requires: ClassVar[Any] = (Mingle,)


class DelayedDelivery(Place):
    """Queues of the broker that keep what is not due; those that need them have made them."""

    name = f"{AT}.delayed_delivery.DelayedDelivery"
    requires: ClassVar[Any] = (Tasks,)


class Control(Place):
    """Commands are heard."""

    name = f"{AT}.control.Control"
    requires: ClassVar[Any] = (Tasks,)

    def include_if(self, c: Any) -> bool:
        """Unless the settings turn it off."""
        return bool(c.controller.plan.presence.remote_control)


class Agent(Place):
    """A place for an agent; there is none, so it is left out."""

    name = f"{AT}.agent.Agent"
    conditional = True
    enabled = False
    requires: ClassVar[Any] = (Connection,)


class Evloop(Place):
    """The loop; it comes last."""

    name = f"{AT}.consumer.Evloop"
    label = "event loop"
    last = True


CONSUMER_STEPS: Final = (
    *(Connection, Events, Mingle, Gossip, Heart, Tasks, DelayedDelivery, Control, Agent, Evloop),
)
