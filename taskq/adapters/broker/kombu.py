"""The Broker on kombu: every transport that kombu has; RabbitMQ's is in ``kombu_rabbit``.

Made by ``taskq.wiring`` from a URL.  ``kombu_courier`` brings messages there, ``kombu_amqp`` and
``kombu_virtual`` are the two ends that a worker reads from, ``kombu_inbox`` the one for listeners.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import Any, Final

from amqp.exceptions import NotFound
from kombu.connection import Connection
from kombu.transport import get_transport_cls

from taskq.adapters.broker.errors import BrokerError
from taskq.adapters.broker.kombu_amqp import AmqpIntake
from taskq.adapters.broker.kombu_courier import Courier
from taskq.adapters.broker.kombu_dead import DEFAULT_MOST, DeadLetterQueue
from taskq.adapters.broker.kombu_delay import QUORUM, Delays
from taskq.adapters.broker.kombu_errands import Errands
from taskq.adapters.broker.kombu_inbox import listening
from taskq.adapters.broker.kombu_intake import IntakeParts
from taskq.adapters.broker.kombu_links import Link
from taskq.adapters.broker.kombu_parked import ParkedBook
from taskq.adapters.broker.kombu_publish import send_by_users_link
from taskq.adapters.broker.kombu_sender import AmqpSender, PlainSender, Sender
from taskq.adapters.broker.kombu_settings import FailoverStrategy, LinkSettings
from taskq.adapters.broker.kombu_verdicts import Verdicts
from taskq.adapters.broker.kombu_virtual import VirtualIntake
from taskq.adapters.broker.kombu_ways import Ways
from taskq.ports import (
    Clock,
    Codec,
    DeadLetter,
    Inbox,
    Intake,
    Outgoing,
    Place,
    QueueSpec,
    Randomness,
)

PY_AMQP: Final = "py-amqp"
# Kinds of transports on which a topic exchange would fill lists that no monitor empties.
FANS_OUT: Final = frozenset({"redis", "gcpubsub"})
NOT_FOUND: Final = "404"


class KombuBroker:
    """Implements ``ports.Broker`` and ``ports.KeepsDeadLetters``."""

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        clock: Clock,
        randomness: Randomness,
        place: Place,
        codec: Codec | None = None,  # noqa: ARG002 - drivers are made alike; bodies stay closed here
        read_urls: str | Sequence[str] | None = None,  # where workers read from, if elsewhere
        transport_options: Mapping[str, Any] | None = None,
        ssl: Any = False,
        heartbeat: float | None = 120,
        heartbeat_checkrate: float = 3.0,
        login_method: str | None = None,
        pool_limit: int | None = 10,
        connect_timeout: float | None = 4.0,
        failover_strategy: FailoverStrategy | None = None,
        confirm_publish: bool = True,
        dead_letters_max: int = DEFAULT_MOST,
        delay_queue_type: str = QUORUM,
        # Whether a task, by its name, acknowledges late; None: any may.
        is_late: Callable[[str], bool] | None = None,
    ) -> None:
        options = dict(transport_options or {})
        common: dict[str, Any] = {
            "place": place,
            "randomness": randomness,
            "transport_options": options,
            "ssl": ssl,
            "login_method": login_method,
            "connect_timeout_s": connect_timeout or 4.0,
            "failover_strategy": failover_strategy,
        }
        self._clock, self._randomness = clock, randomness
        self._heartbeat_s, self._heartbeat_checkrate = heartbeat or 0, heartbeat_checkrate or 2
        self._is_late = is_late
        kept: dict[str, Any] = {
            "pool_limit": pool_limit,
            "confirm": bool(options.get("confirm_publish", confirm_publish)),
        }
        self._writer = Courier(LinkSettings(_split(urls), **common), clock, **kept)
        self._reader = (
            Courier(LinkSettings(_split(read_urls), **common), clock, **kept)
            if read_urls
            else self._writer
        )
        self._dead = DeadLetterQueue(self._reader, clock, dead_letters_max)
        self._delays = Delays(delay_queue_type)
        self._parked = ParkedBook()

    def without_heartbeats(self) -> KombuBroker:
        """Return one for consumers that nobody looks after, as clients that wait for replies.

        A heartbeat that is asked for and not sent makes the broker close the connection.
        """
        quiet = copy(self)
        quiet._heartbeat_s = 0  # noqa: SLF001 - of this class
        quiet._writer = self._writer.copy()  # noqa: SLF001
        return quiet

    @cached_property
    def event_exchange_type(self) -> str:
        """Return what Celery's monitors listen to on this transport."""
        transport: Any = get_transport_cls(self._writer.settings.connection().transport_cls)
        return "fanout" if transport.driver_type in FANS_OUT else "topic"

    @property
    def name(self) -> str:
        """The URL with its password starred."""
        return self._writer.place.where

    @property
    def address(self) -> str | None:
        """None: no store can join a transaction of kombu's."""
        return None

    def connection(self, *, reading: bool = False, heartbeat_s: float = 0) -> Connection:
        """Return a new connection of kombu's, for those who want to do things by themselves."""
        return (self._reader if reading else self._writer).settings.connection(heartbeat_s)

    # -- messages --------------------------------------------------------------------------------

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Hand over; when it returns the broker has them."""
        for options, run in itertools.groupby(messages, key=_Alike):
            if options.link is not None:
                send_by_users_link(list(run), options.link)
            else:
                self._writer.publish(list(run), options.options)

    def consume(
        self, queues: Sequence[QueueSpec], node: str, *, unattended: bool = False
    ) -> Intake:
        """Begin to take from queues; raises ``BrokerLostError`` where it cannot connect."""
        # A heartbeat that is asked for and not sent makes the broker close the connection.
        link = Link(self._reader.settings, self._clock, 0 if unattended else self._heartbeat_s)
        is_amqp = link.connection.transport.driver_name == PY_AMQP
        ways = Ways(
            clock=self._clock,
            randomness=self._randomness,
            dead=self._dead,
            delays=self._delays,
            parked=self._parked,
            insists=is_amqp,
        )
        sender: Sender = (
            AmqpSender(self._reader.settings, self._clock) if is_amqp else PlainSender(self._reader)
        )
        parts = IntakeParts(
            self._clock,
            self.publish,
            Verdicts(),
            Errands(ways, sender, self._clock),
            self._heartbeat_checkrate,
            (self._heartbeat_s or None) if unattended else None,
        )
        intake: AmqpIntake | VirtualIntake
        if is_amqp:
            intake = AmqpIntake(
                link, queues, node=node, parts=parts, delays=self._delays, is_late=self._is_late
            )
        else:
            intake = VirtualIntake(link, queues, node=node, parts=parts)
        intake.reconnect()
        return intake

    def listen(self, queue: QueueSpec) -> Inbox:
        """Begin to listen; raises ``BrokerLostError`` where it cannot connect."""
        link = Link(self._reader.settings, self._clock, self._heartbeat_s)
        return listening(link, queue, self._clock, self._heartbeat_checkrate)

    # -- everything else -------------------------------------------------------------------------

    def declare(self, queues: Sequence[QueueSpec]) -> None:
        """Make sure that queues exist."""
        with self._writer.borrowed("declaring") as link:
            link.declare(queues)

    def length(self, queue: str) -> int:
        """How many messages wait in a queue; none in one that does not exist."""

        def ask(link: Link) -> Any:
            return link.channel.queue_declare(queue, passive=True).message_count

        return self._count("asking for a length", ask)

    def purge(self, queue: str) -> int:
        """Throw away what waits in a queue; returns how many."""
        return self._count("purging", lambda link: link.channel.queue_purge(queue))

    def _count(self, doing: str, ask: Callable[[Link], Any]) -> int:
        try:
            with self._writer.borrowed(doing) as link:
                return int(ask(link) or 0)
        except BrokerError as error:
            if _is_missing(error.__cause__):
                return 0
            raise

    def ping(self) -> None:
        """Connect, or raise ``OperationalError`` that says where and why not."""
        with self._writer.borrowed("connecting") as link:
            if link.speaks_amqp:
                link.channel.basic_qos(0, 0, a_global=False)  # an answer proves that it is there

    def close(self) -> None:
        """Let go of connections."""
        self._writer.close()
        self._reader.close()

    # -- dead letters ----------------------------------------------------------------------------

    def dead_letters(self, limit: int, offset: int = 0) -> Sequence[DeadLetter]:
        """Return some of them, the newest first."""
        return self._dead.newest(limit, offset)

    def dead_letter_count(self) -> int:
        """How many there are."""
        return self._dead.count()

    def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Return one; None if it is not there (any more)."""
        return self._dead.find(letter_id)

    def replay_dead_letters(self, letter_ids: Sequence[str] | None) -> int:
        """Put some (None: all) into their queues again; returns how many."""
        return self._dead.replay(letter_ids)

    def purge_dead_letters(self, letter_ids: Sequence[str] | None) -> int:
        """Throw some (None: all) away; returns how many."""
        return self._dead.purge(letter_ids)


class _Alike:
    """Messages that can go out together: groups by options, and by the user's own link."""

    def __init__(self, outgoing: Outgoing) -> None:
        self.options = outgoing.options
        self.link = outgoing.options.link

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Alike) and self.link is other.link and self.options == other.options
        )

    def __hash__(self) -> int:
        return id(self.link)


def _split(urls: str | Sequence[str]) -> tuple[str, ...]:
    listed = urls.split(";") if isinstance(urls, str) else urls
    return tuple(url.strip() for url in listed if url.strip())


def _is_missing(failure: BaseException | None) -> bool:
    """Whether there is no such queue: amqp has a class for it, kombu's emulation a text."""
    return isinstance(failure, NotFound) or NOT_FOUND in getattr(failure, "args", ())
