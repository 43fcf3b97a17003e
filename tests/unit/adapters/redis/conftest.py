"""A Redis in this process, and what speaks to it."""

from __future__ import annotations

import json
from typing import Any

import fakeredis
import pytest
import redis as redis_py

from taskq.adapters.broker.redis import RedisBroker
from taskq.adapters.broker.redis_intake import RedisIntake
from taskq.adapters.randomness import SystemRandomness
from taskq.adapters.results.redis import RedisStore
from taskq.ports import (
    ExchangeSpec,
    Message,
    Outgoing,
    Place,
    QueueSpec,
    Reading,
    ResultRecord,
    Settlement,
    Verdict,
)

URL = "redis://fake:6379/0"


class HandClock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0
        self.slept: list[float] = []

    def read(self) -> Reading:
        return Reading(self.now_s, self.now_s)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


class Bench:
    """One fake server, and brokers, intakes and stores on it."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.server = fakeredis.FakeServer(version=(7,))
        self.client = self.make_client()
        self.intakes: list[RedisIntake] = []

    def make_client(self) -> Any:
        return fakeredis.FakeRedis(server=self.server)

    def broker(self, url: str = URL, **options: Any) -> RedisBroker:
        return RedisBroker(
            url,
            clock=self.clock,
            randomness=SystemRandomness(),
            place=Place("here", 1),
            client_factory=self.make_client,
            **options,
        )

    def store(self, url: str = URL, **options: Any) -> RedisStore:
        return RedisStore(url, clock=self.clock, client_factory=self.make_client, **options)

    def intake(self, *names: str, node: str = "w1", prefetch: int = 0, **options: Any) -> Any:
        queues = [self.queue(name) for name in names or ("q",)]
        intake = self.broker(**options).consume(queues, node)
        intake.set_prefetch(prefetch)
        self.intakes.append(intake)
        return intake

    def queue(self, name: str, **options: Any) -> QueueSpec:
        return QueueSpec(name, ExchangeSpec(name), name, **options)

    def send(self, *ids: str, queue: str = "q", **properties: Any) -> None:
        self.broker().publish([self.outgoing(one, queue, **properties) for one in ids])

    def outgoing(self, one: str, queue: str = "q", **properties: Any) -> Outgoing:
        message = Message({"id": one}, b"[]", "application/json", "utf-8", properties)
        return Outgoing(message, "", queue)

    def pass_deadline(self, node: str) -> None:
        """Let the lease of a worker be over."""
        for token in self.client.zrange("taskq.workers", 0, -1):
            if token.startswith(f"{node}.".encode()):
                self.client.zadd("taskq.workers", {token: 1})


@pytest.fixture
def bench() -> Bench:
    return Bench()


def ids(deliveries: Any) -> list[str]:
    return [one.message.headers["id"] for one in deliveries]


def ack(tag: int) -> Settlement:
    return Settlement(tag, Verdict.ACK)


def done(task_id: str = "t", state: str = "SUCCESS") -> ResultRecord:
    return ResultRecord(task_id, state, json.dumps({"status": state}).encode(), expires_s=60)


class Interrupted:
    """Loses the reply of one command, after the server has carried it out.

    ``after``: only of a command that has this word among its arguments.
    """

    def __init__(self, intake: Any, after: str | None = None) -> None:
        self._kind = type(intake._link)
        self._send, self._answer = self._kind.send, self._kind.answer
        self._after, self._armed = after, after is None

    def __enter__(self) -> None:
        def send(link: Any, *command: Any) -> None:
            self._armed = self._armed or self._after in command
            self._send(link, *command)

        def answer(link: Any) -> Any:
            reply = self._answer(link)
            if not self._armed:
                return reply
            raise redis_py.ConnectionError("cut")

        self._kind.send, self._kind.answer = send, answer

    def __exit__(self, *_: object) -> None:
        self._kind.send, self._kind.answer = self._send, self._answer
