"""Messages of kombu's transports as records that travel on.

What kombu does to a message on its way is undone: it decompresses bodies, without a limit, before
anybody could refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from taskq.ports import Message

COMPRESSION: Final = "compression"  # header
REDELIVERED: Final = "redelivered"  # a header that kombu's Redis adds to what it puts back

# Properties of a message that have a field of their own, or are the transport's own business.
OWN_FIELDS: Final = frozenset(
    {
        "content_type",
        "content_encoding",
        "application_headers",
        "delivery_info",
        "delivery_tag",
        "body_encoding",
    }
)


def amqp_message(message: Any) -> Message:
    """Make the record of a message of py-amqp's."""
    properties = message.properties
    return Message(
        properties.get("application_headers") or {},
        message.body or b"",
        properties.get("content_type") or "",
        properties.get("content_encoding") or "",
        _others(properties),
    )


def virtual_message(message: Any) -> Message:
    """Make the record of a message of an emulated transport's."""
    body, headers = message.body, dict(message.headers or {})
    if (message.delivery_info or {}).get(REDELIVERED):
        headers.pop(REDELIVERED, None)
    return Message(
        headers,
        body.encode() if isinstance(body, str) else bytes(body or b""),
        message.content_type or "",
        message.content_encoding or "",
        _others(message.properties or {}),
    )


def _others(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in properties.items()
        if name not in OWN_FIELDS and value is not None
    }


def undecoded(base: Any) -> Any:
    """Make a message class that leaves a compressed body as it came."""

    class UndecodedMessage(base):  # type: ignore[misc]  # which class depends on the transport
        """A message as it travels."""

        def __init__(self, payload: Any, channel: Any = None, **kwargs: Any) -> None:
            headers = payload.get("headers") or {}
            plain = {name: value for name, value in headers.items() if name != COMPRESSION}
            super().__init__({**payload, "headers": plain}, channel, **kwargs)
            self.headers = headers
            self.again = bool(payload.get("redelivered"))

        def serializable(self) -> Any:
            """Go back into the queue with all headers."""
            return {**super().serializable(), "headers": dict(self.headers)}

    return UndecodedMessage
