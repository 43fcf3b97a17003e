"""Redis as the Broker port, with a driver of its own: kombu's keys, leases, scripts.

``RedisBroker`` is what clients and workers hold.  Sending is one round trip; a worker's end is
``redis_intake.RedisIntake``.  Layout of keys: ``redis_wire``; where a message goes:
``redis_routes``; connections: ``redis_link``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from taskq.adapters.broker.errors import BrokerError
from taskq.adapters.broker.kombu_publish import send_by_users_link
from taskq.adapters.broker.redis_intake import RedisIntake
from taskq.adapters.broker.redis_link import ANY, FINAL, LOST, Link, LinkPool
from taskq.adapters.broker.redis_routes import Routes, UnroutableError
from taskq.adapters.broker.redis_url import servers
from taskq.adapters.broker.redis_wire import Layout
from taskq.ports import EMPTY, Clock, Outgoing, Place, QueueSpec, Randomness, RetryPolicy

LEASE_S: Final = 60.0
DELIVERY_LIMIT: Final = 20
# Messages in one pipeline: enough to make the round trip nothing, few enough to bound a buffer.
PIPELINE: Final = 1000


class RedisBroker:
    """Queues in Redis.  Safe to use from many threads, and after a fork."""

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        clock: Clock,
        randomness: Randomness,
        place: Place,  # noqa: ARG002 - drivers are made alike
        transport_options: Mapping[str, Any] = EMPTY,
        ssl: bool | Mapping[str, Any] | None = None,
        socket_timeout: float | None = None,
        socket_connect_timeout: float | None = None,
        lease_s: float = LEASE_S,
        delivery_limit: int = DELIVERY_LIMIT,
        client_factory: Callable[[], Any] | None = None,
    ) -> None:
        options = dict(transport_options)
        if socket_timeout is not None:
            options.setdefault("socket_timeout", socket_timeout)
        if socket_connect_timeout is not None:
            options.setdefault("socket_connect_timeout", socket_connect_timeout)
        reached = servers(url, options=options, ssl=ssl, client_factory=client_factory)
        self._clock, self._randomness = clock, randomness
        self._options = options
        self._layout = Layout(options, reached[0].db)
        self._pool = LinkPool(reached, clock)
        self._routes = Routes(self._layout, randomness)
        self._lease_s, self._delivery_limit = lease_s, delivery_limit
        # What a factory makes may have no socket to watch.
        self._has_sockets = client_factory is None

    @property
    def event_exchange_type(self) -> str:
        """Return ``fanout``: lists that no monitor empties would grow for ever."""
        return "fanout"

    @property
    def name(self) -> str:
        """The URL with its password starred."""
        return self._pool.name

    @property
    def address(self) -> str | None:
        """Server and database, if a store at the same place can share a transaction."""
        return self._pool.address

    @property
    def routes(self) -> Routes:
        """Where messages go, for a store at the same place that publishes along with its own."""
        return self._routes

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Hand over; when it returns the broker has them."""
        for start in range(0, len(messages), PIPELINE):
            batch = messages[start : start + PIPELINE]
            if any(one.options.link is not None for one in batch):
                self._publish_by_link(batch)
            else:
                self._publish(batch)

    def consume(
        self, queues: Sequence[QueueSpec], node: str, *, unattended: bool = False
    ) -> RedisIntake:
        """Begin to take from queues, on behalf of the named node."""
        return RedisIntake(
            queues,
            node,
            pool=self._pool,
            layout=self._layout,
            routes=self._routes,
            clock=self._clock,
            randomness=self._randomness,
            order=str(self._options.get("queue_order_strategy") or "round_robin"),
            lease_s=self._lease_s,
            delivery_limit=self._delivery_limit,
            has_sockets=self._has_sockets,
            unattended=unattended,
        )

    def declare(self, queues: Sequence[QueueSpec]) -> None:
        """Make sure that queues exist: that messages to their exchanges reach them."""
        self._call(lambda link: self._routes.declare(link, queues))

    def length(self, queue: str) -> int:
        """How many messages wait in a queue."""
        lists = self._layout.lists_of(queue)
        counts = self._call(lambda link: link.ask_many([("LLEN", key) for key in lists]))
        return sum(int(count) for count in counts)

    def purge(self, queue: str) -> int:
        """Throw away what waits in a queue; returns how many."""
        commands = [
            command
            for key in self._layout.lists_of(queue)
            for command in (("LLEN", key), ("DEL", key))
        ]
        block = [("MULTI",), *commands, ("EXEC",)]
        replies = self._call(lambda link: link.ask_many(block)[-1])
        return sum(int(count) for count in replies[::2])

    def ping(self) -> None:
        """Connect, or raise ``OperationalError`` that says where and why not."""
        self._call(lambda link: link.ask("PING"))

    def close(self) -> None:
        """Let go of connections."""
        self._pool.close()

    def _publish_by_link(self, messages: Sequence[Outgoing]) -> None:
        """A user's own kombu producer or connection is used as it is, message by message."""
        for one in messages:
            if one.options.link is None:
                self._publish([one])
            else:
                send_by_users_link([one], one.options.link)

    def _publish(self, messages: Sequence[Outgoing]) -> None:
        policy, timeout_s = _strictest(messages)
        caught: tuple[type[BaseException], ...] = (*ANY, *policy.retry_errors) if policy else ANY
        texts = [self._routes.envelope(one) for one in messages]
        started_s = self._clock.read().elapsed_s if timeout_s is not None else 0.0
        left_s, attempt = timeout_s, 0
        while True:
            try:
                self._hand_over(messages, texts, left_s)
            except UnroutableError as error:
                raise BrokerError(
                    self.name, str(error), "declare a queue that is bound so"
                ) from error
            except caught as error:
                self._routes.forget()
                if timeout_s is not None:
                    left_s = timeout_s - (self._clock.read().elapsed_s - started_s)
                pause_s = _pause(policy, attempt, left_s, error)
                if pause_s is None:
                    raise self._pool.error(error) from error
            else:
                return
            self._clock.sleep(pause_s)
            if left_s is not None:
                left_s -= pause_s
            attempt += 1

    def _hand_over(
        self, messages: Sequence[Outgoing], texts: Sequence[str], left_s: float | None
    ) -> None:
        link = self._pool.take(left_s)
        routes = self._routes
        try:
            if len(messages) == 1 and routes.is_direct(messages[0]):
                link.ask("LPUSH", routes.list_of(messages[0]), texts[0], timeout_s=left_s)
            else:
                commands = routes.commands(routes.pushes(link, messages, texts))
                if commands:
                    link.ask_many(commands, left_s)
        except BaseException:
            # Whatever interrupts, a reply may be under way: nobody else may read it as theirs.
            link.close()
            raise
        self._pool.give(link)

    def _call(self, act: Callable[[Link], Any]) -> Any:
        """Do something on a link, once."""
        try:
            link = self._pool.take()
            try:
                result = act(link)
            except BaseException:
                link.close()
                raise
        except ANY as error:
            self._routes.forget()
            raise self._pool.error(error) from error
        self._pool.give(link)
        return result


def _strictest(messages: Sequence[Outgoing]) -> tuple[RetryPolicy | None, float | None]:
    """One batch is one attempt: the first message's policy, the shortest time of all."""
    options = messages[0].options
    if len(messages) == 1:
        return options.retry, options.timeout_s
    times = [one.options.timeout_s for one in messages if one.options.timeout_s is not None]
    return options.retry, min(times, default=None)


def _pause(
    policy: RetryPolicy | None, attempt: int, left_s: float | None, error: BaseException
) -> float | None:
    """How long to wait before trying again; None: do not."""
    if policy is None or isinstance(error, FINAL):
        return None
    if not isinstance(error, (*LOST, *policy.retry_errors)):
        return None
    if policy.max_retries is not None and attempt >= policy.max_retries:
        return None
    pause_s = max(0.0, policy.pause_s(attempt))
    if left_s is not None and pause_s >= left_s:
        return None
    return pause_s
