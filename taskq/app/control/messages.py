"""Commands and replies as messages: where they go, what they say, how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from taskq.errors import DecodeError
from taskq.ports import ExchangeSpec, Message, Outgoing, PublishOptions, QueueSpec
from taskq.protocol.control import (
    Command,
    ReplyAddress,
    command_body,
    command_headers,
    read_command,
    reply_body,
    reply_headers,
)
from taskq.protocol.message import PERSISTENT, TRANSIENT

__all__ = [
    "command_exchange",
    "command_message",
    "command_queue",
    "decode",
    "read_command_message",
    "reply_exchange",
    "reply_message",
    "reply_queue",
]

# Commands and replies are JSON, whatever tasks are.
SERIALIZER: Final = "json"
ACCEPT: Final = (SERIALIZER,)
# The longest that a worker waits for its broker to take a reply.
REPLY_TIMEOUT_S: Final = 1.0
# How long a reply that nobody takes may lie at the broker.
REPLY_LIFETIME_MS: Final = 60_000


def command_exchange(conf: Any) -> ExchangeSpec:
    """Return where commands go."""
    return ExchangeSpec(f"{conf.control_exchange}.pidbox", "fanout", durable=False)


def reply_exchange(conf: Any) -> ExchangeSpec:
    """Return where replies go."""
    return ExchangeSpec(f"reply.{conf.control_exchange}.pidbox", "direct", durable=False)


def command_queue(conf: Any, hostname: str) -> QueueSpec:
    """Return what a worker listens to."""
    return QueueSpec(
        f"{hostname}.{conf.control_exchange}.pidbox",
        command_exchange(conf),
        "",
        durable=conf.control_queue_durable,
        exclusive=conf.control_queue_exclusive,
        auto_delete=True,
        expires_s=conf.control_queue_expires,
        message_ttl_s=conf.control_queue_ttl,
    )


def reply_queue(conf: Any, oid: str) -> QueueSpec:
    """Return what a client listens to that waits for replies under an id."""
    exchange = reply_exchange(conf)
    return QueueSpec(
        f"{oid}.{exchange.name}",
        exchange,
        oid,
        durable=False,
        exclusive=conf.control_queue_exclusive,
        auto_delete=True,
        expires_s=conf.control_queue_expires,
        message_ttl_s=conf.control_queue_ttl,
    )


def command_message(
    app: Any, command: Command, *, lifetime_s: float | None, link: Any = None
) -> Outgoing:
    """Build the message of a command that means nothing any more after a while."""
    expires = None if lifetime_s is None else app.ports.clock.read().wall_s + lifetime_s
    headers = command_headers(app.clock.forward(), expires)
    options = PublishOptions(timeout_s=app.conf.taskq_publish_timeout_s, link=link)
    return _message(
        app,
        command_body(command),
        headers,
        {"delivery_mode": PERSISTENT, "priority": 0},
        command_exchange(app.conf),
        "",
        options,
    )


def reply_message(
    app: Any, hostname: str, reply: Any, to: ReplyAddress, ticket: str | None
) -> Outgoing:
    """Build the message of one worker's reply; it does not outlive who waits for it."""
    return _message(
        app,
        reply_body(hostname, reply),
        reply_headers(ticket, app.clock.forward()),
        {"delivery_mode": TRANSIENT, "priority": 0, "expiration": str(REPLY_LIFETIME_MS)},
        ExchangeSpec(to.exchange, "direct", durable=False),
        to.routing_key,
        PublishOptions(retry=None, timeout_s=REPLY_TIMEOUT_S),
    )


def _message(  # noqa: PLR0917 - the parts of a message
    app: Any,
    body: Any,
    headers: Mapping[str, Any],
    properties: Mapping[str, Any],
    exchange: ExchangeSpec,
    key: str,
    options: PublishOptions,
) -> Outgoing:
    encoded = app.ports.codec.encode(body, SERIALIZER)
    return Outgoing(
        Message(
            headers=headers,
            body=encoded.body,
            content_type=encoded.content_type,
            content_encoding=encoded.content_encoding,
            properties=properties,
        ),
        exchange=exchange.name,
        routing_key=key,
        exchange_type=exchange.type,
        declare=(exchange,) if exchange.name else (),
        options=options,
    )


def decode(app: Any, message: Message) -> Any:
    """Decode a command or a reply.  Raises ``DecodeError``."""
    codec = app.ports.codec
    body = message.body
    limit: int = app.conf.taskq_max_body_bytes
    if len(body) > limit:
        raise DecodeError(f"{len(body)} bytes are more than taskq_max_body_bytes allows ({limit})")
    return codec.decode(
        body, message.content_type, message.content_encoding, codec.accepted(ACCEPT)
    )


def read_command_message(app: Any, message: Message) -> Command:
    """Read a command.  Raises ``DecodeError``."""
    return read_command(decode(app, message))
