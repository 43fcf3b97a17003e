"""Commands to workers, as messages that nobody answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from taskq.ports import ExchangeSpec, Message, Outgoing, PublishOptions
from taskq.protocol.control import Command, command_body, command_headers
from taskq.protocol.message import PERSISTENT

__all__ = ["command_message", "revoke", "revoke_by_stamps"]

# The signal that ``terminate=True`` means, by its name as users write it.
TERMINATE_SIGNAL: Final = "SIGTERM"


def command_message(app: Any, command: Command, link: Any = None) -> Outgoing:
    """Build the message of a command."""
    ports, conf = app.ports, app.conf
    encoded = ports.codec.encode(command_body(command), "json")
    lifetime_s = conf.control_queue_ttl
    expires = None if lifetime_s is None else ports.clock.read().wall_s + lifetime_s
    exchange = ExchangeSpec(f"{conf.control_exchange}.pidbox", "fanout", durable=False)
    return Outgoing(
        Message(
            headers=command_headers(app.clock.forward(), expires),
            body=encoded.body,
            content_type=encoded.content_type,
            content_encoding=encoded.content_encoding,
            properties={"delivery_mode": PERSISTENT, "priority": 0},
        ),
        exchange=exchange.name,
        routing_key="",
        exchange_type=exchange.type,
        declare=(exchange,),
        options=PublishOptions(timeout_s=conf.taskq_publish_timeout_s, link=link),
    )


def _send(app: Any, command: Command, link: Any) -> None:
    app.ports.broker.publish([command_message(app, command, link)])


def revoke(
    app: Any,
    task_id: str | Sequence[str],
    terminate: bool = False,
    signal: str | None = None,
    link: Any = None,
) -> None:
    """Ask all workers not to run a task."""
    arguments = {
        "task_id": task_id,
        "terminate": terminate,
        "signal": signal or TERMINATE_SIGNAL,
    }
    _send(app, Command("revoke", arguments), link)


def revoke_by_stamps(
    app: Any,
    headers: Mapping[str, Any],
    terminate: bool = False,
    signal: str | None = None,
    link: Any = None,
) -> None:
    """Ask all workers not to run tasks with some stamps."""
    arguments = {
        "headers": dict(headers),
        "terminate": terminate,
        "signal": signal or TERMINATE_SIGNAL,
    }
    _send(app, Command("revoke_by_stamped_headers", arguments), link)
