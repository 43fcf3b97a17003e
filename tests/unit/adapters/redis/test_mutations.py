"""Ten thousand messages that something has bitten: each costs one dead letter, or is a message."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from taskq.adapters.broker.redis_wire import delivery_of, envelope, renewed, returned
from taskq.adapters.broker.redis_wire import read_envelope as read
from taskq.ports import Delivery, Malformed, Message, Settlement, Verdict
from tests.unit.adapters.redis.conftest import Bench, ack

GOOD = envelope(
    Message(
        {
            "lang": "py", "task": "tests.add", "id": "1", "root_id": "1", "parent_id": None,
            "eta": "2030-01-01T00:00:00+00:00", "expires": None, "retries": 0,
            "timelimit": [None, 3.5], "argsrepr": "(1, 'ä')", "stamps": {"a": ["b"]},
        },
        b"[[2, 3], {}, {}]",
        "application/json",
        "utf-8",
        {"correlation_id": "1", "reply_to": "r", "priority": 3},
    ),
    "ex", "key", "tag",
).encode()  # fmt: skip

# What stands where something else belongs.
ODD: tuple[Any, ...] = (
    None, True, -1, 10**30, 1e308, float("nan"), "", "\ud800", "\0", "=", "a", [], {}, [[]],
    {"__type__": "uuid", "__value__": "x"}, {"__type__": "datetime", "__value__": 3},
    {"__type__": "bytes", "__value__": "é"}, "x" * 5000,
)  # fmt: skip


def bite_bytes(chance: random.Random) -> bytes:
    """Change, cut out or put in some bytes."""
    raw = bytearray(GOOD)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(raw))
        raw[at : at + chance.randrange(4)] = bytes(
            chance.randrange(256) for _ in range(chance.randrange(4))
        )
    return bytes(raw)


def cut(chance: random.Random) -> bytes:
    """End too early, or begin too late."""
    at = chance.randrange(len(GOOD))
    return chance.choice([GOOD[:at], GOOD[at:], GOOD[:at] + GOOD, GOOD * 2])


def replace_value(chance: random.Random) -> bytes:
    """Put something odd at one place, or leave something out."""
    parsed = json.loads(GOOD)
    where = chance.choice([parsed, parsed["headers"], parsed["properties"]])
    name = chance.choice(list(where))
    if chance.random() < 0.2:
        del where[name]
    else:
        where[name] = chance.choice(ODD)
    return json.dumps(parsed).encode()


def bad_body(chance: random.Random) -> bytes:
    """Say base64 of what is none."""
    parsed = json.loads(GOOD)
    letters = [chance.choice("Az=\n é-_") for _ in range(chance.randrange(9))]
    parsed["body"] = "".join(letters)
    return json.dumps(parsed, ensure_ascii=False).encode()


def nested(chance: random.Random) -> bytes:
    """Deeper than any library goes, or not quite."""
    parsed = json.loads(GOOD)
    parsed["headers"]["deep"] = "HERE"
    depth = chance.choice([400, 900, 5000, 50_000])
    return json.dumps(parsed).encode().replace(b'"HERE"', b"[" * depth + b"]" * depth)


def doubled_keys(chance: random.Random) -> bytes:
    """Name things twice; the second may be anything."""
    odd = json.dumps(chance.choice(ODD)).encode()
    name = chance.choice([b"headers", b"properties", b"body", b"content-type"])
    return GOOD[:-1] + b', "' + name + b'": ' + odd + b"}"


def other_text(chance: random.Random) -> bytes:
    """Use another encoding, or none."""
    text = GOOD.decode()
    return chance.choice(
        [
            text.encode("utf-16"),
            text.encode("utf-32"),
            b"\xef\xbb\xbf" + GOOD,
            base64.b64encode(GOOD),
            GOOD.replace(b"tests", b"\xff\xfe"),
            GOOD.replace(b"tests", b"\\ud83d"),
            GOOD.replace(b"tests", b"\\uD83D\\uDE00"),
            b"",
            b"{}",
            b"NaN",
        ]
    )


BITES: tuple[Callable[[random.Random], bytes], ...] = (
    bite_bytes, cut, replace_value, bad_body, nested, doubled_keys, other_text,
)  # fmt: skip


def mutations(count: int) -> Iterator[bytes]:
    chance = random.Random(20)
    for number in range(count):
        yield BITES[number % len(BITES)](chance)


def test_every_mutation_is_a_message_or_says_why_not() -> None:
    """And what is a message can be given back, and written anew."""
    kinds = {Delivery: 0, Malformed: 0}
    for raw in mutations(10_000):
        got = delivery_of(7, raw, "q")
        kinds[type(got)] += 1
        if isinstance(got, Malformed):
            assert (got.tag, got.queue, got.raw) == (7, "q", raw)
            assert got.reason
            assert "\n" not in got.reason
            continue
        assert isinstance(got.message.content_type, str)
        assert isinstance(got.message.content_encoding, str)
        assert isinstance(got.attempts, int)
        for text in (returned(read(raw), counted=True), renewed(read(raw))):
            again = delivery_of(7, text.encode(), "q")
            assert isinstance(again, Delivery)
            assert again.message.body == got.message.body

    assert min(kinds.values()) > 1000


def test_mutations_cost_dead_letters_and_nothing_else(bench: Bench) -> None:
    """Among good messages, through a worker's end: the good ones come, the bad ones are kept."""
    for number, raw in enumerate(mutations(2000)):
        bench.client.lpush("q", raw)
        if number % 4 == 0:
            bench.send(f"good-{number}")
    intake = bench.intake(prefetch=200)
    came: list[Any] = []
    refused = 0
    while got := intake.receive():
        bad = [one for one in got if isinstance(one, Malformed)]
        refused += len(bad)
        came += [one.message.headers.get("id") for one in got if isinstance(one, Delivery)]
        intake.settle(
            [
                Settlement(one.tag, Verdict.REJECT, one.reason) if one in bad else ack(one.tag)
                for one in got
            ]
        )

    assert {f"good-{number}" for number in range(0, 2000, 4)} <= {str(one) for one in came}
    assert len(came) + refused == 2500
    assert refused == bench.broker().dead_letter_count() > 500
    assert all(letter.reason for letter in bench.broker().dead_letters(3000))


@pytest.mark.parametrize("verdict", [Verdict.REQUEUE, Verdict.REJECT, Verdict.PARK])
def test_any_verdict_can_be_said_on_any_mutation(bench: Bench, verdict: Verdict) -> None:
    """What goes back goes back as something that can be read the same way again."""
    for raw in mutations(700):
        bench.client.lpush("q", raw)
    intake = bench.intake()
    got = intake.receive()
    intake.settle([Settlement(one.tag, verdict, "why", bench.clock.now_s + 60) for one in got])
    intake.close()
    broker = bench.broker()
    places: dict[Verdict, Callable[[], int]] = {
        Verdict.REQUEUE: lambda: bench.client.llen("q"),
        Verdict.REJECT: lambda: len(broker.dead_letters(1000)),
        Verdict.PARK: lambda: bench.client.zcard("taskq.parked.q"),
    }

    assert len(got) == 700
    assert places[verdict]() == 700


def test_fifty_megabytes_of_nothing_are_one_dead_letter(bench: Bench) -> None:
    """However large it is."""
    raw = b"\x00\xff" * 25_000_000
    bench.client.lpush("q", raw)
    bench.send("1")
    intake = bench.intake()
    bad, good = intake.receive()
    assert isinstance(bad, Malformed)
    intake.settle([Settlement(bad.tag, Verdict.REJECT, bad.reason), ack(good.tag)])

    [letter] = bench.broker().dead_letters(5)
    assert letter.raw == raw
