"""The Broker on kombu: RabbitMQ through py-amqp, and every other transport that kombu has.

Made by ``taskq.wiring`` from a URL.  Owned here: the pool of connections for publishing, the
retries, and the time that a call may take.  ``kombu_publish`` says how a message is handed over,
``kombu_amqp`` and ``kombu_virtual`` are the two ends that a worker reads from.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from functools import cached_property
from typing import Any, Final, TypeVar

from amqp.exceptions import NotFound
from kombu.connection import Connection
from kombu.transport import get_transport_cls

from taskq.adapters.broker.errors import BrokerError
from taskq.adapters.broker.kombu_amqp import AmqpIntake
from taskq.adapters.broker.kombu_links import (
    Deadline,
    FailoverStrategy,
    Link,
    LinkSettings,
    explain,
)
from taskq.adapters.broker.kombu_pool import LinkPool
from taskq.adapters.broker.kombu_publish import send, send_by_users_link
from taskq.adapters.broker.kombu_virtual import VirtualIntake
from taskq.ports import (
    Clock,
    Codec,
    Intake,
    Outgoing,
    Place,
    PublishOptions,
    QueueSpec,
    Randomness,
    RetryPolicy,
)

Result = TypeVar("Result")

# What operators' calls (length, purge, ping, declare) may take.
CALL_TIMEOUT_S: Final = 30.0
# Kinds of transports on which a topic exchange would fill lists that no monitor empties.
FANS_OUT: Final = frozenset({"redis", "gcpubsub"})
NOT_FOUND: Final = "404"


class KombuBroker:
    """Implements ``ports.Broker``."""

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
        self._clock = clock
        self._heartbeat_s, self._heartbeat_checkrate = heartbeat or 0, heartbeat_checkrate or 2
        self._confirm = bool(options.get("confirm_publish", confirm_publish))
        self._writing = LinkSettings(_split(urls), **common)
        self._reading = LinkSettings(_split(read_urls or urls), **common)
        self._pool_limit = pool_limit
        self._pool = self._new_pool()

    def _new_pool(self) -> LinkPool:
        return LinkPool(lambda: Link(self._writing, self._clock), self._pool_limit)

    def without_heartbeats(self) -> KombuBroker:
        """Return one for consumers that nobody looks after, as clients that wait for replies.

        A heartbeat that is asked for and not sent makes the broker close the connection.
        """
        quiet = copy(self)
        quiet._heartbeat_s, quiet._pool = 0, quiet._new_pool()  # noqa: SLF001 - of this class
        return quiet

    @cached_property
    def event_exchange_type(self) -> str:
        """Return what Celery's monitors listen to on this transport."""
        transport: Any = get_transport_cls(self._writing.connection().transport_cls)
        return "fanout" if transport.driver_type in FANS_OUT else "topic"

    @property
    def name(self) -> str:
        """The URL with its password starred."""
        return self._where.where

    @property
    def address(self) -> str | None:
        """None: no store can join a transaction of kombu's."""
        return None

    def connection(self, *, reading: bool = False, heartbeat_s: float = 0) -> Connection:
        """Return a new connection of kombu's, for those who want to do things by themselves."""
        return (self._reading if reading else self._writing).connection(heartbeat_s)

    @cached_property
    def _where(self) -> Link:
        """A link that is never connected: it knows the transport's errors, and the URL."""
        return Link(self._writing, self._clock)

    # -- publishing ------------------------------------------------------------------------------

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Hand over; when it returns the broker has them."""
        for options, run in itertools.groupby(messages, key=_Alike):
            if options.link is not None:
                send_by_users_link(list(run), options.link)
            else:
                self._publish(list(run), options.options)

    def _publish(self, pending: list[Outgoing], options: PublishOptions) -> None:
        deadline = Deadline(self._clock, options.timeout_s)
        retried = options.retry.retry_errors if options.retry else ()

        def attempt(link: Link) -> None:
            send(link, pending, options, deadline, confirm=self._confirm)

        self._persistently(attempt, options.retry, retried, deadline, "publishing")

    def _persistently(
        self,
        attempt: Callable[[Link], Result],
        policy: RetryPolicy | None,
        retried: tuple[type[BaseException], ...],
        deadline: Deadline,
        doing: str,
    ) -> Result:
        """Try as often as the policy says, within the time that there is."""
        where = self._where
        for tries in itertools.count(1):
            try:
                with self._pool.link(deadline) as link:
                    return attempt(link)
            except retried as error:
                failure: BaseException = error
            except BrokerError:
                raise
            except where.failures as error:
                if not isinstance(error, where.passing):
                    raise where.error(error, doing) from error
                failure = error
            pause_s = _pause(policy, tries)
            if pause_s is None or deadline.left(pause_s + 1) <= pause_s:
                raise _given_up(where, failure, doing, tries, deadline) from failure
            if pause_s:
                self._clock.sleep(pause_s)
        raise AssertionError("counting never ends")

    # -- everything else -------------------------------------------------------------------------

    def consume(
        self, queues: Sequence[QueueSpec], node: str, *, unattended: bool = False
    ) -> Intake:
        """Begin to take from queues; raises ``BrokerLostError`` where it cannot connect."""
        # A heartbeat that is asked for and not sent makes the broker close the connection.
        link = Link(self._reading, self._clock, 0 if unattended else self._heartbeat_s)
        kind = AmqpIntake if link.connection.transport.driver_name == "py-amqp" else VirtualIntake
        intake = kind(
            link,
            queues,
            node=node,
            clock=self._clock,
            publish=self.publish,
            checkrate=self._heartbeat_checkrate,
        )
        intake.reconnect()
        return intake

    def declare(self, queues: Sequence[QueueSpec]) -> None:
        """Make sure that queues exist."""
        with self._borrowed("declaring") as link:
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
            with self._borrowed(doing) as link:
                return int(ask(link) or 0)
        except BrokerError as error:
            if _is_missing(error.__cause__):
                return 0
            raise

    def ping(self) -> None:
        """Connect, or raise ``OperationalError`` that says where and why not."""
        with self._borrowed("connecting") as link:
            if link.speaks_amqp:
                link.channel.basic_qos(0, 0, a_global=False)  # an answer proves that it is there

    def close(self) -> None:
        """Let go of connections."""
        self._pool.close()

    @contextmanager
    def _borrowed(self, doing: str) -> Iterator[Link]:
        where = self._where
        try:
            with self._pool.link(Deadline(self._clock, CALL_TIMEOUT_S)) as link:
                yield link
        except BrokerError:
            raise
        except where.failures as error:
            raise where.error(error, doing) from error


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


def _pause(policy: RetryPolicy | None, tries: int) -> float | None:
    """How long to wait before the next attempt; None: there is none."""
    if policy is None or (policy.max_retries is not None and tries > policy.max_retries):
        return None
    return max(0.0, policy.pause_s(tries - 1))


def _given_up(
    link: Link, failure: BaseException, doing: str, tries: int, deadline: Deadline
) -> BrokerError:
    why, advice = explain(failure)
    many = f" (tried {tries} times)" if tries > 1 else ""
    limit = f" within {deadline.seconds:.3g} s" if deadline.over else ""
    return BrokerError(link.where, f"{doing} failed{limit}{many}: {why}", advice)


def _is_missing(failure: BaseException | None) -> bool:
    """Whether there is no such queue: amqp has a class for it, kombu's emulation a text."""
    return isinstance(failure, NotFound) or NOT_FOUND in getattr(failure, "args", ())
