"""The client's end of remote control: it sends a command, and collects what is answered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from taskq.app.control.messages import (
    ACCEPT,
    SERIALIZER,
    command_exchange,
    command_message,
    command_queue,
    decode,
    reply_exchange,
    reply_queue,
)
from taskq.errors import DecodeError
from taskq.ports import ExchangeSpec, Inbox, Message, QueueSpec
from taskq.protocol.control import Command, ReplyAddress, read_reply

__all__ = ["Mailbox"]

logger: Final = logging.getLogger("taskq.control")

# What a client collects at most: a fleet is not larger, a loop of replies might be.
MOST_REPLIES: Final = 100_000


class Mailbox:
    """Names and places of remote control, for one app; Celery's users reach it as they know it."""

    type: Final = "fanout"
    serializer: Final = SERIALIZER
    accept: Final = ACCEPT

    def __init__(self, app: Any) -> None:
        self._app = app

    # -- names ------------------------------------------------------------------------------------

    @property
    def namespace(self) -> str:
        """What stands in front of all names."""
        name: str = self._app.conf.control_exchange
        return name

    @property
    def clock(self) -> Any:
        """The logical clock of the app."""
        return self._app.clock

    @property
    def exchange(self) -> ExchangeSpec:
        """Where commands go."""
        return command_exchange(self._app.conf)

    @property
    def reply_exchange(self) -> ExchangeSpec:
        """Where replies go."""
        return reply_exchange(self._app.conf)

    @property
    def oid(self) -> str:
        """The id under which this thread is known to workers."""
        oid: str = self._app.thread_oid
        return oid

    @property
    def reply_queue(self) -> QueueSpec:
        """A queue for replies to this thread."""
        return self.get_reply_queue()

    @property
    def queue_ttl(self) -> float | None:
        """How many seconds a command may wait at a worker."""
        seconds: float | None = self._app.conf.control_queue_ttl
        return seconds

    @property
    def queue_expires(self) -> float | None:
        """After how many seconds an unused queue goes."""
        seconds: float | None = self._app.conf.control_queue_expires
        return seconds

    def get_queue(self, hostname: str) -> QueueSpec:
        """Return what the worker of a name listens to."""
        return command_queue(self._app.conf, hostname)

    def get_reply_queue(self) -> QueueSpec:
        """Return a queue for replies to this thread."""
        return reply_queue(self._app.conf, self.oid)

    # -- sending and asking -----------------------------------------------------------------------

    def send(self, command: Command, *, lifetime_s: float | None, link: Any = None) -> None:
        """Hand a command over; nobody answers."""
        message = command_message(self._app, command, lifetime_s=lifetime_s, link=link)
        self._app.ports.broker.publish([message])

    def ask(
        self,
        command: Command,
        *,
        timeout_s: float,
        lifetime_s: float | None,
        limit: int | None = None,
        callback: Callable[[dict[str, Any]], object] | None = None,
        link: Any = None,
    ) -> list[dict[str, Any]]:
        """Send a command and return the replies that come in time; no more than the limit."""
        ports = self._app.ports
        # An address of its own for each question: what comes too late belongs to nobody.
        address = reply_queue(self._app.conf, ports.randomness.uuid())
        ticket = ports.randomness.uuid()
        asked = Command(
            command.method,
            command.arguments,
            command.destination,
            command.pattern,
            command.matcher,
            ticket,
            ReplyAddress(address.exchange.name, address.routing_key),
        )
        inbox = ports.broker.listen(address)
        try:
            self.send(asked, lifetime_s=lifetime_s, link=link)
            return self._collect(inbox, ticket, timeout_s, limit or MOST_REPLIES, callback)
        finally:
            inbox.close()

    def _collect(
        self,
        inbox: Inbox,
        ticket: str,
        timeout_s: float,
        limit: int,
        callback: Callable[[dict[str, Any]], object] | None,
    ) -> list[dict[str, Any]]:
        clock = self._app.ports.clock
        until_s = clock.read().elapsed_s + timeout_s
        replies: list[dict[str, Any]] = []
        while len(replies) < limit:
            for reply in self._replies(inbox.receive(), ticket):
                replies.append(reply)
                if callback is not None:
                    callback(reply)
            left_s = until_s - clock.read().elapsed_s
            if left_s <= 0 or len(replies) >= limit:
                break
            inbox.wait(left_s)
        return replies[:limit]

    def _replies(self, messages: Sequence[Message], ticket: str) -> list[dict[str, Any]]:
        replies: list[dict[str, Any]] = []
        for message in messages:
            self._hear_clock(message)
            if message.headers.get("ticket", ticket) != ticket:
                continue
            try:
                replies.append(read_reply(decode(self._app, message)))
            except DecodeError as error:
                logger.warning("Dropped a reply that cannot be read: %s", error)
        return replies

    def _hear_clock(self, message: Message) -> None:
        heard = message.headers.get("clock")
        if type(heard) is int:
            self._app.clock.adjust(heard)
