"""Decompresses what kombu's methods compressed, and never more than the limit allows.

Called by ``serializers.KombuCodec``.  kombu's own decompressors expand a body as a whole, so that
a few kilobytes can become gigabytes before anybody counts; these stop one byte past the limit.
Methods that users registered with kombu have no stream: their output is measured afterwards.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

from kombu import compression

Decompress = Callable[[bytes, int], bytes]

# What to install for the methods that kombu only knows if a library is there.
OPTIONAL: Final[Mapping[str, str]] = MappingProxyType(
    {
        "brotli": "brotli",
        "application/x-brotli": "brotli",
        "zstd": "zstd",
        "zstandard": "zstd",
        "application/zstd": "zstd",
    }
)


class TooLargeError(ValueError):
    """There would be more bytes than allowed."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        return f"it expands to more than {self.limit_bytes} bytes"


class _Stream(Protocol):
    """What bz2, lzma and zstd have in common."""

    @property
    def eof(self) -> bool:
        """Whether the end of the frame was seen."""

    @property
    def unused_data(self) -> bytes:
        """What follows the frame."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return no more than this."""


def expand(body: bytes, content_type: str, limit_bytes: int) -> bytes:
    """Decompress; raises whatever the library raises, or ``TooLargeError``."""
    decompress = _BOUNDED.get(content_type)
    if decompress is not None:
        return decompress(body, limit_bytes)
    expanded: bytes = compression.get_decoder(content_type)(body)
    if len(expanded) > limit_bytes:
        raise TooLargeError(limit_bytes)
    return expanded


def resolve(method: str) -> str | None:
    """Return the content type of a method, or None where kombu does not know it."""
    try:
        _, content_type = compression.get_encoder(method)
    except KeyError:
        return None
    return str(content_type)


def _zlib(body: bytes, limit_bytes: int) -> bytes:
    stream = zlib.decompressobj()
    expanded = stream.decompress(body, limit_bytes + 1)
    if len(expanded) > limit_bytes:
        raise TooLargeError(limit_bytes)
    if not stream.eof:
        raise EOFError("its end is missing")
    return expanded


def _frames(make: Callable[[], _Stream]) -> Decompress:
    """Make a decompressor for a format in which frames may follow each other."""

    def decompress(body: bytes, limit_bytes: int) -> bytes:
        parts: list[bytes] = []
        room = limit_bytes + 1
        while body:
            stream = make()
            part = stream.decompress(body, room)
            parts.append(part)
            room -= len(part)
            if room <= 0:
                raise TooLargeError(limit_bytes)
            if not stream.eof:
                raise EOFError("its end is missing")
            body = stream.unused_data
        return b"".join(parts)

    return decompress


def _brotli(library: Any) -> Decompress:
    def decompress(body: bytes, limit_bytes: int) -> bytes:
        stream = library.Decompressor()
        # The limit is where its buffer stops growing, so it may overshoot by one buffer.
        expanded: bytes = stream.process(body, output_buffer_limit=limit_bytes + 1)
        if len(expanded) > limit_bytes:
            raise TooLargeError(limit_bytes)
        if not stream.is_finished():
            raise EOFError("its end is missing")
        return expanded

    return decompress


_BOUNDED: Final[dict[str, Decompress]] = {
    "application/x-gzip": _zlib,
    "application/x-bz2": _frames(bz2.BZ2Decompressor),
    "application/x-lzma": _frames(lzma.LZMADecompressor),
}
# kombu has imported these two if they are there, under the names that it found them by.
if (_library := getattr(compression, "brotli", None)) is not None:
    _BOUNDED["application/x-brotli"] = _brotli(_library)
if (_library := getattr(compression, "zstd", None)) is not None:
    _BOUNDED["application/zstd"] = _frames(_library.ZstdDecompressor)
