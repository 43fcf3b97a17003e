"""A publish ends within its time, and tells the truth about what the broker has."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import kombu.exceptions
import pytest

from taskq import errors
from taskq.ports import QueueSpec, RetryPolicy
from taskq_testing.servers import RabbitMQServer, free_ports
from tests.real.amqp.conftest import Words

TIMEOUT_S = 1.0
# Beyond its time a call may take what a slow machine needs to notice.
GRACE_S = 0.5


class BlackHole:
    """Takes connections and never answers."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._taken: list[socket.socket] = []
        self.url = f"amqp://guest:secret@127.0.0.1:{self._server.getsockname()[1]}//"
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        try:
            while True:
                self._taken.append(self._server.accept()[0])
        except OSError:  # closed
            return

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for taken in self._taken:
            taken.close()


@pytest.fixture
def black_hole() -> Iterator[BlackHole]:
    hole = BlackHole()
    yield hole
    hole.close()


def failing_publish(words: Words, broker: Any, **options: Any) -> tuple[Exception, float]:
    """Publish within a second; returns the error and how long it took."""
    start = time.monotonic()
    with pytest.raises(errors.OperationalError) as caught:
        broker.publish([words.message(timeout_s=TIMEOUT_S, **options)])
    return caught.value, time.monotonic() - start


@pytest.mark.parametrize("retry", [None, RetryPolicy(), RetryPolicy(max_retries=None)])
@pytest.mark.parametrize("state", ["refused", "black hole", "wrong password", "wrong vhost"])
def test_a_publish_is_bounded_in_every_state_of_the_broker(
    words: Words, black_hole: BlackHole, state: str, retry: RetryPolicy | None
) -> None:
    """The first call, and the ones after it."""
    (closed,) = free_ports(1)
    host = words.url.partition("@")[2]
    broker = words.broker(
        {
            "refused": f"amqp://guest:secret@127.0.0.1:{closed}//",
            "black hole": black_hole.url,
            "wrong password": f"amqp://guest:secret@{host}",
            "wrong vhost": f"amqp://guest:guest@{host}-nowhere",
        }[state]
    )
    for _ in range(3):
        error, took_s = failing_publish(words, broker, retry=retry)

        assert took_s < TIMEOUT_S + GRACE_S
        assert isinstance(error, kombu.exceptions.OperationalError)
        line = str(error)
        assert "\n" not in line
        assert "secret" not in line
        assert "guest:**@" in line


def test_the_hundredth_call_is_as_quick_as_the_first(words: Words) -> None:
    """Nothing piles up while the broker is away."""
    (closed,) = free_ports(1)
    broker = words.broker(f"amqp://127.0.0.1:{closed}//")
    took_s = [failing_publish(words, broker, retry=None)[1] for _ in range(100)]

    assert max(took_s) < GRACE_S


def test_what_was_said_wrong_is_named(words: Words) -> None:
    """Each state has its own advice."""
    host = words.url.partition("@")[2]
    refused, _ = failing_publish(words, words.broker(f"amqp://guest:no@{host}"))
    nowhere, _ = failing_publish(words, words.broker(f"amqp://guest:guest@{host}-nowhere"))

    assert "ACCESS_REFUSED" in str(refused)
    assert "check user, password" in str(refused)
    assert "check the virtual host" in str(nowhere)


def test_a_paused_broker_does_not_confirm(rabbitmq_server_of_its_own: RabbitMQServer) -> None:
    """A connection that is open, to a broker that stopped answering, is no exception."""
    server = rabbitmq_server_of_its_own
    words = Words(server.url)
    broker = words.broker()
    broker.publish([words.message()])
    server.pause()
    try:
        error, took_s = failing_publish(words, broker)
        assert took_s < TIMEOUT_S + GRACE_S
        assert "not confirmed" in str(error)
        error, took_s = failing_publish(words, broker)
        assert took_s < TIMEOUT_S + GRACE_S
    finally:
        server.resume()
    broker.publish([words.message(timeout_s=10.0)])
    words.close()


def test_a_broker_in_alarm_is_named(rabbitmq_server_of_its_own: RabbitMQServer) -> None:
    """RabbitMQ without memory takes no messages: the error says so, and nothing was accepted."""
    server = rabbitmq_server_of_its_own
    words = Words(server.url)
    broker = words.broker()
    broker.declare([words.queue()])
    broker.publish([words.message()])
    server.control("set_vm_memory_high_watermark", "0.0001")
    error, took_s = failing_publish(words, broker)
    assert took_s < TIMEOUT_S + GRACE_S
    assert "takes no messages for now" in str(error)

    server.control("set_vm_memory_high_watermark", "0.8")
    broker.publish([words.message("after", timeout_s=10.0)])
    words.close()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_restarted_broker_is_found_again(
    rabbitmq_server_of_its_own: RabbitMQServer, how: str
) -> None:
    """Pooled connections that died meanwhile are replaced without an error."""
    server = rabbitmq_server_of_its_own
    words = Words(server.url)
    broker = words.broker()
    broker.publish([words.message("before")])
    getattr(server, how)()
    error, _ = failing_publish(words, broker)
    assert "is the broker running" in str(error)
    server.start()
    broker.publish([words.message("after", retry=None)])

    assert broker.length("q") == 2
    words.close()


def test_the_next_url_is_tried(words: Words) -> None:
    """A list of URLs is a failover list."""
    (closed,) = free_ports(1)
    broker = words.broker([f"amqp://127.0.0.1:{closed}//", words.url])
    broker.publish([words.message(retry=None)])

    assert words.broker().length("q") == 1


def test_a_deleted_queue_is_declared_again(words: Words) -> None:
    """A message for a queue that is gone is not dropped."""
    broker = words.broker()
    broker.publish([words.message("a")])
    with words.broker().connection() as connection:
        connection.default_channel.queue_delete("q")
    broker.publish([words.message("b"), words.message("c")])

    assert broker.length("q") == 2


def test_a_full_queue_refuses(words: Words) -> None:
    """What the broker nacks raises."""
    full = words.queue("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    broker = words.broker()
    broker.declare([full])
    message = replace(words.message(queue="full"), declare=(full,))
    broker.publish([message])
    with pytest.raises(errors.OperationalError, match="refused 1 message"):
        broker.publish([message])


def test_a_queue_declared_otherwise_is_named(words: Words) -> None:
    """Two programs that disagree about a queue are told what to do."""
    words.broker().declare([words.queue()])
    with pytest.raises(errors.OperationalError, match="declare it the same way") as caught:
        words.broker().declare([words.queue(max_priority=5)])

    assert "x-max-priority" in str(caught.value)


def test_a_missing_exchange_is_named(words: Words) -> None:
    """A message without a way is an error, not silence."""
    message = replace(words.message(retry=None), exchange="nowhere", declare=())
    with pytest.raises(errors.OperationalError, match="no exchange 'nowhere'"):
        words.broker().publish([message])


def test_a_message_that_is_too_large_is_an_error(
    rabbitmq_server_of_its_own: RabbitMQServer,
) -> None:
    """The broker closes the channel over it; the call does not return as if it had gone."""
    server = rabbitmq_server_of_its_own
    server.control("eval", "application:set_env(rabbit, max_message_size, 1000).")
    words = Words(server.url)
    broker = words.broker()
    with pytest.raises(errors.OperationalError, match=r"larger than.*send less"):
        broker.publish([words.message("x" * 2000, retry=None)])
    words.close()


def test_a_full_pool_says_so(words: Words) -> None:
    """A thread that gets no connection within its time is told which limit it met."""
    broker = words.broker(pool_limit=1)
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with broker._writer.borrowed("holding"):
            held.set()
            go.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    try:
        error, took_s = failing_publish(words, broker)
    finally:
        go.set()
        thread.join()

    assert "all 1 connections of the pool" in str(error)
    assert took_s < TIMEOUT_S + GRACE_S


def test_a_fork_has_connections_of_its_own(words: Words) -> None:
    """Parent and child go on publishing, and neither disturbs the other."""
    broker = words.broker()
    broker.publish([words.message("parent")])
    child = os.fork()
    if child == 0:
        code = 1
        try:
            broker.publish([words.message(f"child {at}") for at in range(10)])
            broker.close()
            code = 0
        finally:
            os._exit(code)
    broker.publish([words.message("meanwhile")])
    _, status = os.waitpid(child, 0)
    broker.publish([words.message("after")])

    assert status == 0
    assert broker.length("q") == 13


def test_a_users_producer_is_used(words: Words) -> None:
    """``link`` in the options carries the message; properties are the same."""
    broker = words.broker()
    broker.declare([words.queue()])
    with broker.connection() as connection:
        producer = connection.Producer()
        message = words.message("x", link=producer)
        message = replace(
            message,
            message=replace(
                message.message,
                properties={"delivery_mode": 2, "expiration": "60000", "correlation_id": "c"},
            ),
        )
        broker.publish([message])
    intake = broker.consume([words.queue()], "w")
    [delivery] = words.take(intake, 1)
    intake.close()

    assert delivery.message.body == b"x"
    assert dict(delivery.message.properties) == {
        "delivery_mode": 2, "expiration": "60000", "correlation_id": "c", "priority": 0,
    }  # fmt: skip


def test_properties_travel_as_the_reference_sends_them(words: Words) -> None:
    """What another AMQP client sees: priority 0 is written, text stays text."""
    broker = words.broker()
    queue = QueueSpec("q", words.queue().exchange, "q")
    broker.publish([replace(words.message("x"), declare=(queue,))])
    with broker.connection() as connection:
        seen = connection.default_channel.basic_get("q", no_ack=True)

    assert seen.properties["priority"] == 0
    assert seen.properties["delivery_mode"] == 2
    assert seen.properties["content_type"] == "application/json"
    assert seen.properties["content_encoding"] == "utf-8"
    assert seen.body in {"x", b"x"}
