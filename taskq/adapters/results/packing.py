"""Compresses what a store of keys and values keeps, as Celery does under ``result_compression``.

What is compressed says so itself: Celery's mark, the content type of the method, and then the
bytes.  So a reader needs no setting, and what older programs wrote stays readable.
"""

from __future__ import annotations

from typing import Final

from taskq.adapters.broker.serializers import KombuCodec
from taskq.ports import Codec

MARK: Final = b"\0celery-compressed\0"
# What one stored result may become when it is expanded.
MOST_BYTES: Final = 256 * 1024 * 1024


class Packing:
    """How one store packs; without a method it only unpacks."""

    def __init__(
        self,
        method: str | None = None,
        codec: Codec | None = None,
        limit_bytes: int | None = None,
    ) -> None:
        self.method = method or None
        self._codec = codec or KombuCodec()
        self._limit_bytes = limit_bytes or MOST_BYTES
        if self.method is not None:
            self._codec.compress(b"", self.method)  # an unknown method is refused here

    def pack(self, payload: bytes) -> bytes:
        """Return what is kept."""
        if self.method is None:
            return payload
        packed, content_type = self._codec.compress(payload, self.method)
        return b"".join((MARK, content_type.encode(), b"\0", packed))

    def unpack(self, kept: bytes) -> bytes:
        """Return what was stored; raises ``DecodeError`` where that cannot be read."""
        if not kept.startswith(MARK):
            return kept
        content_type, _, packed = kept[len(MARK) :].partition(b"\0")
        return self._codec.decompress(packed, content_type.decode("latin-1"), self._limit_bytes)
