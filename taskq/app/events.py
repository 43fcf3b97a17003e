"""Events that a client or a task publishes of its own accord."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from taskq.ports import ExchangeSpec, Message, Outgoing, PublishOptions
from taskq.protocol.event import Event, event_body, routing_key
from taskq.protocol.message import TRANSIENT

__all__ = ["event_message"]

_SECONDS_IN_HOUR: Final = 3600


def event_message(
    app: Any,
    type_: str,
    fields: Mapping[str, Any],
    hostname: str,
    options: PublishOptions | None = None,
) -> Outgoing:
    """Build the message of one event."""
    ports, conf = app.ports, app.conf
    reading = ports.clock.read()
    offset = reading.wall.astimezone(app.timezone).utcoffset()
    event = Event(
        type=type_,
        hostname=hostname,
        timestamp=reading.wall_s,
        clock=app.clock.forward(),
        pid=ports.place.pid,
        utcoffset=-(offset.total_seconds() / _SECONDS_IN_HOUR) if offset else 0.0,
        fields=fields,
    )
    encoded = ports.codec.encode(event_body(event), conf.event_serializer)
    exchange = ExchangeSpec(conf.event_exchange, "topic")
    return Outgoing(
        Message(
            headers={"hostname": hostname},
            body=encoded.body,
            content_type=encoded.content_type,
            content_encoding=encoded.content_encoding,
            properties={"delivery_mode": TRANSIENT, "priority": 0},
        ),
        exchange=exchange.name,
        routing_key=routing_key(type_),
        exchange_type=exchange.type,
        declare=(exchange,),
        options=options or PublishOptions(timeout_s=conf.taskq_publish_timeout_s),
    )
