"""Secrets are hidden: under telling names, in URLs, in depth."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.conf.censor import DEPTH_LIMIT, STARS, censor, sanitize_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:hush@localhost/0", "redis://:**@localhost/0"),
        ("amqp://user:hush@host//", "amqp://user:**@host//"),
        ("amqp://user@host//", "amqp://user@host//"),
        ("amqp://u:hu@sh/x@host//", "amqp://u:**@host//"),
        ("redis://:hu?sh@host/0", "redis://:**@host/0"),
        ("amqp://a:hush@h1//;amqp://b:hush@h2//", "amqp://a:**@h1//;amqp://b:**@h2//"),
        ("mongodb://u:hush@h1,h2/db?x=a@b", "mongodb://u:**@h1,h2/db?x=a@b"),
        ("redis://h/0?password=hush&db=1", "redis://h/0?password=**&db=1"),
        ("https://h/p?api_key=hush", "https://h/p?api_key=**"),
        ("lost redis://:hush@h: refused", "lost redis://:**@h: refused"),
        ("['amqp://u:hush@h//', 'amqp://u:hush@i//']", "['amqp://u:**@h//', 'amqp://u:**@i//']"),
        ("redis://:hu@?sh@host/0", "redis://:**@host/0"),
        ("redis://:hu@sh?a@host/0", "redis://:**@host/0"),
        ("redis://:hush@/0?a=b", "redis://:**@/0?a=b"),
        ("http://h/p?mail=a@b", "http://h/p?mail=a@b"),
        ("http://h?at=a:b@c", "http://h?at=a:b@c"),
        ("no url: a:b@c", "no url: a:b@c"),
        ("://", "://"),
        (b"redis://:hush@h", "redis://:**@h"),
        (None, "None"),
    ],
)
def test_a_password_in_a_url_is_masked(url: str, shown: str) -> None:
    """The password goes, and everything else of the URL stays."""
    assert sanitize_url(url) == shown


@given(
    scheme=st.sampled_from(["redis", "amqp", "db+postgresql", "sentinel"]),
    user=st.text(st.characters(categories=["L", "N"]), max_size=5),
    hush=st.text(st.characters(categories=["L", "N", "P"], exclude_characters="<>"), min_size=1),
)
def test_no_password_leaks_whatever_it_is(scheme: str, user: str, hush: str) -> None:
    """Whatever stands between the user and the host is not shown."""
    shown = sanitize_url(f"{scheme}://{user}:{hush}@host.example:1/0")

    assert shown == f"{scheme}://{user}:**@host.example:1/0"


@pytest.mark.parametrize(
    "name", ["my_api", "TOKEN", "security_key", "aws_secret", "passwd", "signature", "database_url"]
)
def test_a_value_under_a_telling_name_is_starred(name: str) -> None:
    """Nothing of a value is shown whose name says that it is a secret."""
    assert censor(name, "hush") == censor(name, {"a": "hush"}) == STARS


def test_secrets_are_found_in_depth() -> None:
    """Lists, tuples, sets, mappings and bytes are looked into."""
    value = {
        "servers": [{"password": "hush"}, "redis://:hush@h"],
        "pair": ("amqp://u:hush@h//",),
        "several": {"amqp://u:hush@h//"},
        "raw": b"redis://:hush@h",
        "plain": b"bytes",
        "number": 5,
    }

    shown = censor("broker", value)

    assert "hush" not in repr(shown)
    assert shown["number"] == 5
    assert shown["plain"] == b"bytes"


def test_what_is_not_given_is_shown_as_not_given() -> None:
    """A secret that is not set is no secret."""
    assert censor("redis_password", None) is None
    assert censor("use_token", False) is False


def test_a_value_that_is_too_deep_is_hidden_as_a_whole() -> None:
    """Beyond the limit of depth nothing is shown."""
    deep: object = "redis://:hush@h"
    for _ in range(DEPTH_LIMIT + 5):
        deep = [deep]

    assert "hush" not in repr(censor("x", deep))
    assert STARS in repr(censor("x", deep))


def test_a_record_stays_the_object_that_it_is() -> None:
    """A named tuple is not taken apart."""

    class Point(NamedTuple):
        x: int

    assert censor("point", Point(1)) == Point(1)
