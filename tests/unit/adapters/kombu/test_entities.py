"""Queues of users and of taskq are the same queues."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from kombu.common import Broadcast
from kombu.entity import Exchange, Queue

from taskq.adapters.broker.kombu_entities import from_queue, is_quorum, to_entity, to_queue
from taskq.ports import ExchangeSpec, QueueSpec

SPEC = QueueSpec(
    "q",
    ExchangeSpec("x", "topic", durable=False, auto_delete=True, arguments={"alternate": "y"}),
    "a.#",
    durable=False,
    exclusive=True,
    auto_delete=True,
    expires_s=60.0,
    message_ttl_s=30.0,
    max_priority=9,
    arguments={"x-queue-type": "quorum"},
    no_ack=True,
)


def test_a_queue_survives_the_way_there_and_back() -> None:
    """Every field of a specification is in kombu's queue, and the reverse."""
    back = from_queue(to_queue(SPEC))

    assert back == SPEC
    assert isinstance(back.native, Queue)


def test_all_bindings_are_made() -> None:
    """Its own one, and the further ones."""
    further = (ExchangeSpec("z"), "k")
    made: Any = to_queue(replace(SPEC, bindings=(further,)))

    assert {(one.exchange.name, one.routing_key) for one in made.bindings} == {
        ("x", "a.#"),
        ("z", "k"),
    }


def test_a_users_queue_is_declared_as_it_is() -> None:
    """It may say what a specification has no field for."""
    own = Queue("q", Exchange("x"), "k", max_length=5, consumer_arguments={"x-priority": 3})

    assert to_queue(from_queue(own)) is own


def test_a_users_queue_without_an_exchange_gets_one() -> None:
    """It is bound where the app says; the user's own object is not changed."""
    own = Queue("q", max_length=5)
    spec = QueueSpec("q", ExchangeSpec("celery"), "celery", native=own)
    made: Any = to_queue(spec)

    assert (made.exchange.name, made.routing_key, made.max_length) == ("celery", "celery", 5)
    assert own.exchange.name == ""


def test_a_broadcast_queue_stays_one() -> None:
    """Its exchange is a fan-out of its own."""
    own = Broadcast("news", queue="news-1")

    assert to_queue(from_queue(own)) is own


def test_exchanges_are_entities_too() -> None:
    """Both can be declared."""
    made: Any = to_entity(SPEC.exchange)

    assert (made.name, made.type, made.durable) == ("x", "topic", False)


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        from_queue(Queue("q", queue_arguments={"x-queue-type": "quorum"})),
    ],
)
def test_quorum_queues_are_known(spec: QueueSpec) -> None:
    """Whoever described them."""
    assert is_quorum(spec)
    assert not is_quorum(QueueSpec("q", ExchangeSpec("x"), "k"))
