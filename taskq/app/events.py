"""Events: what clients, tasks and workers tell monitors."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from taskq.errors import OperationalError
from taskq.ports import ExchangeSpec, Message, Outgoing, PublishOptions, TypesEvents
from taskq.protocol.event import BATCH_ROUTING_KEY, Event, batch_body, event_body, routing_key
from taskq.protocol.message import TRANSIENT

__all__ = ["EventSender", "event_message"]

logger: Final = logging.getLogger("taskq.events")

_TASK: Final = "task-"
TOPIC: Final = "topic"
# The longest that a worker waits for its broker to take an event.
EVENT_TIMEOUT_S: Final = 1.0

_SECONDS_IN_HOUR: Final = 3600


class EventSender:
    """Tells monitors what happens at one node.

    An event that cannot be sent is dropped: a monitor that misses one is better off than a
    worker that waits for its broker to tell it.
    """

    def __init__(self, app: Any, hostname: str) -> None:
        self._app, self._hostname = app, hostname
        self._options = PublishOptions(retry=None, timeout_s=EVENT_TIMEOUT_S)

    def send(self, events: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Send events of tasks together, and each other one by itself."""
        of_tasks = [one for one in events if one[0].startswith(_TASK)]
        alone = [[one] for one in events if not one[0].startswith(_TASK)]
        messages = [self._message(group) for group in (*alone, of_tasks) if group]
        try:
            self._app.ports.broker.publish(messages)
        except OperationalError as error:
            logger.debug("%d events were not sent: %s", len(events), error)

    def _message(self, events: Sequence[tuple[str, Mapping[str, Any]]]) -> Outgoing:
        made = [_event(self._app, name, fields, self._hostname) for name, fields in events]
        body: Any = event_body(made[0])
        key = routing_key(made[0].type)
        if len(made) > 1:
            body, key = batch_body(made), BATCH_ROUTING_KEY
        return _message(self._app, body, key, self._hostname, self._options)


def event_message(
    app: Any,
    type_: str,
    fields: Mapping[str, Any],
    hostname: str,
    options: PublishOptions | None = None,
) -> Outgoing:
    """Build the message of one event."""
    body = event_body(_event(app, type_, fields, hostname))
    return _message(app, body, routing_key(type_), hostname, options)


def _event(app: Any, type_: str, fields: Mapping[str, Any], hostname: str) -> Event:
    ports = app.ports
    reading = ports.clock.read()
    offset = reading.wall.astimezone(app.timezone).utcoffset()
    return Event(
        type=type_,
        hostname=hostname,
        timestamp=reading.wall_s,
        clock=app.clock.forward(),
        pid=ports.place.pid,
        utcoffset=-(offset.total_seconds() / _SECONDS_IN_HOUR) if offset else 0.0,
        fields=fields,
    )


def _message(
    app: Any, body: Any, key: str, hostname: str, options: PublishOptions | None
) -> Outgoing:
    conf = app.conf
    encoded = app.ports.codec.encode(body, conf.event_serializer)
    broker = app.ports.broker
    type_ = broker.event_exchange_type if isinstance(broker, TypesEvents) else TOPIC
    exchange = ExchangeSpec(conf.event_exchange, type_)
    return Outgoing(
        Message(
            headers={"hostname": hostname},
            body=encoded.body,
            content_type=encoded.content_type,
            content_encoding=encoded.content_encoding,
            properties={"delivery_mode": TRANSIENT, "priority": 0},
        ),
        exchange=exchange.name,
        routing_key=key,
        exchange_type=exchange.type,
        declare=(exchange,),
        options=options or PublishOptions(timeout_s=conf.taskq_publish_timeout_s),
    )
