"""A broker on a real RabbitMQ, and the words of these tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

import pytest

from taskq.adapters.broker.kombu import KombuBroker
from taskq.adapters.broker.kombu_rabbit import RabbitBroker
from taskq.adapters.clock import SystemClock
from taskq.adapters.randomness import SystemRandomness
from taskq.ports import (
    Delivery,
    ExchangeSpec,
    Intake,
    Message,
    Outgoing,
    Place,
    PublishOptions,
    QueueSpec,
)
from taskq_testing.server_fixtures import started
from taskq_testing.servers import RabbitMQServer

PATIENCE_S = 15.0

Kind = TypeVar("Kind", bound=KombuBroker)


class Words:
    """What the tests say."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._brokers: list[KombuBroker] = []

    def broker(self, url: str | Sequence[str] | None = None, **options: Any) -> KombuBroker:
        return self._made(KombuBroker, url, options)

    def rabbit(self, url: str | Sequence[str] | None = None, **options: Any) -> RabbitBroker:
        return self._made(RabbitBroker, url, options)

    def _made(
        self, kind: type[Kind], url: str | Sequence[str] | None, options: dict[str, Any]
    ) -> Kind:
        broker = kind(
            url or self.url,
            clock=SystemClock(),
            randomness=SystemRandomness(),
            place=Place("tests", 1),
            **options,
        )
        self._brokers.append(broker)
        return broker

    @staticmethod
    def queue(name: str = "q", **options: Any) -> QueueSpec:
        return QueueSpec(name, ExchangeSpec(name), name, **options)

    @staticmethod
    def message(body: str = "x", queue: str = "q", **options: Any) -> Outgoing:
        return Outgoing(
            Message(
                {"id": body[:40]},
                body.encode(),
                "application/json",
                "utf-8",
                {"delivery_mode": 2},
            ),
            queue,
            queue,
            declare=(Words.queue(queue),),
            options=PublishOptions(**options),
        )

    @staticmethod
    def take(intake: Intake, count: int) -> list[Delivery]:
        taken: list[Delivery] = []

        def received() -> bool:
            taken.extend(one for one in intake.receive() if isinstance(one, Delivery))
            return len(taken) >= count

        wait_until(received, f"{count} deliveries")
        return taken

    def close(self) -> None:
        for broker in self._brokers:
            broker.close()


def wait_until(there: Callable[[], bool], what: str) -> None:
    """Look again and again, for a while."""
    deadline = time.monotonic() + PATIENCE_S
    while not there():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def private_rabbitmq(request: pytest.FixtureRequest) -> Iterator[RabbitMQServer]:
    """These tests look into the server, and want a vhost each: a given one will not do."""
    if request.config.getoption("--taskq-amqp-url"):
        yield from cast("Iterator[RabbitMQServer]", started(RabbitMQServer))
    else:
        yield request.getfixturevalue("rabbitmq_server")


@pytest.fixture
def words(private_rabbitmq: RabbitMQServer) -> Iterator[Words]:
    words = Words(private_rabbitmq.new_vhost())
    yield words
    words.close()
