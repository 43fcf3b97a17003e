"""A worker's end of Redis, as the Intake port.  Used by one thread.

Owned here: how many at once, connecting, and the order of things.  Which queues, in which order:
``redis_queues``; the record of what is out: ``redis_lease``; what a verdict means:
``redis_settling``; noticing messages: ``redis_waiting``; what is not due: ``redis_parking``; what
lost workers had: ``redis_recovery``; what lost workers of Celery had: ``redis_unacked``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

from taskq.adapters.broker.errors import BrokerError
from taskq.adapters.broker.redis_keepalive import Keepalive
from taskq.adapters.broker.redis_layout import Layout
from taskq.adapters.broker.redis_lease import ENTRIES_PER_CALL, MOST_TAKEN, Lease
from taskq.adapters.broker.redis_link import ANY, Link, LinkPool
from taskq.adapters.broker.redis_loose import Given, Loose
from taskq.adapters.broker.redis_operations import Along, Operation
from taskq.adapters.broker.redis_parking import DueDates
from taskq.adapters.broker.redis_queues import Queues
from taskq.adapters.broker.redis_recovery import Recovery
from taskq.adapters.broker.redis_routes import Routes
from taskq.adapters.broker.redis_settling import Settling
from taskq.adapters.broker.redis_unacked import Unacked
from taskq.adapters.broker.redis_waiting import GRACE_S, PEEK_S, Listener, Peeks
from taskq.adapters.broker.redis_wire import delivery_of
from taskq.adapters.results.redis import RedisStore
from taskq.ports import (
    ChordFull,
    Clock,
    Completion,
    Delivery,
    LostMessage,
    Malformed,
    Outgoing,
    QueueSpec,
    Randomness,
    ResultStore,
    Settlement,
    end_chords,
    grow_chords,
    weigh_chords,
)

EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})
# A lease is renewed so often in its time that two renewals may fail.
RENEWALS: Final = 3
# How soon to go on with a lost worker's messages when there are more than one call deals with.
MORE_TO_RECOVER_S: Final = 0.05
# How often lists are looked at that nobody waits at: too many, or on a client without sockets.
POLL_S: Final = 0.1


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
        most_letters: int,
        has_sockets: bool,
        options: Mapping[str, Any] = EMPTY,
        unattended: bool = False,
    ) -> None:
        self._node = node
        self._pool, self._layout, self._routes = pool, layout, routes
        self._clock, self._randomness = clock, randomness
        self._lease_s = lease_s
        self._queues = Queues(layout, routes, clock, order)
        self._prefetch = 0
        self._found_nothing = False
        # Tag, envelope and queue of what was taken and is returned by the next ``receive``.
        self._waiting: list[tuple[int, bytes, str]] = []
        self._along: Along | None = None  # how the last commit has taken
        # Tags whose follow-ups are out, while a store that is elsewhere is being waited for.
        self._published: set[int] = set()
        self._lease = Lease(layout, routes, lease_s, self._new_token, most_letters)
        self._loose = Loose()
        self._due_dates = DueDates(layout, routes, clock, node, most_letters)
        self._settling = Settling(
            lease=self._lease,
            loose=self._loose,
            due_dates=self._due_dates,
            routes=routes,
            clock=clock,
            node=node,
            queue_of=self._queues.name_of,
        )
        self._recovery = Recovery(layout, self._lease, self._queues.name_of, new_id=randomness.uuid)
        self._unacked = Unacked(layout, routes, clock, options)
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
    def parks(self) -> bool:
        """What is not due is kept here, and not by workers."""
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
        takes = self._has_room() and bool(self._queues.keys)
        if takes and not self._found_nothing:
            return 0.0
        waits = [POLL_S]
        if self._has_sockets and (self._peeks.can_wait or not self._queues.keys):
            # A connection on which nothing comes any more is noticed by then.
            waits = [PEEK_S + GRACE_S]
        if takes:
            waits.append(self._due_dates.wait_s)
        if self._loose.next_s is not None:
            waits.append(max(0.0, self._loose.next_s - self._clock.read().elapsed_s))
        return min(waits)

    def set_prefetch(self, count: int) -> None:
        """How many deliveries may be unsettled and unclaimed at once; 0 means any number."""
        self._prefetch = count

    def receive(self) -> Sequence[Delivery | Malformed]:
        """Take what is there, as far as the prefetch allows."""
        with self._speaking() as link:
            along, self._along = self._along, None
            out = self._came()
            if along is None:
                self._peeks.drain()  # else news stay news: they end the next wait
            self._due_dates.look(link, self._queues.names)
            self._take_unleased(link, out)
            emptied = along is not None and along.emptied
            if along is None and self._queues.leased and self._has_room():
                emptied = self._take(link, out)
            # Who waits at the lists need not look again: they were empty a moment ago, and what
            # has come since is news at once.
            nothing = not out or (emptied and self._peeks.can_wait)
            self._found_nothing = nothing and self._has_room()
            if self._found_nothing:
                self._peeks.arm()
            self._waiting.clear()
            return out

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Carry out the verdicts, in order.  CLAIM has taken effect when this returns."""
        settling = self._settling
        with self._speaking() as link:
            self._lease.do(link, [settling.operation(one) for one in settlements])
            settling.settled(settlements)

    def commit(self, completions: Sequence[Completion], store: ResultStore) -> Sequence[ChordFull]:
        """Publish, store, count, settle; one atomic step for each if the store is here too."""
        return self._commit(completions, store, takes=False)

    def commit_and_take(
        self, completions: Sequence[Completion], store: ResultStore
    ) -> Sequence[ChordFull]:
        """The same, and take, if the store is here too."""
        return self._commit(completions, store, takes=True)

    def _commit(
        self, completions: Sequence[Completion], store: ResultStore, *, takes: bool
    ) -> Sequence[ChordFull]:
        rides = isinstance(store, RedisStore) and store.address == self._pool.address
        if rides or not any(one.uses_store for one in completions):
            with self._speaking() as link:
                return self._commit_here(link, completions, store, takes=takes)
        return self._commit_elsewhere(completions, store)

    def renew(self) -> float | None:
        """Renew the lease, and take over from workers that did not renew theirs."""
        with self._speaking() as link:
            more = self._recovery.renew(link)
            self._unacked.give_back(link)
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

    def lost_claims(self) -> Sequence[LostMessage]:
        """Return what was found of lost workers since the last call."""
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
            self._pool.doubt(error)
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
        for tag, held in lease.unknown(link):
            if held.lost_by is None or not self._recovery.note(tag, held):
                self._waiting.append((tag, held.raw, self._queues.name_of(held.key)))
        self._attend()

    def _attend(self) -> None:
        """Wait for and listen to what the queues are now."""
        self._found_nothing = False
        self._peeks.watch(self._queues.keys)
        self._listener.listen(self._queues.patterns())

    def _let_go(self) -> None:
        self._found_nothing = False
        self._along = None
        if self._link is not None:
            self._link.close()
        self._link = None
        self._peeks.close()
        self._listener.close()

    # -- taking ----------------------------------------------------------------------------------

    def _has_room(self) -> bool:
        return self._prefetch == 0 or self._lease.open < self._prefetch

    def _came(self) -> list[Delivery | Malformed]:
        """Read what was taken before, and is still ours."""
        held, claimed = self._lease.held, self._lease.claimed
        return [
            delivery_of(tag, raw, queue, claimed=tag in claimed)
            for tag, raw, queue in self._waiting
            if tag in held
        ]

    def _take(self, link: Link, out: list[Delivery | Malformed]) -> bool:
        """Take from the lists; says whether they are empty now."""
        room = self._prefetch - self._lease.open if self._prefetch else MOST_TAKEN
        room = min(room, MOST_TAKEN)
        lists = self._queues.leased
        taken, complaint = self._lease.take(link, [key for _, key in lists], room)
        for tag, number, raw in taken:
            out.append(delivery_of(tag, raw, lists[number][0]))
        if taken:
            self._queues.rotate(lists[taken[0][1]][0])
        elif complaint:
            raise BrokerError(
                self._pool.name,
                f"cannot take from a queue: {complaint}",
                "something else uses a key of that name; give taskq a database of its own",
            )
        return not complaint and len(taken) < room

    def _take_unleased(self, link: Link, out: list[Delivery | Malformed]) -> None:
        """Take what needs no lease: from channels, from queues without acks, and what waited."""
        given: list[Given] = []
        if self._loose.next_s is not None:
            given += self._loose.due(self._clock.read().elapsed_s)
        given += (Given(queue, raw) for queue, raw in self._listener.drain())
        if unleased := self._queues.unleased:
            room = self._prefetch or MOST_TAKEN
            replies = link.ask_many([("RPOP", key, room) for _, key in unleased])
            given += (
                Given(name, raw)
                for (name, _), raws in zip(unleased, replies, strict=True)
                for raw in raws or ()
            )
        for one in given:
            tag = self._lease.next_tag()
            self._loose.give(tag, one)
            out.append(delivery_of(tag, one.raw, one.queue))

    # -- committing ------------------------------------------------------------------------------

    def _commit_here(
        self, link: Link, completions: Sequence[Completion], store: ResultStore, *, takes: bool
    ) -> Sequence[ChordFull]:
        settling, here = self._settling, store if isinstance(store, RedisStore) else None
        operations = [settling.completion(one, here) for one in completions]
        along = self._room_along(operations) if takes else None
        try:
            self._lease.do(link, operations, along)
        finally:
            self._note_along(along)
        full: list[ChordFull] = []
        for number, operation in enumerate(operations):
            missing = operation.missing
            if missing is not None:
                assert here is not None, "chords are counted only in the store at this place"
                group_id = operation.levels[missing.level].part.group_id
                full.append(ChordFull(number, group_id, here.unpacked(missing.payloads)))
        settling.settled(
            one.settlement
            for one, operation in zip(completions, operations, strict=True)
            if operation.missing is None
        )
        return full

    def _room_along(self, operations: Sequence[Operation]) -> Along | None:
        """Say what may be taken once these are carried out."""
        keys = [key for _, key in self._queues.leased]
        room = MOST_TAKEN
        if self._prefetch:
            room = min(room, self._prefetch - self._lease.open_after(operations))
        return Along(keys, room) if keys and room > 0 else None

    def _note_along(self, along: Along | None) -> None:
        if along is None or not (along.done or along.taken):
            return
        lists, self._along, self._found_nothing = self._queues.leased, along, False
        self._waiting += ((tag, raw, lists[number][0]) for tag, number, raw in along.taken)
        if along.taken:
            self._queues.rotate(lists[along.taken[0][1]][0])

    def _commit_elsewhere(
        self, completions: Sequence[Completion], store: ResultStore
    ) -> Sequence[ChordFull]:
        with self._speaking() as link:
            self._keep_lease(link)
            ours = [
                (number, one)
                for number, one in enumerate(completions)
                if self._settling.is_out(one.settlement)
            ]
        grow_chords((one for _, one in ours), store)
        with self._speaking() as link:
            self._publish_once(link, [one for _, one in ours])
        if records := [one.result for _, one in ours if one.result and not one.goes_on]:
            store.store(records)
        full: list[ChordFull] = []
        settlements: list[Settlement] = []
        for number, one in ours:
            due = weigh_chords(number, one, store)
            if isinstance(due, ChordFull):
                full.append(due)
                continue
            end_chords(due, store, self._publish)
            if one.settlement is not None:
                settlements.append(one.settlement)
        self.settle(settlements)
        self._published.difference_update(one.tag for one in settlements)
        return full

    def _keep_lease(self, link: Link) -> None:
        """Notice that somebody else has taken over what is out: then it is no longer ours."""
        if self._lease.held and not link.ask("ZSCORE", self._layout.workers, self._lease.token):
            self._lease.restore(link)

    def _publish_once(self, link: Link, completions: Sequence[Completion]) -> None:
        """Publish follow-ups; not again when this is repeated, or more is known of their chord."""
        outgoing = [
            follow_up
            for one in completions
            if not one.goes_on
            and (one.settlement is None or one.settlement.tag not in self._published)
            for follow_up in one.follow_ups
        ]
        self._push(link, outgoing)
        self._published.update(
            one.settlement.tag for one in completions if one.settlement is not None
        )

    def _publish(self, outgoing: Sequence[Outgoing]) -> None:
        with self._speaking() as link:
            self._push(link, outgoing)

    def _push(self, link: Link, outgoing: Sequence[Outgoing]) -> None:
        if outgoing:
            texts = [self._routes.envelope(one) for one in outgoing]
            link.ask_many(self._routes.commands(self._routes.pushes(link, outgoing, texts)))

    # -- closing ---------------------------------------------------------------------------------

    def _hand_back(self, link: Link) -> None:
        """The youngest first, each in front of those before: the oldest is the next to be taken.

        What was claimed stays where it is: whoever takes over the lease tells its end.
        """
        lease = self._lease
        if not link.ask("ZSCORE", self._layout.workers, lease.token):
            lease.restore(link)
        lease.unclaim(link, [tag for tag, _, _ in self._waiting if tag in lease.claimed])
        tags = [tag for tag in lease.tags(link, lease.token) if tag not in lease.claimed]
        for at in range(0, len(tags), ENTRIES_PER_CALL):
            operations = []
            for tag, held in lease.entries(link, lease.token, tags[at : at + ENTRIES_PER_CALL]):
                ours = lease.held.setdefault(tag, held)
                operations.append(self._settling.handing_back(tag, ours))
            lease.do(link, operations)

    # -- small things ----------------------------------------------------------------------------

    def _new_token(self) -> str:
        return f"{self._node}.{self._randomness.uuid()}"
