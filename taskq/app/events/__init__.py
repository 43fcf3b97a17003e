"""Events: what clients, tasks and workers tell monitors, and how monitors listen."""

from taskq.app.events.sending import EventSender, event_exchange, event_message, events_of

__all__ = ["EventSender", "event_exchange", "event_message", "events_of"]
