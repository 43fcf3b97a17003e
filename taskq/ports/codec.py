"""Values as bytes; and all that an application stands on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from taskq.ports.broker import Broker
from taskq.ports.results import ResultStore
from taskq.ports.time import Clock, Place, Randomness


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value as bytes, and how to read them."""

    body: bytes
    content_type: str
    content_encoding: str


class Codec(Protocol):
    """Values to bytes and back, by serializer name or content type."""

    def encode(self, value: Any, serializer: str) -> Encoded:
        """``serializer`` is a name or a content type.  Raises ``EncodeError``."""

    def decode(
        self, body: bytes, content_type: str, content_encoding: str, accept: frozenset[str]
    ) -> Any:
        """Raises ``ContentDisallowed`` before a byte is looked at, else ``DecodeError``."""

    def accepted(self, names: Sequence[str]) -> frozenset[str]:
        """Content types for a list of serializer names and content types."""

    def compress(self, body: bytes, method: str) -> tuple[bytes, str]:
        """Returns the bytes, and the content type of the method for the header."""

    def decompress(self, body: bytes, method: str, limit_bytes: int) -> bytes:
        """Raises ``DecodeError``, also when there would be more bytes than allowed."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What an application stands on."""

    clock: Clock
    randomness: Randomness
    place: Place
    codec: Codec
    broker: Broker
    store: ResultStore
