"""Redis as the Broker port, with a driver of its own: kombu's keys, leases, scripts.

``RedisBroker`` is what clients and workers hold.  Sending is one round trip; a worker's end is
``redis_intake.RedisIntake``.  Layout of keys: ``redis_wire``; where a message goes:
``redis_routes``; connections: ``redis_link``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from taskq.adapters.broker.redis_calling import Caller
from taskq.adapters.broker.redis_inbox import RedisInbox
from taskq.adapters.broker.redis_intake import RedisIntake
from taskq.adapters.broker.redis_layout import Layout
from taskq.adapters.broker.redis_letters import Letters
from taskq.adapters.broker.redis_link import LinkPool
from taskq.adapters.broker.redis_parking import ParkedMessages
from taskq.adapters.broker.redis_publishing import Publisher
from taskq.adapters.broker.redis_revocations import Revocations
from taskq.adapters.broker.redis_routes import Routes
from taskq.adapters.broker.redis_url import servers
from taskq.ports import (
    EMPTY,
    Clock,
    DeadLetter,
    Outgoing,
    Parked,
    Place,
    QueueSpec,
    Randomness,
    Revocation,
)

LEASE_S: Final = 60.0
MOST_LETTERS: Final = 100_000


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
        dead_letters_max: int = MOST_LETTERS,
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
        self._publisher = Publisher(self._pool, self._routes, clock)
        self._caller = Caller(self._pool, self._routes.forget)
        self._parked = ParkedMessages(self._caller, self._layout)
        self._letters = Letters(self._caller, self._layout)
        self._revocations = Revocations(self._caller, self._layout)
        self._lease_s, self._most_letters = lease_s, dead_letters_max
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
        self._publisher.publish(messages)

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
            most_letters=self._most_letters,
            has_sockets=self._has_sockets,
            options=self._options,
            unattended=unattended,
        )

    def listen(self, queue: QueueSpec) -> RedisInbox:
        """Begin to listen to what an exchange has for a queue; the queue goes with the inbox."""
        return RedisInbox(
            queue,
            pool=self._pool,
            layout=self._layout,
            clock=self._clock,
            has_sockets=self._has_sockets,
        )

    def declare(self, queues: Sequence[QueueSpec]) -> None:
        """Make sure that queues exist: that messages to their exchanges reach them."""
        self._caller.call(lambda link: self._routes.declare(link, queues))

    def length(self, queue: str) -> int:
        """How many messages wait in a queue."""
        counts = self._caller.ask_many([("LLEN", key) for key in self._layout.lists_of(queue)])
        return sum(int(count) for count in counts)

    def purge(self, queue: str) -> int:
        """Throw away what waits in a queue, for a worker or for its time; returns how many."""
        commands = [
            command
            for key in self._layout.lists_of(queue)
            for command in (("LLEN", key), ("DEL", key))
        ]
        counts = self._caller.transact(commands)[::2]
        return sum(int(count) for count in counts) + self._parked.purge(queue)

    def ping(self) -> None:
        """Connect, or raise ``OperationalError`` that says where and why not."""
        self._caller.ask("PING")

    def close(self) -> None:
        """Let go of connections."""
        self._pool.close()

    def other_workers(self, control_exchange: str) -> Sequence[str]:
        """Return who is bound to hear commands, and has no lease table as our workers do."""
        bound, tokens = self._caller.ask_many(
            [
                ("SMEMBERS", self._layout.bindings(control_exchange)),
                ("ZRANGE", self._layout.workers, 0, -1),
            ]
        )
        ours = {token.decode().rpartition(".")[0] for token in tokens}
        queues = (binding.decode().rpartition(self._layout.sep)[2] for binding in bound)
        names = {queue.removesuffix(f".{control_exchange}") for queue in queues}
        return sorted(names - ours)

    # -- what is parked, revoked, dead -----------------------------------------------------------

    def parked(self, queues: Sequence[str], limit: int) -> Sequence[Parked]:
        """Return what waits for its time, the earliest first."""
        return self._parked.some(queues, limit)

    def unpark(self, task_ids: Sequence[str]) -> int:
        """Throw away what is parked of some tasks; returns how many messages that were."""
        return self._parked.hasten(task_ids)

    def revoke(self, revocations: Sequence[Revocation]) -> None:
        """Remember, each until its time is over."""
        self._revocations.add(revocations)

    def revocations(self) -> Sequence[Revocation]:
        """Return what is remembered."""
        return self._revocations.all()

    def dead_letters(self, limit: int, offset: int = 0) -> Sequence[DeadLetter]:
        """Return some of them, the newest first."""
        return self._letters.some(limit, offset)

    def dead_letter_count(self) -> int:
        """How many there are."""
        return self._letters.count()

    def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Return one; None if it is not there (any more)."""
        return self._letters.one(letter_id)

    def replay_dead_letters(self, letter_ids: Sequence[str] | None) -> int:
        """Put some (None: all) into their queues again, each as one step; returns how many."""
        return self._letters.replay(letter_ids, self._routes.life_ms)

    def purge_dead_letters(self, letter_ids: Sequence[str] | None) -> int:
        """Throw some (None: all) away; returns how many."""
        return self._letters.purge(letter_ids)
