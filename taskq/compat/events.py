"""A receiver of events that can also be driven by a loop of kombu's."""

from __future__ import annotations

from typing import Any

from taskq.adapters.broker.kombu_entities import to_queue
from taskq.app.events.receiver import EventReceiver as Receiver


class EventReceiver(Receiver):
    """``celery.events.EventReceiver``."""

    def get_consumers(self, Consumer: Any, channel: Any) -> list[Any]:  # noqa: N803 - kombu's name
        """Return consumers for a loop of kombu's."""
        return [
            Consumer(
                queues=[to_queue(self.queue)(channel)],
                callbacks=[self._receive_raw],
                no_ack=True,
                accept=set(self.accept),
            )
        ]

    def _receive_raw(self, body: Any, _message: Any) -> None:
        for one in body if isinstance(body, list) else [body]:
            self.process(*self.event_from_message(one))

    def on_consume_ready(
        self,
        connection: Any,  # noqa: ARG002 - kombu's signature
        channel: Any,
        consumers: Any,  # noqa: ARG002 - kombu's signature
        wakeup: bool = True,
        **_kwargs: Any,
    ) -> None:
        """Ask all workers for a heartbeat when such a loop begins."""
        if wakeup:
            self.wakeup_workers(channel)
