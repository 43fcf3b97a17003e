"""A worker's end of Redis, as the Intake port.  Used by one thread.

Owned here: how many at once, and what a verdict means.  Which queues, in which order:
``redis_queues``; the record of what is out: ``redis_lease``; noticing messages:
``redis_waiting``; what lost workers had: ``redis_recovery``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from taskq.adapters.broker.errors import BrokerError
from taskq.adapters.broker.redis_keepalive import Keepalive
from taskq.adapters.broker.redis_lease import (
    ENTRIES_PER_CALL,
    MOST_TAKEN,
    Held,
    Lease,
    Operation,
    read_lease_entry,
)
from taskq.adapters.broker.redis_link import ANY, Link, LinkPool
from taskq.adapters.broker.redis_queues import Queues
from taskq.adapters.broker.redis_recovery import Recovery
from taskq.adapters.broker.redis_routes import Push, Routes
from taskq.adapters.broker.redis_scripts import RENEW
from taskq.adapters.broker.redis_waiting import GRACE_S, PEEK_S, Listener, Peeks
from taskq.adapters.broker.redis_wire import (
    Layout,
    dead_entry,
    deliveries_of,
    is_redelivered,
    message_of,
    place_of,
    read_envelope,
    returned,
)
from taskq.adapters.results.redis import RedisStore
from taskq.ports import (
    Clock,
    Completion,
    Delivery,
    LostMessage,
    Malformed,
    QueueSpec,
    Randomness,
    ResultStore,
    Settlement,
    Verdict,
)

# A lease is renewed so often in its time that two renewals may fail.
RENEWALS: Final = 3
# How soon to go on with a lost worker's messages when there are more than one call deals with.
MORE_TO_RECOVER_S: Final = 0.05
# How often lists are looked at that nobody waits at: too many, or on a client without sockets.
POLL_S: Final = 0.1
# For how long a worker that was asleep can learn that it was taken over.
REMEMBER_TAKEN_OVER_MS: Final = 24 * 60 * 60 * 1000
# Properties that say how a message travelled; what it is does not depend on them.
OF_THE_WAY: Final = ("delivery_info", "body_encoding", "delivery_tag")
STOPPED: Final = "worker stopped after the body may have started"


class RedisIntake:
    """What one worker takes from Redis."""

    def __init__(
        self,
        queues: Sequence[QueueSpec],
        node: str,
        *,
        pool: LinkPool,
        layout: Layout,
        routes: Routes,
        clock: Clock,
        randomness: Randomness,
        order: str,
        lease_s: float,
        delivery_limit: int,
        has_sockets: bool,
        unattended: bool = False,
    ) -> None:
        self._node = node
        self._pool, self._layout, self._routes = pool, layout, routes
        self._clock, self._randomness = clock, randomness
        self._lease_s = lease_s
        self._queues = Queues(layout, routes, clock, order)
        self._prefetch = 0
        self._found_nothing = False
        self._waiting: list[Delivery | Malformed] = []
        # Tags whose follow-ups are out, while a store that is elsewhere is being waited for.
        self._published: set[int] = set()
        self._lease = Lease(layout, routes, lease_s, self._new_token)
        self._recovery = Recovery(
            layout,
            self._lease,
            delivery_limit=delivery_limit,
            queue_of=self._queues.name_of,
            now=self._now,
        )
        self._peeks = Peeks(pool, clock, has_sockets=has_sockets)
        self._has_sockets = has_sockets
        self._listener = Listener(pool, clock)
        self._link: Link | None = None
        for queue in queues:
            self._queues.add(queue)
        self._peeks.watch(self._queues.keys)
        with self._speaking():
            self._connect()
        self._keepalive = (
            Keepalive(pool, layout, self._lease, lease_s / RENEWALS) if unattended else None
        )

    # -- the port --------------------------------------------------------------------------------

    @property
    def keeps_deliveries(self) -> bool:
        """Leases outlive connections."""
        return True

    @property
    def watched(self) -> Sequence[int]:
        """File descriptors that become readable when ``receive`` may have something."""
        if not self._has_sockets:
            return ()
        return (*self._peeks.descriptors, *self._listener.descriptors)

    @property
    def poll_s(self) -> float | None:
        """How often to call ``receive`` though nothing became readable; changes with time."""
        listens_only = not self._queues.keys
        if self._has_room() and not listens_only and not self._found_nothing:
            return 0.0
        if self._has_sockets and (listens_only or self._peeks.can_wait):
            # A connection on which nothing comes any more is noticed by then.
            return PEEK_S + GRACE_S
        return POLL_S

    def set_prefetch(self, count: int) -> None:
        """How many deliveries may be unsettled and unclaimed at once; 0 means any number."""
        self._prefetch = count

    def receive(self) -> Sequence[Delivery | Malformed]:
        """Take what is there, as far as the prefetch allows."""
        with self._speaking() as link:
            out, self._waiting = self._waiting, []
            self._peeks.drain()
            for queue, raw in self._listener.drain():
                out.append(self._read(self._lease.next_tag(), raw, queue))
            out += self._take_unleased(link)
            if self._queues.leased and self._has_room():
                self._take(link, out)
            self._found_nothing = not out and self._has_room()
            if self._found_nothing:
                self._peeks.arm()
            return out

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Carry out the verdicts, in order.  CLAIM has taken effect when this returns."""
        with self._speaking() as link:
            held = self._lease.held
            self._lease.do(
                link, [self._verdict(one, held[one.tag]) for one in settlements if one.tag in held]
            )

    def commit(self, completions: Sequence[Completion], store: ResultStore) -> None:
        """Publish follow-ups, store results, settle; one atomic step if the store is here too."""
        rides = isinstance(store, RedisStore) and store.address == self._pool.address
        needs_store = any(one.result is not None for one in completions)
        with self._speaking() as link:
            if rides or not needs_store:
                operations = [
                    self._operation(one, store if isinstance(store, RedisStore) else None)
                    for one in completions
                ]
                self._lease.do(link, operations)
                return
            ours = self._still_ours(link, completions)
            self._publish_once(link, ours)
        records = [one.result for one in ours if one.result is not None]
        if records:
            store.store(records)
        self.settle([one.settlement for one in ours if one.settlement is not None])
        self._published.clear()

    def renew(self) -> float | None:
        """Renew the lease, and take over from workers that did not renew theirs."""
        with self._speaking() as link:
            self._renew(link)
            more = self._recovery.tend(link)
            self._queues.keep_alive(link)
            self._listener.check()
            return MORE_TO_RECOVER_S if more else self._lease_s / RENEWALS

    def add_queue(self, queue: QueueSpec) -> None:
        """Take from one more queue."""
        self._queues.add(queue)
        with self._speaking() as link:
            self._routes.declare(link, [queue])
            self._attend()

    def cancel_queue(self, name: str) -> None:
        """Stop taking from a queue; what it gave stays out."""
        self._queues.remove(name)
        with self._speaking():
            self._attend()

    def reconnect(self) -> None:
        """Try once to connect again and to take as before."""
        self._let_go()
        with self._speaking():
            self._connect()

    def close(self) -> None:
        """Hand back what is unsettled and unclaimed, and let go of connections."""
        if self._keepalive is not None:
            self._keepalive.stop()
        try:
            with self._speaking() as link:
                self._hand_back(link)
                self._queues.delete_temporary(link)
                self._lease.dissolve(link)
        finally:
            self._let_go()

    # -- beside the port -------------------------------------------------------------------------

    def lost_claims(self) -> Sequence[LostMessage]:
        """Return what went to the dead letters since the last call because its worker was lost."""
        lost, self._recovery.lost = self._recovery.lost, []
        return lost

    def lost_tags(self) -> Sequence[int]:
        """Return tags that another worker has taken over since the last call."""
        lost, self._lease.lost = self._lease.lost, []
        return lost

    # -- connecting ------------------------------------------------------------------------------

    @contextmanager
    def _speaking(self) -> Iterator[Link]:
        """A connection to use; what goes wrong with it is one kind of error."""
        try:
            if self._link is None:
                self._link = self._pool.fresh()
            yield self._link
        except ANY as error:
            self._let_go()
            raise self._pool.gone(error) from error

    def _connect(self) -> None:
        link = self._link
        assert link is not None, "somebody speaks"
        self._routes.forget()
        self._routes.declare(link, self._queues.specs)
        lease = self._lease
        if lease.held and not link.ask("ZSCORE", self._layout.workers, lease.token):
            lease.restore(link)
        else:
            lease.register(link)
        self._waiting += [
            self._read(tag, held.raw, self._queues.name_of(held.key))
            for tag, held in lease.unknown(link)
        ]
        self._attend()

    def _attend(self) -> None:
        """Wait for and listen to what the queues are now."""
        self._found_nothing = False
        self._peeks.watch(self._queues.keys)
        self._listener.listen(self._queues.patterns())

    def _let_go(self) -> None:
        self._found_nothing = False
        if self._link is not None:
            self._link.close()
        self._link = None
        self._peeks.close()
        self._listener.close()

    # -- taking ----------------------------------------------------------------------------------

    def _has_room(self) -> bool:
        return self._prefetch == 0 or self._lease.open < self._prefetch

    def _take(self, link: Link, out: list[Delivery | Malformed]) -> None:
        room = self._prefetch - self._lease.open if self._prefetch else MOST_TAKEN
        lists = self._queues.leased
        taken, complaint = self._lease.take(link, [key for _, key in lists], min(room, MOST_TAKEN))
        for tag, number, raw in taken:
            out.append(self._read(tag, raw, lists[number][0]))
        if taken:
            self._queues.rotate(lists[taken[0][1]][0])
        elif complaint:
            raise BrokerError(
                self._pool.name,
                f"cannot take from a queue: {complaint}",
                "something else uses a key of that name; give taskq a database of its own",
            )

    def _take_unleased(self, link: Link) -> list[Delivery | Malformed]:
        unleased = self._queues.unleased
        if not unleased:
            return []
        room = self._prefetch or MOST_TAKEN
        replies = link.ask_many([("RPOP", key, room) for _, key in unleased])
        return [
            self._read(self._lease.next_tag(), raw, name)
            for (name, _), raws in zip(unleased, replies, strict=True)
            for raw in raws or ()
        ]

    @staticmethod
    def _read(tag: int, raw: bytes, queue: str) -> Delivery | Malformed:
        try:
            parsed = read_envelope(raw)
            message = message_of(parsed)
        except ValueError as error:
            return Malformed(tag, queue, raw, str(error))
        exchange, routing_key = place_of(parsed)
        redelivered = is_redelivered(parsed)
        for name in OF_THE_WAY:
            parsed["properties"].pop(name, None)
        return Delivery(
            tag, message, queue, exchange, routing_key, redelivered, deliveries_of(parsed)
        )

    # -- settling --------------------------------------------------------------------------------

    def _verdict(self, settlement: Settlement, held: Held | None) -> Operation:
        """Say what is to be done with one tag; nothing is pushed for what is not ours any more."""
        tag, verdict = settlement.tag, settlement.verdict
        if verdict is Verdict.CLAIM:
            return Operation("C", tag)
        operation = Operation(self._lease.mode(tag), tag)
        if verdict is not Verdict.ACK and held is not None:
            operation.pushes = (self._push_of(settlement, held),)
        return operation

    def _operation(self, completion: Completion, store: RedisStore | None) -> Operation:
        settlement = completion.settlement
        if settlement is None:
            operation = Operation("N")
        else:
            operation = self._verdict(settlement, self._lease.held.get(settlement.tag))
        if completion.follow_ups:
            operation.outgoing = completion.follow_ups
            operation.texts = tuple(self._routes.envelope(one) for one in completion.follow_ups)
        if completion.result is not None:
            assert store is not None, "results ride only with the store at this place"
            operation.results = (store.write_of(completion.result),)
        return operation

    def _push_of(self, settlement: Settlement, held: Held) -> Push:
        if settlement.verdict is Verdict.REQUEUE:
            text = _marked(held.raw, counted=True)
            return Push(
                "LPUSH", held.key, text, self._routes.life_ms(self._queues.name_of(held.key))
            )
        return self._dead(held, settlement.reason or "rejected")

    def _dead(self, held: Held, reason: str) -> Push:
        entry = dead_entry(
            held.raw, reason, self._now(), self._queues.name_of(held.key), self._node
        )
        return Push("LPUSH", self._layout.dead, entry)

    def _still_ours(self, link: Link, completions: Sequence[Completion]) -> list[Completion]:
        """Leave out those whose lease was lost: somebody else does them."""
        tags = [one.settlement.tag for one in completions if one.settlement is not None]
        if tags and not link.ask("ZSCORE", self._layout.workers, self._lease.token):
            self._lease.restore(link)
        held = self._lease.held
        return [one for one in completions if one.settlement is None or one.settlement.tag in held]

    def _publish_once(self, link: Link, completions: Sequence[Completion]) -> None:
        """Publish follow-ups; not again when this is repeated because the store failed."""
        outgoing = [
            follow_up
            for one in completions
            if one.settlement is None or one.settlement.tag not in self._published
            for follow_up in one.follow_ups
        ]
        if outgoing:
            texts = [self._routes.envelope(one) for one in outgoing]
            link.ask_many(self._routes.commands(self._routes.pushes(link, outgoing, texts)))
        self._published.update(
            one.settlement.tag for one in completions if one.settlement is not None
        )

    # -- renewing --------------------------------------------------------------------------------

    def _renew(self, link: Link) -> None:
        layout, heirs = self._layout, self._recovery.heirs
        tokens = [self._lease.token, *heirs]
        reply = link.run(
            RENEW,
            [layout.workers],
            [
                self._lease.lease_ms,
                layout.lease(""),
                layout.claimed(""),
                layout.taken_over(""),
                REMEMBER_TAKEN_OVER_MS,
                self._randomness.uuid(),
                *tokens,
            ],
        )
        ours = dict(zip(tokens, reply, strict=False))
        heirs[:] = [heir for heir in heirs if ours[heir]]
        if len(reply) > len(tokens):
            heirs.append(reply[-1].decode())
        if not ours[self._lease.token]:
            self._lease.restore(link)

    # -- closing ---------------------------------------------------------------------------------

    def _hand_back(self, link: Link) -> None:
        """The youngest first, each in front of those before: the oldest is the next to be taken.

        What was claimed and never settled is accounted for in the dead letters.
        """
        lease = self._lease
        if not link.ask("ZSCORE", self._layout.workers, lease.token):
            lease.restore(link)
        key = self._layout.lease(lease.token)
        tags = sorted((int(tag) for tag in link.ask("HKEYS", key)), reverse=True)
        for at in range(0, len(tags), ENTRIES_PER_CALL):
            some = tags[at : at + ENTRIES_PER_CALL]
            entries = link.ask("HMGET", key, *some)
            operations = []
            for tag, entry in zip(some, entries, strict=True):
                if entry is not None:
                    held = lease.held.setdefault(tag, read_lease_entry(entry))
                    operations.append(self._handing_back(tag, held))
            lease.do(link, operations)

    def _handing_back(self, tag: int, held: Held) -> Operation:
        if tag in self._lease.claimed:
            return Operation("E", tag, pushes=(self._dead(held, STOPPED),))
        text = _marked(held.raw, counted=False)
        life_ms = self._routes.life_ms(self._queues.name_of(held.key))
        return Operation("D", tag, pushes=(Push("RPUSH", held.key, text, life_ms),))

    # -- small things ----------------------------------------------------------------------------

    def _new_token(self) -> str:
        return f"{self._node}.{self._randomness.uuid()}"

    def _now(self) -> str:
        return self._clock.read().wall.isoformat()


def _marked(raw: bytes, *, counted: bool) -> str | bytes:
    """Mark a message as given out before; what cannot be read goes back as it came."""
    try:
        return returned(read_envelope(raw), counted=counted)
    except ValueError:
        return raw
