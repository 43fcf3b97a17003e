"""``app.events``: senders, receivers and pictures that know their app."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from taskq.app.discovery import symbol

__all__ = ["Events"]


class Events:
    """What an app has to do with events."""

    # Classes, or where they are.
    receiver_cls: Any = "taskq.app.events.receiver:EventReceiver"
    dispatcher_cls: Any = "taskq.app.events.dispatcher:EventDispatcher"
    state_cls: Any = "taskq.app.events.state:State"

    def __init__(self, app: Any = None) -> None:
        self.app = app

    @cached_property
    def Receiver(self) -> Any:  # noqa: N802 - Celery's name
        """Listens to events."""
        return self.app.subclass_with_self(symbol(self.receiver_cls))

    @cached_property
    def Dispatcher(self) -> Any:  # noqa: N802 - Celery's name
        """Sends events."""
        return self.app.subclass_with_self(symbol(self.dispatcher_cls))

    @cached_property
    def State(self) -> Any:  # noqa: N802 - Celery's name
        """Makes a picture of the cluster of events."""
        return symbol(self.state_cls)

    @contextmanager
    def default_dispatcher(
        self,
        hostname: str | None = None,
        enabled: bool = True,
        buffer_while_offline: bool = False,
    ) -> Iterator[Any]:
        """Return a dispatcher for a block."""
        with self.Dispatcher(
            hostname=hostname, enabled=enabled, buffer_while_offline=buffer_while_offline
        ) as dispatcher:
            yield dispatcher
