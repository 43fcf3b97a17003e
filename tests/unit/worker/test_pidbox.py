"""A ``Pidbox`` on a connection in memory, and a consumer that does at once what is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from taskq import TaskQ
from taskq.app.control.state import State
from taskq.worker.pidbox import Pidbox


@pytest.fixture
def app() -> Iterator[TaskQ]:
    made = TaskQ("boxed", broker="memory://", set_as_current=False)
    yield made
    made.close()


@pytest.fixture
def consumer(app: TaskQ) -> Iterator[Any]:
    state = State(app, "me@here", None, None, None, print, app.ports.clock.read())  # type: ignore[arg-type]
    with app.connection_for_read() as connection:
        yield SimpleNamespace(
            app=app,
            hostname="me@here",
            connection=connection,
            call_soon=lambda fun, *args: fun(*args),
            controller=SimpleNamespace(command_state=state, ask=print),
        )


def replies_to_ping(app: TaskQ, consumer: Any, box: Pidbox) -> list[str]:
    """Send a ping as kombu's clients do, and say which methods the box heard of it."""
    heard: list[str] = []
    box.on_message = lambda body, message: heard.append(body["method"])  # type: ignore[method-assign]
    box.start(consumer)
    box.node.mailbox(consumer.connection)._broadcast("ping", {})
    consumer.connection.drain_events(timeout=5)
    return heard


def test_a_box_hears_what_is_broadcast(app: TaskQ, consumer: Any) -> None:
    """It stands on kombu's queues, so each client that workers understand is understood."""
    assert replies_to_ping(app, consumer, Pidbox(consumer)) == ["ping"]


def test_a_box_that_was_stopped_can_be_started_again(app: TaskQ, consumer: Any) -> None:
    """``stop`` tells a subclass, and lets go of the channel; ``reset`` is both."""
    stops: list[str] = []
    box = Pidbox(consumer)
    box.on_stop = lambda: stops.append("stop")  # type: ignore[method-assign]
    box.start(consumer)

    box.reset()
    assert box.consumer is not None
    box.shutdown(consumer)

    assert (stops, box.consumer, box.node.channel) == (["stop", "stop"], None, None)


def test_a_box_without_a_connection_says_where_to_start_it(consumer: Any) -> None:
    """The connection is there while a program has steps of the consumer."""
    consumer.connection = None

    with pytest.raises(RuntimeError, match="step of the consumer"):
        Pidbox(consumer).start(consumer)
