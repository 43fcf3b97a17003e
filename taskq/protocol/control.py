"""Remote control: commands to workers and their replies, as dictionaries and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from taskq.errors import DecodeError

__all__ = [
    "Command",
    "ReplyAddress",
    "command_body",
    "command_headers",
    "read_command",
    "read_reply",
    "reply_body",
    "reply_headers",
]


@dataclass(frozen=True, slots=True)
class ReplyAddress:
    """Where the replies to a command go."""

    exchange: str
    routing_key: str


@dataclass(frozen=True, slots=True)
class Command:
    """One command, to one, some or all workers."""

    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    destination: Sequence[str] | None = None  # node names; None: everybody
    pattern: str | None = None  # of node names
    matcher: str | None = None  # how the pattern is meant: glob or pcre
    ticket: str | None = None  # given where a reply is wanted
    reply_to: ReplyAddress | None = None


def command_body(command: Command) -> dict[str, Any]:
    """Build the body of a command."""
    body: dict[str, Any] = {
        "method": command.method,
        "arguments": dict(command.arguments),
        "destination": None if command.destination is None else list(command.destination),
        "pattern": command.pattern,
        "matcher": command.matcher,
    }
    if command.reply_to is not None:
        body["ticket"] = command.ticket
        body["reply_to"] = {
            "exchange": command.reply_to.exchange,
            "routing_key": command.reply_to.routing_key,
        }
    return body


def command_headers(clock: int, expires: float | None) -> dict[str, Any]:
    """Build its headers: the sender's logical clock, and the POSIX time at which it is void."""
    return {"clock": clock} if expires is None else {"clock": clock, "expires": expires}


def read_command(body: Any) -> Command:
    """Read the body of a command."""
    if not isinstance(body, Mapping) or not isinstance(body.get("method"), str):
        raise DecodeError(f"not a command, it has no 'method': {type(body).__name__}")
    return Command(
        method=body["method"],
        arguments=_read(body, "arguments", Mapping) or {},
        destination=_read(body, "destination", (list, tuple)),
        pattern=_read(body, "pattern", str),
        matcher=_read(body, "matcher", str),
        ticket=_read(body, "ticket", str),
        reply_to=_address(_read(body, "reply_to", Mapping)),
    )


def _read(body: Mapping[str, Any], name: str, kind: Any) -> Any:
    value = body.get(name)
    if value is not None and not isinstance(value, kind):
        raise DecodeError(f"not a command, its {name!r} is of the type {type(value).__name__}")
    return value


def _address(reply_to: Mapping[str, Any] | None) -> ReplyAddress | None:
    if not reply_to:
        return None
    exchange, key = (_read(reply_to, name, str) for name in ("exchange", "routing_key"))
    if key is None:
        raise DecodeError("not a command, its 'reply_to' names no routing key")
    return ReplyAddress(exchange or "", key)


def reply_body(node: str, reply: Any) -> dict[str, Any]:
    """Build the body of one worker's reply."""
    return {node: reply}


def reply_headers(ticket: str | None, clock: int) -> dict[str, Any]:
    """Build its headers."""
    return {"ticket": ticket, "clock": clock}


def read_reply(body: Any) -> dict[str, Any]:
    """Read a reply: node name to what it says."""
    if not isinstance(body, Mapping):
        raise DecodeError(f"not a reply of a worker: {type(body).__name__}")
    return dict(body)
