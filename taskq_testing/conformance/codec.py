"""What every Codec must do: values to bytes and back, and never more than was allowed.

A test class inherits ``CodecSuite`` and gives a fixture ``codec``.
"""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final

import pytest

from taskq.errors import ContentDisallowed, DecodeError, EncodeError
from taskq.ports import Codec

# Each with the content type that goes into messages, and what it can carry.
SERIALIZERS: Final = {
    "json": ("application/json", "utf-8"),
    "pickle": ("application/x-python-serialize", "binary"),
    "yaml": ("application/x-yaml", "utf-8"),
    "msgpack": ("application/x-msgpack", "binary"),
}
COMPRESSIONS: Final = {
    "gzip": "application/x-gzip",
    "zlib": "application/x-gzip",
    "bzip2": "application/x-bz2",
    "bzip": "application/x-bz2",
    "lzma": "application/x-lzma",
    "xz": "application/x-lzma",
    "brotli": "application/x-brotli",
    "zstd": "application/zstd",
    "zstandard": "application/zstd",
}
PLAIN: Final = [
    [2, 3],
    {"text": "ä€😀", "none": None, "yes": True, "half": 0.5, "nested": [{"a": [1, [2]]}]},
    {"callbacks": None, "errbacks": None, "chain": None, "chord": None},
]
# What json carries beyond JSON, as kombu does it.
MARKED: Final = {
    "datetime": datetime(2030, 1, 2, 3, 4, 5, 678, UTC),
    "date": date(2030, 1, 2),
    "time": time(3, 4, 5),
    "uuid": uuid.UUID(int=7),
    "decimal": Decimal("1.10"),
    "text bytes": b"abc",
    "other bytes": b"\xff\x00",
}
SIZE_BYTES: Final = 1_000_000


class Unknown:
    """What no serializer but pickle has ever heard of."""


class CodecSuite:
    """Inherit, and give a fixture ``codec``."""

    @pytest.mark.parametrize("name", SERIALIZERS)
    def test_plain_values_come_back(self, codec: Codec, name: str) -> None:
        """Whatever JSON can say goes through every serializer."""
        encoded = codec.encode(PLAIN, name)

        assert (encoded.content_type, encoded.content_encoding) == SERIALIZERS[name]
        assert isinstance(encoded.body, bytes)
        assert decoded(codec, encoded, name) == PLAIN

    @pytest.mark.parametrize("kind", MARKED)
    def test_json_carries_common_types(self, codec: Codec, kind: str) -> None:
        """Times, ids, decimals and bytes keep their type."""
        back = decoded(codec, codec.encode([MARKED[kind]], "json"), "json")[0]

        assert back == MARKED[kind]
        assert type(back) is type(MARKED[kind])

    def test_json_is_written_as_the_reference_writes_it(self, codec: Codec) -> None:
        """Byte for byte: spaces after colons and commas, text in ASCII."""
        body = codec.encode([[2, "ä"], {"at": MARKED["date"]}], "json").body

        assert body == (
            rb'[[2, "\u00e4"], {"at": {"__type__": "date", "__value__": "2030-01-02"}}]'
        )

    @pytest.mark.parametrize("name", ["json", "yaml", "msgpack"])
    def test_what_cannot_be_encoded_is_refused(self, codec: Codec, name: str) -> None:
        """With one error, whatever the library raises."""
        with pytest.raises(EncodeError, match=name):
            codec.encode([Unknown()], name)

    def test_a_value_that_contains_itself_is_refused(self, codec: Codec) -> None:
        """And does not take the process along."""
        circle: list[Any] = []
        circle.append(circle)
        with pytest.raises(EncodeError):
            codec.encode(circle, "json")

    def test_an_unknown_serializer_is_refused_with_a_suggestion(self, codec: Codec) -> None:
        """A near miss is named."""
        with pytest.raises(EncodeError, match="did you mean 'json'"):
            codec.encode(1, "jsno")

    @pytest.mark.parametrize("name", SERIALIZERS)
    def test_what_is_not_accepted_is_not_looked_at(self, codec: Codec, name: str) -> None:
        """The type decides, before a byte of the body does."""
        content_type, content_encoding = SERIALIZERS[name]
        accept = codec.accepted([other for other in SERIALIZERS if other != name])
        with pytest.raises(ContentDisallowed, match=content_type):
            codec.decode(b"\x80garbage", content_type, content_encoding, accept)

    def test_nothing_is_accepted_by_default(self, codec: Codec) -> None:
        """An empty set is no permission."""
        with pytest.raises(ContentDisallowed):
            codec.decode(b"[]", "application/json", "utf-8", frozenset())

    @pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"__type__": "x", "__value__": 1}'])
    def test_bytes_that_mean_nothing_are_refused(self, codec: Codec, body: bytes) -> None:
        """With one error, whatever the library raises."""
        with pytest.raises(DecodeError, match="application/json"):
            codec.decode(body, "application/json", "utf-8", codec.accepted(["json"]))

    def test_text_and_bytes_pass_as_they_are(self, codec: Codec) -> None:
        """Content that no serializer owns is text by its encoding, or bytes."""
        assert codec.decode("ä".encode(), "application/text", "utf-8", frozenset()) == "ä"
        assert codec.decode(b"\xff", "application/data", "binary", frozenset()) == b"\xff"

    def test_accepted_knows_names_and_content_types(self, codec: Codec) -> None:
        """As ``accept_content`` mixes them."""
        accepted = codec.accepted(["json", "application/x-yaml"])

        assert accepted == {"application/json", "application/x-yaml"}

    def test_accepting_an_unknown_name_is_an_error(self, codec: Codec) -> None:
        """It is said when the setting is read, not when a message is refused."""
        with pytest.raises(EncodeError, match="msgpack"):
            codec.accepted(["msgpak"])

    @pytest.mark.parametrize("method", COMPRESSIONS)
    def test_what_is_compressed_comes_back(self, codec: Codec, method: str) -> None:
        """By the short name and by the content type."""
        body = b"taskq" * 1000
        compressed, content_type = codec.compress(body, method)

        assert content_type == COMPRESSIONS[method]
        assert len(compressed) < len(body)
        assert codec.decompress(compressed, content_type, len(body)) == body
        assert codec.decompress(compressed, method, len(body)) == body

    @pytest.mark.parametrize("method", COMPRESSIONS)
    def test_decompression_stops_at_the_limit(self, codec: Codec, method: str) -> None:
        """A small body cannot become a large one."""
        compressed, _ = codec.compress(bytes(SIZE_BYTES), method)
        with pytest.raises(DecodeError, match="more than"):
            codec.decompress(compressed, method, SIZE_BYTES - 1)

    @pytest.mark.parametrize("method", COMPRESSIONS)
    def test_what_was_cut_off_is_refused(self, codec: Codec, method: str) -> None:
        """Half a body is none."""
        compressed, _ = codec.compress(bytes(range(256)) * 40, method)
        with pytest.raises(DecodeError):
            codec.decompress(compressed[: len(compressed) // 2], method, SIZE_BYTES)

    def test_an_unknown_compression_is_refused_with_a_suggestion(self, codec: Codec) -> None:
        """On both sides."""
        with pytest.raises(EncodeError, match="did you mean 'gzip'"):
            codec.compress(b"x", "gzpi")
        with pytest.raises(DecodeError, match="did you mean 'gzip'"):
            codec.decompress(b"x", "gzpi", 10)


def decoded(codec: Codec, encoded: Any, name: str) -> Any:
    """Read it back, accepting this serializer only."""
    return codec.decode(
        encoded.body, encoded.content_type, encoded.content_encoding, codec.accepted([name])
    )
