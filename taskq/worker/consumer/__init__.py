"""What takes messages, as programs know it: a view, and the documented places of its steps."""

from taskq.worker.consumer.consumer import Consumer
from taskq.worker.consumer.places import (
    Agent,
    Connection,
    Control,
    DelayedDelivery,
    Events,
    Evloop,
    Gossip,
    Heart,
    Mingle,
    Tasks,
)

__all__ = [
    "Agent",
    "Connection",
    "Consumer",
    "Control",
    "DelayedDelivery",
    "Events",
    "Evloop",
    "Gossip",
    "Heart",
    "Mingle",
    "Tasks",
]
