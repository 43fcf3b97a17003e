"""Listening on emulated transports: within one process, or refused where it cannot be."""

from __future__ import annotations

import itertools

import pytest
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.memory import Channel as MemoryChannel
from kombu.transport.memory import Transport as MemoryTransport

from taskq import errors
from taskq.adapters.broker.kombu import KombuBroker
from taskq.adapters.broker.kombu_inbox import NoBroadcastError, VirtualInbox
from taskq.adapters.clock import SystemClock
from taskq.adapters.randomness import SystemRandomness
from taskq.ports import ExchangeSpec, Message, Outgoing, Place, QueueSpec

NUMBERS = itertools.count()
PIDBOX = ExchangeSpec("unit.pidbox", "fanout", durable=False)


def box() -> QueueSpec:
    name = f"w{next(NUMBERS)}@h.unit.pidbox"
    return QueueSpec(name, PIDBOX, "", durable=False, auto_delete=True, exclusive=True)


def command(text: str) -> Outgoing:
    message = Message({"clock": 1}, text.encode(), "application/json", "utf-8")
    return Outgoing(message, PIDBOX.name, "", "fanout", declare=(PIDBOX,))


def test_who_closes_leaves_no_queue_and_no_binding(broker: KombuBroker) -> None:
    """A thousand listeners come and go, and what is said later fills nothing."""
    before = set(MemoryChannel.queues)
    for _ in range(1000):
        broker.listen(box()).close()
    broker.publish([command("ping")])

    assert set(MemoryChannel.queues) == before


def test_what_is_no_message_is_dropped_and_said(
    broker: KombuBroker, caplog: pytest.LogCaptureFixture
) -> None:
    """The listener goes on."""
    queue = box()
    inbox = broker.listen(queue)
    for raw in ({"nonsense": 1}, "text", {"body": "!", "properties": {}}):
        MemoryChannel.queues[queue.name].put(raw)
    broker.publish([command("ping")])
    heard = inbox.receive()
    inbox.close()

    assert [message.body for message in heard] == [b"ping"]
    assert caplog.text.count(f"Dropped what came to {queue.name}") == 3


def test_a_listener_without_a_connection_says_so(broker: KombuBroker) -> None:
    """After it was closed; it can listen again."""
    inbox = broker.listen(box())
    inbox.close()
    with pytest.raises(errors.BrokerLostError, match="there is no connection"):
        inbox.receive()
    inbox.reconnect()
    broker.publish([command("ping")])

    assert [message.body for message in inbox.receive()] == [b"ping"]
    assert isinstance(inbox, VirtualInbox)
    inbox.close()


class NarrowChannel(MemoryChannel):
    """One that cannot send a message to many."""

    supports_fanout = False


class NarrowTransport(MemoryTransport):
    """As those of databases and of some clouds."""

    Channel = NarrowChannel


@pytest.mark.parametrize("kind", ["fanout", "topic"])
def test_a_transport_that_reaches_one_at_a_time_refuses(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """So that a worker on it says once that it takes no commands, and works."""
    monkeypatch.setitem(TRANSPORT_ALIASES, "narrow", f"{__name__}:NarrowTransport")
    broker = KombuBroker(
        "narrow://", clock=SystemClock(), randomness=SystemRandomness(), place=Place("h", 1)
    )
    queue = QueueSpec("box", ExchangeSpec("celery.pidbox", kind), "")
    with pytest.raises(NoBroadcastError, match=r"'celery\.pidbox' cannot be listened to"):
        broker.listen(queue)
    broker.close()
