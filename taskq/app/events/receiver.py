# ruff: noqa: PLR0917 - the parameters are Celery's, and so is their order
"""What a monitor hears: ``app.events.Receiver(conn, handlers={"*": on_event}).capture()``."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final

from taskq import current
from taskq.app.events.sending import event_exchange, events_of
from taskq.errors import DecodeError
from taskq.ports import Inbox, Message, QueueSpec
from taskq.protocol.event import event_body

__all__ = ["EventReceiver"]

logger: Final = logging.getLogger("taskq.events")

ANY: Final = "*"
# What a client says of its own: its clock is not that of the cluster, and stands a little before.
CLIENT_CLOCK_SKEW: Final = -1
# The longest that it waits before it looks whether it should stop.
LOOK_S: Final = 1.0

Handler = Callable[[dict[str, Any]], Any]


class EventReceiver:
    """Calls handlers for events: by the type of the event, ``*`` for all others."""

    app: Any = None
    should_stop = False

    def __init__(
        self,
        channel: Any,
        handlers: Mapping[str, Handler] | None = None,
        routing_key: str = "#",
        node_id: str | None = None,
        app: Any = None,
        queue_prefix: str | None = None,
        accept: Sequence[str] | None = None,
        queue_ttl: float | None = None,
        queue_expires: float | None = None,
        queue_exclusive: bool | None = None,
        queue_durable: bool | None = None,
    ) -> None:
        self.app = current.app_or_default(app or self.app)
        conf, ports = self.app.conf, self.app.ports
        self.channel = channel
        self.handlers = dict(handlers or {})
        self.routing_key = routing_key
        self.node_id = node_id or ports.randomness.uuid()
        self.queue_prefix = queue_prefix or conf.event_queue_prefix
        self.exchange = event_exchange(self.app)
        self.queue = QueueSpec(
            f"{self.queue_prefix}.{self.node_id}",
            self.exchange,
            routing_key,
            durable=conf.event_queue_durable if queue_durable is None else queue_durable,
            exclusive=conf.event_queue_exclusive if queue_exclusive is None else queue_exclusive,
            auto_delete=True,
            expires_s=conf.event_queue_expires if queue_expires is None else queue_expires,
            message_ttl_s=conf.event_queue_ttl if queue_ttl is None else queue_ttl,
        )
        self.accept = accept or (conf.event_serializer, "json")
        self.clock = self.app.clock
        self.adjust_clock = self.clock.adjust
        self.forward_clock = self.clock.forward
        self._inbox: Inbox | None = None
        self._heard: deque[Message] = deque()  # what came, and was not handed on yet

    @property
    def connection(self) -> Any:
        """What it was made with."""
        return self.channel

    # -- listening --------------------------------------------------------------------------------

    def capture(
        self, limit: int | None = None, timeout: float | None = None, wakeup: bool = True
    ) -> None:
        """Call handlers until so many messages have come, or it is told to stop.

        Raises ``TimeoutError`` where nothing comes for longer than the timeout.
        """
        for _ in self.itercapture(limit=limit, timeout=timeout, wakeup=wakeup):
            pass

    def itercapture(
        self, limit: int | None = None, timeout: float | None = None, wakeup: bool = True
    ) -> Iterator[Any]:
        """Do the same, a message at a time."""
        inbox = self._listen(wakeup=wakeup)
        for taken in count():
            if limit is not None and taken >= limit:
                return
            while not self._heard and not self.should_stop:
                self._heard.extend(inbox.receive() or self._waited(inbox, timeout))
            if self.should_stop:
                self.close()
                return
            yield self._receive(self._heard.popleft())

    def _listen(self, *, wakeup: bool) -> Inbox:
        if self._inbox is None:
            self._inbox = self.app.ports.broker.listen(self.queue)
        if wakeup:
            self.wakeup_workers()
        return self._inbox

    def _waited(self, inbox: Inbox, timeout_s: float | None) -> Sequence[Message]:
        clock = self.app.ports.clock
        until_s = None if timeout_s is None else clock.read().elapsed_s + timeout_s
        while not self.should_stop:
            left_s = LOOK_S if until_s is None else until_s - clock.read().elapsed_s
            if left_s <= 0:
                raise TimeoutError(f"no event came for {timeout_s} s")
            inbox.wait(min(left_s, LOOK_S))
            if messages := inbox.receive():
                return messages
        return ()

    def close(self) -> None:
        """Listen no longer."""
        inbox, self._inbox = self._inbox, None
        self._heard.clear()
        if inbox is not None:
            inbox.close()

    def wakeup_workers(self, channel: Any = None) -> None:
        """Ask all workers for a heartbeat, so that it is soon known who is there."""
        self.app.control.broadcast("heartbeat", connection=channel)

    # -- from a message to handlers ---------------------------------------------------------------

    def _receive(self, message: Message) -> Message:
        try:
            events = events_of(self.app, message, self.accept)
        except DecodeError as error:
            logger.warning("Dropped an event that cannot be read: %s", error)
            return message
        for event in events:
            self.process(*self.event_from_message(event_body(event)))
        return message

    def process(self, type: str, event: dict[str, Any]) -> None:  # noqa: A002 - Celery's name
        """Call the handler of an event."""
        handler = self.handlers.get(type) or self.handlers.get(ANY)
        if handler is not None:
            handler(event)

    def event_from_message(
        self,
        body: dict[str, Any],
        localize: bool = True,  # noqa: ARG002 - Celery's; timestamps are the same everywhere
        tzfields: Any = None,  # noqa: ARG002 - Celery's
        CLIENT_CLOCK_SKEW: int = CLIENT_CLOCK_SKEW,  # noqa: N803 - Celery's name
    ) -> tuple[str, dict[str, Any]]:
        """Return the type of an event, and the event with what is known here of its time."""
        kind = body["type"]
        if kind == "task-sent":
            body["clock"] = self.forward_clock() + CLIENT_CLOCK_SKEW
        elif body.get("clock") is None:
            body["clock"] = self.forward_clock()
        else:
            self.adjust_clock(body["clock"])
        body["local_received"] = self.app.ports.clock.read().wall_s
        return kind, body
