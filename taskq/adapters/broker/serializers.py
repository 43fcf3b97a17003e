"""The Codec: values to bytes and back, on kombu's registries of serializers and compressions.

Made by ``taskq.wiring``, used by clients, workers and stores.  Whatever is registered with
``kombu.serialization.register`` or ``kombu.compression.register`` works here under its name.
A content type is refused before a byte of the body is looked at.

The errors are taskq's and kombu's at once, because programs catch either.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

import kombu.exceptions
from kombu import compression
from kombu.serialization import SKIP_DECODE, TRUSTED_CONTENT, prepare_accept_content, registry
from kombu.utils import json as kombu_json

from taskq import errors
from taskq.adapters.broker import kombu_compression
from taskq.ports import Encoded

# What to install for the serializers that kombu lists also where their library is missing.
OPTIONAL: Final = MappingProxyType(
    {
        "yaml": "yaml",
        "application/x-yaml": "yaml",
        "msgpack": "msgpack",
        "application/x-msgpack": "msgpack",
    }
)


class EncodeError(errors.EncodeError, kombu.exceptions.EncodeError):
    """A value cannot be put into a message or a store."""


class DecodeError(errors.DecodeError, kombu.exceptions.DecodeError):
    """Bytes of a message or a store cannot be read."""


class ContentDisallowed(errors.ContentDisallowed, kombu.exceptions.ContentDisallowed):
    """The content type is not in ``accept_content``."""


class UnknownMethodError(
    EncodeError, DecodeError, errors.ImproperlyConfigured, kombu.exceptions.SerializerNotInstalled
):
    """A serializer or a compression was named that is not known here."""

    def __init__(self, kind: str, name: str, known: Sequence[str], extra: str | None) -> None:
        super().__init__(kind, name, tuple(known), extra)
        self.kind, self.name, self.known, self.extra = kind, name, tuple(known), extra

    def __str__(self) -> str:
        if self.extra:
            advice = f"`pip install taskq[{self.extra}]` brings it"
        elif near := get_close_matches(str(self.name), self.known, n=1):
            advice = f"did you mean {near[0]!r}?"
        else:
            advice = f"known are {', '.join(self.known)}"
        return f"no {self.kind} is called {self.name!r}; {advice}"


# kombu's functions make an encoder and a decoder for each call; these are theirs, made once.
# What ``kombu.utils.json.register_type`` adds later is seen by both.
_encode_json: Final = kombu_json.JSONEncoder().encode
_decode_json: Final = json.JSONDecoder(object_hook=kombu_json.object_hook).decode


class KombuCodec:
    """Implements ``ports.Codec``."""

    def encode(self, value: Any, serializer: str) -> Encoded:
        """Encode with a serializer, by name or content type; raises ``EncodeError``."""
        # ``dumps`` of the registry does the same in three context managers.
        entry = registry._encoders.get(serializer)  # noqa: SLF001 - kombu is pinned to 5.7
        try:
            if entry is None:
                content_type, content_encoding, payload = self._encode_by_kombu(value, serializer)
            elif entry.encoder is kombu_json.dumps:
                content_type, content_encoding = entry.content_type, entry.content_encoding
                payload = _encode_json(value)
            else:
                content_type, content_encoding, encoder = entry
                payload = encoder(value)
            return Encoded(_to_bytes(payload, content_encoding), content_type, content_encoding)
        except UnknownMethodError:
            raise
        except Exception as error:  # a boundary: serializers are plugins, and raise anything
            raise EncodeError(f"{serializer} cannot encode it: {_told(error)}") from error

    @staticmethod
    def _encode_by_kombu(value: Any, serializer: str) -> tuple[str, str, Any]:
        if serializer == "raw":  # kombu's name for text and bytes as they are
            content_type, content_encoding, payload = registry.dumps(value, serializer)
            return content_type, content_encoding, payload
        if (name := registry.type_to_name.get(serializer)) is not None and name != "raw":
            content_type, content_encoding, encoder = registry._encoders[name]  # noqa: SLF001 - kombu is pinned to 5.7
            return content_type, content_encoding, encoder(value)
        raise _unknown_serializer(serializer)

    def decode(
        self, body: bytes, content_type: str, content_encoding: str, accept: frozenset[str]
    ) -> Any:
        """Decode what is accepted; raises ``ContentDisallowed`` or ``DecodeError``."""
        content_type = content_type or "application/data"
        if content_type not in accept and content_type not in TRUSTED_CONTENT:
            raise ContentDisallowed(content_type, sorted(accept))
        decoder = registry._decoders.get(content_type)  # noqa: SLF001 - kombu is pinned to 5.7
        try:
            if decoder is kombu_json.loads:
                return _decode_json(str(body, "utf-8"))
            if decoder is not None:
                return decoder(body)
            return _to_text(body, content_encoding)
        except Exception as error:  # a boundary: serializers are plugins, and raise anything
            raise DecodeError(
                f"{len(body)} bytes cannot be read as {content_type}: {_told(error)}"
            ) from error

    def accepted(self, names: Sequence[str]) -> frozenset[str]:
        """Content types for a list of serializer names and content types."""
        for name in names:
            if "/" not in name and name not in registry.name_to_type:
                raise _unknown_serializer(name)
        return frozenset(prepare_accept_content(names) or ())

    def compress(self, body: bytes, method: str) -> tuple[bytes, str]:
        """Compress; returns the bytes, and the content type of the method for the header."""
        if kombu_compression.resolve(method) is None:
            raise _unknown_compression(method)
        compressed, content_type = compression.compress(body, method)
        return compressed, content_type

    def decompress(self, body: bytes, method: str, limit_bytes: int) -> bytes:
        """Decompress up to a limit; raises ``DecodeError``."""
        content_type = kombu_compression.resolve(method)
        if content_type is None:
            raise _unknown_compression(method)
        try:
            return kombu_compression.expand(body, content_type, limit_bytes)
        except Exception as error:  # a boundary: each library has errors of its own
            raise DecodeError(
                f"{len(body)} bytes cannot be decompressed as {content_type}: {_told(error)}"
            ) from error


def _to_bytes(payload: Any, content_encoding: str) -> bytes:
    if isinstance(payload, str):
        return payload.encode(content_encoding if _is_text(content_encoding) else "utf-8")
    return bytes(payload)


def _to_text(body: bytes, content_encoding: str) -> str | bytes:
    encoding = content_encoding or "utf-8"
    return body.decode(encoding) if _is_text(encoding) else body


def _is_text(content_encoding: str) -> bool:
    return content_encoding.lower() not in SKIP_DECODE


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _unknown_serializer(name: str) -> UnknownMethodError:
    return UnknownMethodError("serializer", name, sorted(registry.name_to_type), OPTIONAL.get(name))


def _unknown_compression(method: str) -> UnknownMethodError:
    known = sorted({*compression._aliases, *compression.encoders()})  # noqa: SLF001 - no other way to list the short names
    return UnknownMethodError("compression", method, known, kombu_compression.OPTIONAL.get(method))
