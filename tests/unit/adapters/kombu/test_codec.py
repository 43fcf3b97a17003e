"""The codec on kombu's registries, beyond what every codec must do."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import kombu.exceptions
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu import compression
from kombu import serialization as kombu_serialization
from kombu.utils import json as kombu_json

from taskq import errors
from taskq.adapters.broker.serializers import KombuCodec

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(values)
def test_json_is_kombus_byte_for_byte(value: object) -> None:
    """The quick way writes and reads what the slow one does."""
    codec, accept = KombuCodec(), frozenset({"application/json"})
    encoded = codec.encode(value, "json")
    content_type, content_encoding, body = kombu_serialization.dumps(value, "json")

    assert (encoded.content_type, encoded.content_encoding) == (content_type, content_encoding)
    assert encoded.body == body.encode()
    theirs = kombu_serialization.loads(encoded.body, content_type, content_encoding)
    assert codec.decode(encoded.body, content_type, content_encoding, accept) == theirs


@pytest.fixture
def reversing() -> Iterator[str]:
    """A serializer and a compression that a user has registered with kombu."""
    kombu_serialization.register(
        "reversing", lambda text: text[::-1], lambda body: body.decode()[::-1], "text/reversed"
    )
    compression.register(lambda body: body[::-1], lambda body: body[::-1], "x-back", ["back"])
    yield "reversing"
    kombu_serialization.unregister("reversing")
    compression._encoders.pop("x-back")
    compression._decoders.pop("x-back")
    compression._aliases.pop("back")


def test_a_users_serializer_works(reversing: str) -> None:
    """Under its name, and only where it is accepted."""
    codec = KombuCodec()
    encoded = codec.encode("abc", reversing)
    accept = codec.accepted([reversing])

    assert (encoded.body, encoded.content_type) == (b"cba", "text/reversed")
    assert codec.decode(encoded.body, "text/reversed", "utf-8", accept) == "abc"
    with pytest.raises(errors.ContentDisallowed):
        codec.decode(encoded.body, "text/reversed", "utf-8", frozenset())


def test_a_users_compression_works_within_the_limit(reversing: str) -> None:
    """It has no stream, so its output is measured afterwards."""
    codec = KombuCodec()
    compressed, content_type = codec.compress(b"abc", "back")

    assert (compressed, content_type) == (b"cba", "x-back")
    assert codec.decompress(compressed, "x-back", 3) == b"abc"
    with pytest.raises(errors.DecodeError, match="more than 2 bytes"):
        codec.decompress(compressed, "back", 2)


def test_a_type_registered_with_kombu_works() -> None:
    """``kombu.utils.json.register_type`` is seen by the quick way."""

    class Money:
        def __init__(self, cents: int) -> None:
            self.cents = cents

    kombu_json.register_type(Money, "money", lambda money: money.cents, Money)
    try:
        codec = KombuCodec()
        encoded = codec.encode([Money(5)], "json")
        [back] = codec.decode(
            encoded.body, "application/json", "utf-8", frozenset({"application/json"})
        )
    finally:
        kombu_json._encoders.pop(Money)
        kombu_json._decoders.pop("money")

    assert (type(back), back.cents) == (Money, 5)


def test_errors_are_taskqs_and_kombus() -> None:
    """Programs catch either."""
    codec = KombuCodec()
    for kinds, call in (
        ((errors.EncodeError, kombu.exceptions.EncodeError), lambda: codec.encode({1j}, "json")),
        (
            (errors.DecodeError, kombu.exceptions.DecodeError),
            lambda: codec.decode(b"", "application/json", "utf-8", codec.accepted(["json"])),
        ),
        (
            (errors.ContentDisallowed, kombu.exceptions.ContentDisallowed),
            lambda: codec.decode(b"", "application/x-yaml", "utf-8", frozenset()),
        ),
        (
            (errors.ImproperlyConfigured, kombu.exceptions.SerializerNotInstalled),
            lambda: codec.accepted(["nothing"]),
        ),
    ):
        with pytest.raises(kinds[0]) as caught:
            call()
        assert isinstance(caught.value, kinds[1])
        again = pickle.loads(pickle.dumps(caught.value))
        assert (type(again), str(again)) == (type(caught.value), str(caught.value))
