"""Turns a delivery of protocol 1 into one of protocol 2; nothing after it knows the old one.

Called by a driver for a delivery whose headers name no task, right after it was received; only
such a one has its body decoded in the parent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from taskq.errors import TaskqError
from taskq.ports import Codec, Delivery, Malformed
from taskq.protocol.message import upgrade_v1

# The body is encoded again as it came, since json cannot carry what pickle can.
SERIALIZERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "application/json": "json",
        "application/x-python-serialize": "pickle",
        "application/x-yaml": "yaml",
        "application/x-msgpack": "msgpack",
    }
)


def upgrade(
    delivery: Delivery, codec: Codec, accept: frozenset[str], limit_bytes: int
) -> Delivery | Malformed:
    """Return the delivery as protocol 2, or as malformed if it is a task in no protocol."""
    message = delivery.message
    body, compression = message.body, message.headers.get("compression")
    try:
        if compression:
            body = codec.decompress(body, compression, limit_bytes)
        value = codec.decode(body, message.content_type, message.content_encoding, accept)
        headers, parts = upgrade_v1(value)
        encoded = codec.encode(parts, SERIALIZERS.get(message.content_type, "json"))
    except TaskqError as error:
        return Malformed(delivery.tag, delivery.queue, message.body, str(error))
    upgraded = replace(
        message,
        headers=headers,
        body=encoded.body,
        content_type=encoded.content_type,
        content_encoding=encoded.content_encoding,
    )
    return replace(delivery, message=upgraded)
