"""A real Redis, and what speaks to it."""

from __future__ import annotations

import selectors
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import redis as redis_py

from taskq.adapters.broker.redis import RedisBroker
from taskq.adapters.broker.redis_intake import RedisIntake
from taskq.adapters.clock import SystemClock
from taskq.adapters.randomness import SystemRandomness
from taskq.adapters.results.redis import RedisStore
from taskq.ports import ExchangeSpec, Message, Outgoing, Place, QueueSpec

# What a test has made; closed at its end.
MADE: list[RedisBroker | RedisStore] = []


def make_broker(url: str, **options: Any) -> RedisBroker:
    made = RedisBroker(
        url,
        clock=SystemClock(),
        randomness=SystemRandomness(),
        place=Place("here", 1),
        **options,
    )
    MADE.append(made)
    return made


def make_store(url: str, **options: Any) -> RedisStore:
    made = RedisStore(url, clock=SystemClock(), **options)
    MADE.append(made)
    return made


@pytest.fixture(autouse=True)
def _close_all() -> Iterator[None]:
    yield
    while MADE:
        MADE.pop().close()


def queue(name: str = "q", **options: Any) -> QueueSpec:
    return QueueSpec(name, ExchangeSpec(name), name, **options)


def outgoing(one: str, to: str = "q", **properties: Any) -> Outgoing:
    message = Message({"id": one}, b"[]", "application/json", "utf-8", properties)
    return Outgoing(message, "", to)


def ids(deliveries: Sequence[Any]) -> list[str]:
    return [one.message.headers["id"] for one in deliveries]


def wait_readable(intake: RedisIntake, seconds: float) -> bool:
    """Wait as a worker waits: for its descriptors, no longer than it says."""
    with selectors.DefaultSelector() as selector:
        for fd in intake.watched:
            selector.register(fd, selectors.EVENT_READ)
        return bool(selector.select(seconds))


def receive_within(intake: RedisIntake, seconds: float, count: int = 1) -> list[Any]:
    """Take until there are so many, waiting as a worker waits."""
    got: list[Any] = []
    deadline = time.monotonic() + seconds
    while len(got) < count and time.monotonic() < deadline:
        some = intake.receive()
        got += some
        if not some:
            wait_readable(intake, min(0.2, deadline - time.monotonic()))
    return got


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    with redis_py.Redis.from_url(redis_url) as made:
        yield made


@pytest.fixture
def broker(redis_url: str) -> RedisBroker:
    return make_broker(redis_url)
