"""What Celery programs touch of kombu on an app."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kombu.connection import Connection
from kombu.entity import Exchange, Queue

from taskq.adapters.broker.surface import KombuSurface
from taskq.app.queues import Queues

CONF: dict[str, Any] = {
    "task_create_missing_queues": True,
    "task_create_missing_queue_type": "classic",
    "task_create_missing_queue_exchange_type": None,
    "task_queue_max_priority": None,
    "task_default_queue": "celery",
    "task_default_exchange": None,
    "task_default_exchange_type": "direct",
    "task_default_routing_key": None,
    "task_default_queue_type": "classic",
    "task_queues": [Queue("own"), Queue("full", Exchange("x", "topic"), "a.#")],
    "broker_user": None,
    "broker_password": None,
    "broker_vhost": None,
    "broker_port": None,
    "broker_use_ssl": False,
    "broker_login_method": None,
    "broker_failover_strategy": None,
    "broker_transport_options": {"one": 1},
    "broker_connection_timeout": 4,
    "broker_pool_limit": 2,
}


@pytest.fixture
def surface() -> KombuSurface:
    conf = SimpleNamespace(**CONF)
    return KombuSurface(
        conf, Queues(conf), write_urls=["memory://"], read_urls=["amqp://u:p@h:1/v", "amqp://i//"]
    )


def test_queues_are_kombus(surface: KombuSurface) -> None:
    """By name, with the app's exchange where they name none."""
    queues: Any = surface.amqp.queues

    assert list(queues) == ["own", "full"]
    assert queues["own"].exchange.name == "celery"
    assert (queues["full"].exchange.type, queues["full"].routing_key) == ("topic", "a.#")
    assert isinstance(surface.amqp.default_queue, Queue)
    assert surface.amqp.default_exchange.name == "celery"
    assert "nobody" not in queues


def test_queues_are_added_and_selected(surface: KombuSurface) -> None:
    """A change here is a change of the app."""
    queues: Any = surface.amqp.queues
    queues.add(Queue("third", Exchange("y"), "k"))
    queues.add("fourth", routing_key="r")
    queues.select(["own", "third", "fourth"])
    queues.deselect(["own"])
    queues.select_add("fifth")

    assert sorted(queues.consume_from) == ["fifth", "fourth", "third"]
    assert queues["fourth"].routing_key == "r"


def test_connections_know_the_settings(surface: KombuSurface) -> None:
    """Where to read, where to write, and what a call says otherwise."""
    read, write = surface.connection_for_read(), surface.connection_for_write()
    own = surface.connection("amqp://me@there//", heartbeat=5, transport_options={"two": 2})

    assert (read.hostname, read.alt) == ("h", ["amqp://u:p@h:1/v", "amqp://i//"])
    assert write.transport.driver_type == "memory"
    assert (own.hostname, own.userid, own.heartbeat) == ("there", "me", 5)
    assert own.transport_options == {"one": 1, "two": 2}


def test_pools_lend_and_take_back(surface: KombuSurface) -> None:
    """One producer after the other, never more than the limit."""
    for _ in range(5):
        with surface.default_producer() as producer, surface.default_connection() as connection:
            producer.publish({"a": 1}, routing_key="surface", exchange="")
            assert isinstance(connection, Connection)
    with surface.amqp.producer_pool.acquire() as producer:
        assert producer.channel.queue_purge("surface") == 5
    surface.close()


def test_what_is_given_is_lent(surface: KombuSurface) -> None:
    """Nothing is taken from a pool for who brings their own."""
    with Connection("memory://") as own:
        producer = own.Producer()
        with surface.producer_or_acquire(producer) as lent:
            assert lent is producer
        with surface.connection_or_acquire(own) as lent:
            assert lent is own
    with surface.connection_or_acquire(pool=False) as made:
        assert isinstance(made, Connection)
