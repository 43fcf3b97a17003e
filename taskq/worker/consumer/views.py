"""Small views of a consumer: its prefetch, and how it tells monitors."""

from __future__ import annotations

from typing import Any

__all__ = ["EventsView", "Prefetch"]


class EventsView:
    """``consumer.event_dispatcher``: tells monitors, with the worker's own events."""

    def __init__(self, controller: Any) -> None:
        self._controller = controller
        self.app, self.hostname = controller.app, controller.hostname
        self.groups: frozenset[str] = frozenset()

    @property
    def enabled(self) -> bool:
        """Whether monitors want to be told of tasks."""
        core = self._controller.core
        return self._controller.task_events if core is None else bool(core.events)

    def send(self, type: str, blind: bool = False, **fields: Any) -> None:  # noqa: A002, ARG002 - Celery's names
        """Tell them one thing."""
        if self._controller.monitors is not None:
            self._controller.monitors.collect([(type, fields)])


class Prefetch:
    """``consumer.qos``: how many messages may be open; the core says it."""

    def __init__(self, controller: Any) -> None:
        self._controller = controller

    @property
    def value(self) -> int:
        """The number; 0 means any."""
        core = self._controller.core
        return 0 if core is None else int(core.prefetch)
