"""One listener's end of an exchange, over kombu: on RabbitMQ, and on emulated transports.

Made by ``KombuBroker.listen``: a connection of its own, a queue of its own, nothing acknowledged.
A connection with heartbeats is looked after by ``receive`` and ``wait``; ``poll_s`` says how
often one of them has to be called.
"""

from __future__ import annotations

import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from taskq.adapters.broker.errors import BrokerGoneError
from taskq.adapters.broker.kombu_advice import explain
from taskq.adapters.broker.kombu_intake import BATCH, CONNECT_TIMEOUT_S
from taskq.adapters.broker.kombu_links import Deadline, Link, is_virtual
from taskq.adapters.broker.kombu_memory import bell_of
from taskq.adapters.broker.kombu_messages import amqp_message, undecoded, virtual_message
from taskq.adapters.broker.kombu_virtual import LONGEST_POLL_S
from taskq.ports import Clock, Inbox, Message, QueueSpec

logger: Final = logging.getLogger(__name__)

# How long a server may take to say that it has somebody who listens.
SUBSCRIBE_S: Final = 4.0
# Exchanges whose messages go to several queues.
BROADCASTS: Final = frozenset({"fanout", "topic"})


class NoBroadcastError(NotImplementedError):
    """Somebody wants to listen on a transport that cannot send one message to many."""

    def __init__(self, where: str, exchange: str) -> None:
        super().__init__(where, exchange)
        self.where, self.exchange = where, exchange

    def __str__(self) -> str:
        return (
            f"{self.where}: the exchange {self.exchange!r} cannot be listened to: this transport"
            " cannot send one message to many; remote control and events need Redis or RabbitMQ"
        )


def listening(link: Link, queue: QueueSpec, clock: Clock, checkrate: float) -> Inbox:
    """Begin to listen."""
    is_amqp = link.connection.transport.driver_name == "py-amqp"
    inbox: KombuInbox = (
        AmqpInbox(link, queue, clock, checkrate) if is_amqp else VirtualInbox(link, queue, clock)
    )
    inbox.reconnect()
    return inbox


class KombuInbox(ABC):
    """Implements ``ports.Inbox``, up to what transports do differently."""

    def __init__(self, link: Link, queue: QueueSpec, clock: Clock) -> None:
        self._link, self._queue, self._clock = link, queue, clock
        self._come: list[Message] = []

    @property
    @abstractmethod
    def watched(self) -> Sequence[int]:
        """File descriptors that become readable when ``receive`` may have something."""

    @property
    @abstractmethod
    def poll_s(self) -> float | None:
        """How often to call ``receive`` though nothing became readable; None: never."""

    @abstractmethod
    def _begin(self) -> None:
        """Declare the queue and consume from it."""

    @abstractmethod
    def _collect(self) -> None:
        """Take in what is there, without waiting."""

    @abstractmethod
    def _pause(self, left_s: float) -> None:
        """Wait for news, or for a part of the time."""

    @abstractmethod
    def _leave(self) -> None:
        """Remove the queue."""

    def receive(self) -> Sequence[Message]:
        """Return what has come since the last call."""
        with self._guarded():
            self._collect()
        come, self._come = self._come, []
        return come

    def wait(self, timeout_s: float) -> None:
        """Return when ``receive`` may have something, or the time is over."""
        deadline = Deadline(self._clock, timeout_s)
        with self._guarded():
            self._collect()
            while not self._come and not deadline.over:
                self._pause(deadline.left())
                self._collect()

    def reconnect(self) -> None:
        """Try once to listen again."""
        self._link.abandon()
        self._come.clear()
        with self._translated():
            self._link.connect(Deadline(self._clock, CONNECT_TIMEOUT_S))
            if is_virtual(self._link.channel):
                self._refuse_silence()
            self._begin()

    def _refuse_silence(self) -> None:
        exchange = self._queue.exchange
        if exchange.type in BROADCASTS and not self._link.channel.supports_fanout:
            where = self._link.where
            self._link.close()
            raise NoBroadcastError(where, exchange.name)

    def close(self) -> None:
        """Listen no longer, and leave nothing behind on the broker."""
        if self._link.channel is not None:
            # Where the connection is gone, the queue goes by its own expiry.
            with contextlib.suppress(*self._link.failures):
                self._leave()
        self._link.close()

    def _drop(self, why: str) -> None:
        logger.error("Dropped what came to %s and is no message: %s", self._queue.name, why)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        if self._link.channel is None:
            raise BrokerGoneError(self._link.where, "there is no connection")
        with self._translated():
            yield

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._link.failures as error:
            why, advice = explain(error)
            self._link.abandon()
            raise BrokerGoneError(self._link.where, why, advice) from error


class AmqpInbox(KombuInbox):
    """On RabbitMQ."""

    def __init__(self, link: Link, queue: QueueSpec, clock: Clock, checkrate: float) -> None:
        super().__init__(link, queue, clock)
        self._checkrate = checkrate

    @property
    def watched(self) -> Sequence[int]:
        """The socket."""
        sock = self._link.sock
        return () if sock is None else (sock.fileno(),)

    @property
    def poll_s(self) -> float | None:
        """As often as a heartbeat has to be sent."""
        heartbeat_s = self._link.raw.heartbeat if self._link.raw is not None else 0
        return float(heartbeat_s) / self._checkrate if heartbeat_s else None

    def _begin(self) -> None:
        self._link.declare([self._queue])
        self._link.channel.basic_consume(
            queue=self._queue.name,
            no_ack=True,
            callback=self._on_message,
            on_cancel=self._on_cancel,
        )

    def _on_cancel(self, _tag: str) -> None:
        raise ConnectionResetError(f"the queue {self._queue.name} was deleted")

    def _on_message(self, message: Any) -> None:
        why = self._link.why_spoiled()
        if why is not None:
            self._drop(why)
            return
        self._come.append(amqp_message(message))

    def _collect(self) -> None:
        self._link.pump()
        if self._link.raw.heartbeat:
            self._link.raw.heartbeat_tick(rate=self._checkrate)

    def _pause(self, left_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            self._link.wait(min(left_s, self.poll_s or left_s))

    def _leave(self) -> None:
        self._link.channel.queue_delete(self._queue.name)


class VirtualInbox(KombuInbox):
    """On an emulated transport, which has to be asked."""

    @property
    def watched(self) -> Sequence[int]:
        """None, unless the queue is in this process."""
        bell = bell_of(self._link.channel)
        return () if bell is None else (bell.fileno(),)

    @property
    def poll_s(self) -> float | None:
        """Often enough for somebody who waits for a reply."""
        return None if bell_of(self._link.channel) is not None else LONGEST_POLL_S

    def _begin(self) -> None:
        channel = self._link.channel
        if is_virtual(channel):
            channel.Message = undecoded(channel.Message)
        self._link.declare([self._queue])
        channel.basic_consume(
            queue=self._queue.name,
            no_ack=True,
            callback=self._on_message,
            consumer_tag=self._queue.name,
        )
        if getattr(channel, "active_fanout_queues", None):
            self._subscribe(channel)

    def _subscribe(self, channel: Any) -> None:
        """Have kombu's Redis listen now: it would begin when it is first asked, and miss the rest.

        The server's word that it listens is the first that comes on that connection.
        """
        self._collect()
        channel.subclient.connection.can_read(timeout=SUBSCRIBE_S)
        self._collect()

    def _on_message(self, message: Any) -> None:
        self._come.append(virtual_message(message))

    def _collect(self) -> None:
        transport = self._link.connection.transport
        for _ in range(BATCH):
            try:
                transport.drain_events(self._link.raw, timeout=0)
            except TimeoutError:
                return
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                self._drop(f"{type(error).__name__}: {error}")

    def _pause(self, left_s: float) -> None:
        bell = bell_of(self._link.channel)
        if bell is not None:
            bell.wait(left_s)
            return
        self._clock.sleep(min(left_s, LONGEST_POLL_S))

    def _leave(self) -> None:
        channel, queue = self._link.channel, self._queue
        channel.basic_cancel(queue.name)
        channel.queue_delete(queue.name)
        # kombu's tables of emulated exchanges keep queues that are only deleted.
        for exchange, key in ((queue.exchange, queue.routing_key), *queue.bindings):
            if exchange.name:
                channel.queue_unbind(queue.name, exchange.name, key)
