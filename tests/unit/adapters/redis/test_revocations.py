"""What was revoked is remembered, for workers that are not there yet."""

from __future__ import annotations

from typing import Any

from taskq.adapters.broker import redis_revocations
from taskq.ports import KeepsRevocations, Revocation
from tests.unit.adapters.redis.conftest import Bench


def soon(bench: Bench, by_s: float = 60.0) -> float:
    seconds, _ = bench.client.time()
    return float(seconds + by_s)


def test_what_was_revoked_is_told_to_who_asks(bench: Bench) -> None:
    """By task or by stamps, with the time until which it holds."""
    broker, until_s = bench.broker(), soon(bench) + 0.25
    assert isinstance(broker, KeepsRevocations)
    given = [
        Revocation(until_s, "t1"),
        Revocation(until_s + 1, "", {"customer": ["a", "b"], "job": "x"}),
    ]
    broker.revoke(given)

    assert sorted(bench.broker().revocations(), key=lambda one: one.until_s) == given


def test_what_is_over_is_forgotten(bench: Bench) -> None:
    """It is not told, and goes with the next that is written."""
    broker = bench.broker()
    broker.revoke([Revocation(soon(bench, -1), "over"), Revocation(soon(bench), "t1")])
    bench.client.zadd("taskq.revoked", {"old": 1})
    told = [one.task_id for one in broker.revocations()]
    broker.revoke([Revocation(soon(bench), "t2")])

    assert told == ["t1"]
    assert bench.client.zcard("taskq.revoked") == 2


def test_the_last_word_counts(bench: Bench) -> None:
    """Revoked twice is revoked once, until the moment that was said last."""
    broker, last_s = bench.broker(), soon(bench, 70)
    for until_s in (soon(bench, 50), soon(bench, 100), last_s):
        broker.revoke([Revocation(until_s, "t", {"b": 1, "a": 2})])

    assert broker.revocations() == [Revocation(last_s, "t", {"a": 2, "b": 1})]


def test_there_is_a_limit(bench: Bench, monkeypatch: Any) -> None:
    """Of too many, those go whose time is over first."""
    monkeypatch.setattr(redis_revocations, "MOST", 3)
    broker = bench.broker()
    broker.revoke([Revocation(soon(bench, 50 + number), str(number)) for number in range(5)])

    assert sorted(one.task_id for one in broker.revocations()) == ["2", "3", "4"]


def test_what_somebody_else_wrote_is_passed_over(bench: Bench) -> None:
    """It revokes nothing, and hides nothing."""
    broker = bench.broker()
    broker.revoke([Revocation(soon(bench), "t")])
    odd = [b"", b"[]", b"\xff", b'{"headers": 3}', b"[" * 5000]
    bench.client.zadd("taskq.revoked", dict.fromkeys(odd, soon(bench)))

    assert [one.task_id for one in broker.revocations()] == ["t"]
