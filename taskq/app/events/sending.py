"""Events on their way out, and where they are to be had."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from taskq.errors import DecodeError, OperationalError
from taskq.ports import ExchangeSpec, Message, Outgoing, PublishOptions, TypesEvents
from taskq.protocol.event import (
    BATCH_ROUTING_KEY,
    Event,
    batch_body,
    event_body,
    read_events,
    routing_key,
)
from taskq.protocol.message import TRANSIENT

__all__ = [
    "EventSender",
    "event_exchange",
    "event_message",
    "event_outgoing",
    "events_of",
    "make_event",
]

logger: Final = logging.getLogger("taskq.events")

_TASK: Final = "task-"
TOPIC: Final = "topic"
# The longest that a worker waits for its broker to take an event.
EVENT_TIMEOUT_S: Final = 1.0
# So many events of tasks travel together at most.
MOST_TOGETHER: Final = 500

_SECONDS_IN_HOUR: Final = 3600
_SECONDS_IN_MINUTE: Final = 60


class EventSender:
    """Tells monitors what happens at one node.

    Events of tasks are collected, and travel together at the end of a turn of the worker.  An
    event that cannot be sent is dropped: a monitor that misses one is better off than a worker
    that waits for its broker to tell it.
    """

    def __init__(self, app: Any, hostname: str) -> None:
        self._app, self._hostname = app, hostname
        self._options = PublishOptions(retry=None, timeout_s=EVENT_TIMEOUT_S)
        self._collected: list[Event] = []
        self._offset = _Offset(app)

    def collect(self, events: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Take events of tasks, to be sent by ``flush``; others go at once."""
        now_s = self._app.ports.clock.read().wall_s
        for name, fields in events:
            if name.startswith(_TASK):
                self._collected.append(self._event(name, fields, now_s))
        if others := [one for one in events if not one[0].startswith(_TASK)]:
            self.send(others)
        if len(self._collected) >= MOST_TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Send what was collected."""
        if self._collected:
            events, self._collected = self._collected, []
            self._publish([self._together(events)])

    def send(self, events: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Send events of tasks together, and each other one by itself."""
        now_s = self._app.ports.clock.read().wall_s
        made = [self._event(name, fields, now_s) for name, fields in events]
        messages = [self._alone(event) for event in made if not event.type.startswith(_TASK)]
        if of_tasks := [event for event in made if event.type.startswith(_TASK)]:
            messages.append(self._together(of_tasks))
        self._publish(messages)

    def _event(self, name: str, fields: Mapping[str, Any], now_s: float) -> Event:
        app = self._app
        return Event(
            name,
            self._hostname,
            now_s,
            app.clock.forward(),
            app.ports.place.pid,
            self._offset.at(now_s),
            fields,
        )

    def _alone(self, event: Event) -> Outgoing:
        return self._message(event_body(event), routing_key(event.type))

    def _together(self, events: Sequence[Event]) -> Outgoing:
        return self._message(batch_body(events), BATCH_ROUTING_KEY)

    def _message(self, body: Any, key: str) -> Outgoing:
        return event_outgoing(self._app, body, key, self._hostname, self._options)

    def _publish(self, messages: Sequence[Outgoing]) -> None:
        try:
            self._app.ports.broker.publish(messages)
        except OperationalError as error:
            logger.debug("%d messages of events were not sent: %s", len(messages), error)


def event_message(
    app: Any,
    type_: str,
    fields: Mapping[str, Any],
    hostname: str,
    options: PublishOptions | None = None,
) -> Outgoing:
    """Build the message of one event."""
    body = event_body(make_event(app, type_, fields, hostname))
    return event_outgoing(app, body, routing_key(type_), hostname, options)


def make_event(
    app: Any, type_: str, fields: Mapping[str, Any], hostname: str, *, counts: bool = True
) -> Event:
    """Build an event of now and here; one that does not count leaves the logical clock alone."""
    ports = app.ports
    now_s = ports.clock.read().wall_s
    return Event(
        type=type_,
        hostname=hostname,
        timestamp=now_s,
        clock=app.clock.forward() if counts else app.clock.value,
        pid=ports.place.pid,
        utcoffset=utc_offset(app, now_s),
        fields=fields,
    )


def utc_offset(app: Any, wall_s: float) -> float:
    """Return how many hours the zone of an app is behind UTC."""
    offset = datetime.fromtimestamp(wall_s, app.timezone).utcoffset()
    return -(offset.total_seconds() / _SECONDS_IN_HOUR) if offset else 0.0


class _Offset:
    """The same, worked out once in a while: no zone changes within a minute."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._minute, self._hours = -1, 0.0

    def at(self, wall_s: float) -> float:
        minute = int(wall_s // _SECONDS_IN_MINUTE)
        if minute != self._minute:
            self._minute, self._hours = minute, utc_offset(self._app, wall_s)
        return self._hours


def event_exchange(app: Any) -> ExchangeSpec:
    """Return where events go; on some brokers it is of another type than elsewhere."""
    broker = app.ports.broker
    type_ = broker.event_exchange_type if isinstance(broker, TypesEvents) else TOPIC
    return ExchangeSpec(app.conf.event_exchange, type_)


def events_of(app: Any, message: Message, accept: Sequence[str] | None = None) -> Sequence[Event]:
    """Read the events of a message.  Raises ``DecodeError``."""
    limit: int = app.conf.taskq_max_body_bytes
    if len(message.body) > limit:
        raise DecodeError(
            f"{len(message.body)} bytes are more than taskq_max_body_bytes allows ({limit})"
        )
    codec = app.ports.codec
    known = (app.conf.event_serializer, "json") if accept is None else accept
    body = codec.decode(
        message.body, message.content_type, message.content_encoding, codec.accepted(known)
    )
    return read_events(body)


def event_outgoing(
    app: Any,
    body: Any,
    key: str,
    hostname: str,
    options: PublishOptions | None = None,
    *,
    serializer: str | None = None,
    delivery_mode: int = TRANSIENT,
) -> Outgoing:
    """Build the message of the body of one event, or of several."""
    conf = app.conf
    encoded = app.ports.codec.encode(body, serializer or conf.event_serializer)
    exchange = event_exchange(app)
    return Outgoing(
        Message(
            headers={"hostname": hostname},
            body=encoded.body,
            content_type=encoded.content_type,
            content_encoding=encoded.content_encoding,
            properties={"delivery_mode": delivery_mode, "priority": 0},
        ),
        exchange=exchange.name,
        routing_key=key,
        exchange_type=exchange.type,
        declare=(exchange,),
        options=options or PublishOptions(timeout_s=conf.taskq_publish_timeout_s),
    )
