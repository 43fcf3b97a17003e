"""A broker in memory: what Redis (by taskq's own driver) and RabbitMQ do, as one model.

``BrokerModel`` is the server: one in a world.  ``BrokerEnd`` is the ``Broker`` port as one node
sees it, ``IntakeEnd`` the ``Intake`` port of one worker.  Every call of an end is a switch point
before and after it takes effect, so that another node may come between, and the caller may die
before or after.

Owned here: what waits, what is out with whom, leases, dead letters.  Not owned: when a lease is
renewed (the node does it, as the real worker does), what is lost on the way (``faults``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from taskq.errors import BrokerLostError, OperationalError
from taskq.ports import (
    Completion,
    Delivery,
    Intake,
    LostMessage,
    Malformed,
    Outgoing,
    QueueSpec,
    ResultStore,
    Settlement,
    Verdict,
)
from taskq_testing.sim.hands import Hands
from taskq_testing.sim.profiles import LEASE_S, RENEW_S, Profile
from taskq_testing.sim.topology import Held, Topology

# How many messages one call of ``receive`` brings at most.
BATCH: Final = 256


@dataclass(slots=True)
class Dead:
    """A message that nobody gets any more, and why."""

    held: Held
    reason: str


@dataclass(slots=True)
class Out:
    """A message that a worker has."""

    held: Held
    claimed: bool = False


class Session:
    """What the server knows of one consumer."""

    def __init__(self, node: str, lease_until_s: float) -> None:
        self.node = node
        self.out: dict[int, Out] = {}
        self.unclaimed = 0
        self.lease_until_s = lease_until_s
        self.open = True
        self.taken_over: list[int] = []  # tags that went to others while it was silent


class BrokerModel:
    """The server."""

    def __init__(self, profile: Profile, now_s: Callable[[], float]) -> None:
        self.profile = profile
        self.topology = Topology(profile)
        self.dead: list[Dead] = []
        self.lost_claims: list[LostMessage] = []  # buried since somebody last asked
        self.sessions: dict[Session, None] = {}
        self.intakes: dict[IntakeEnd, None] = {}
        self._now_s = now_s
        self._arrivals = 0

    # -- messages come and go -----------------------------------------------------------------

    def put(self, outgoing: Outgoing, say: Callable[..., None]) -> None:
        """Route one message."""
        for spec in outgoing.declare:
            self.topology.declare(spec)
        queues = self.topology.route(outgoing)
        if not queues:
            self._unroutable(outgoing, say)
        for name in queues:
            self._arrivals += 1
            held = Held(
                self._arrivals, outgoing.message, name, outgoing.exchange, outgoing.routing_key
            )
            held.expires_at_s = self._expiry(outgoing)
            self.topology.queue(name).put(held)
            _say_sent(held, say)
            self.wake_takers(name)

    def take(self, name: str, say: Callable[..., None]) -> Held | None:
        """The next message of a queue that has not expired."""
        queue = self.topology.queues.get(name)
        while queue is not None and (held := queue.take()) is not None:
            if held.expires_at_s is None or held.expires_at_s > self._now_s():
                return held
            say("broker.drop", id=held.message.headers.get("id"), reason="expired", queue=name)
        return None

    def give_back(self, held: Held, *, at_end: bool) -> None:
        """A message is there for anyone again."""
        held.redelivered = True
        queue = self.topology.queue(held.queue)
        if at_end:
            queue.put(held)
        else:
            queue.put_back(held)
        self.wake_takers(held.queue)

    def bury(self, held: Held, reason: str, say: Callable[..., None]) -> None:
        """A message goes to the dead letters."""
        self.dead.append(Dead(held, reason))
        headers = held.message.headers
        say("broker.dead", id=headers.get("id"), task=headers.get("task"), reason=reason)

    def _bury_claim(self, held: Held, node: str, say: Callable[..., None]) -> None:
        reason = "worker lost after the body may have started"
        self.bury(held, reason, say)
        self.lost_claims.append(
            LostMessage(held.message, held.queue, held.exchange, held.routing_key, node, reason)
        )

    def wake_takers(self, queue: str) -> None:
        """Everybody who takes from a queue may find something in it."""
        for intake in self.intakes:
            if queue in intake.queues:
                intake.wake()

    # -- consumers that are gone ----------------------------------------------------------------

    def lose(self, session: Session, say: Callable[..., None]) -> None:
        """A connection broke.  With leases nothing follows until the lease is over."""
        session.open = False
        if not self.profile.leases:
            self._restore(session, say)

    def sweep(self, say: Callable[..., None]) -> None:
        """Take back what is out under leases that are over."""
        now_s = self._now_s()
        for session in list(self.sessions):
            if session.lease_until_s <= now_s:
                self._restore(session, say)

    def forgotten_lease_s(self) -> float | None:
        """When the first lease ends that nobody renews and that holds messages."""
        ends = [s.lease_until_s for s in self.sessions if not s.open and s.out]
        return min(ends, default=None)

    def let_go(self) -> None:
        """The world is over: nobody takes any more.  What waits can still be looked at."""
        self.intakes.clear()

    def _restore(self, session: Session, say: Callable[..., None]) -> None:
        if not session.open:
            self.sessions.pop(session, None)
        out, session.out, session.unclaimed = session.out, {}, 0
        session.taken_over += out
        for one in reversed(out.values()):
            headers = one.held.message.headers
            if one.claimed:
                self._bury_claim(one.held, session.node, say)
                continue
            one.held.attempts += 1
            say("broker.restore", id=headers.get("id"), task=headers.get("task"), of=session.node)
            self.give_back(one.held, at_end=False)

    @staticmethod
    def _unroutable(outgoing: Outgoing, say: Callable[..., None]) -> None:
        headers = outgoing.message.headers
        if "task" in headers:  # events that nobody listens to are no loss
            say(
                "broker.drop",
                id=headers.get("id"),
                reason="no queue is bound",
                exchange=outgoing.exchange,
                routing_key=outgoing.routing_key,
            )

    def _expiry(self, outgoing: Outgoing) -> float | None:
        expiration = outgoing.message.properties.get("expiration")
        if expiration is None or not self.profile.message_ttl:
            return None
        return self._now_s() + float(expiration) / 1000


def _say_sent(held: Held, say: Callable[..., None]) -> None:
    headers = held.message.headers
    if "task" not in headers:
        say("message.send", queue=held.queue, body=held.message.body)
        return
    say(
        "task.send",
        id=headers.get("id"),
        task=headers.get("task"),
        queue=held.queue,
        retries=headers.get("retries", 0),
        eta=headers.get("eta"),
        body=held.message.body,
    )


class BrokerEnd:
    """The ``Broker`` port of one node."""

    def __init__(self, model: BrokerModel, hands: Hands) -> None:
        self._model, self._hands = model, hands

    @property
    def name(self) -> str:
        """What a banner shows."""
        return f"sim+{self._model.profile.name}://"

    @property
    def address(self) -> str | None:
        """The store of a world stands beside its broker."""
        return f"sim/{self._model.profile.name}"

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Hand over; each message is a step of its own."""
        for outgoing in messages:
            self._hands.pause()
            self._connect(outgoing)
            self._model.put(outgoing, self._hands.say)
        self._hands.pause()

    def consume(
        self,
        queues: Sequence[QueueSpec],
        node: str,
        *,
        unattended: bool = False,  # noqa: ARG002 - a body never blocks its node here
    ) -> Intake:
        """Begin to take from queues."""
        self._hands.pause()
        self._refuse_when_cut()
        return IntakeEnd(self._model, self._hands, queues, node)

    def declare(self, queues: Sequence[QueueSpec]) -> None:
        """Make sure that queues exist."""
        for spec in queues:
            self._model.topology.declare(spec)

    def length(self, queue: str) -> int:
        """How many messages wait in a queue."""
        found = self._model.topology.queues.get(queue)
        return found.length if found else 0

    def purge(self, queue: str) -> int:
        """Throw away what waits in a queue."""
        found = self._model.topology.queues.get(queue)
        gone = found.clear() if found else []
        for held in gone:
            self._hands.say("broker.drop", id=held.message.headers.get("id"), reason="purged")
        return len(gone)

    def ping(self) -> None:
        """Refuse while the node is cut off."""
        self._refuse_when_cut()

    def close(self) -> None:
        """There is nothing to let go of."""

    def _refuse_when_cut(self) -> None:
        if self._hands.link.cut:
            raise OperationalError(f"{self.name}: cannot connect: {self._hands.link.reason}")

    def _connect(self, outgoing: Outgoing) -> None:
        """Try as often and as long as the options say."""
        policy, attempt = outgoing.options.retry, 0
        began_s = self._hands.now_s()
        while self._hands.link.cut:
            if policy is None or (policy.max_retries is not None and attempt >= policy.max_retries):
                self._refuse_when_cut()
            assert policy is not None
            limit_s = outgoing.options.timeout_s
            if limit_s is not None and self._hands.now_s() - began_s >= limit_s:
                self._refuse_when_cut()
            self._hands.sleep(max(policy.pause_s(attempt), _SHORTEST_PAUSE_S))
            attempt += 1


# A policy without pauses must not turn into an endless loop at one moment of virtual time.
_SHORTEST_PAUSE_S: Final = 0.01


class IntakeEnd:
    """The ``Intake`` port of one worker."""

    def __init__(
        self, model: BrokerModel, hands: Hands, queues: Sequence[QueueSpec], node: str
    ) -> None:
        self._model, self._hands, self._node = model, hands, node
        self.queues: dict[str, None] = {}
        self._prefetch = 0
        self._last_tag = 0
        self._turn = 0
        self.wake: Callable[[], None] = _nothing
        self.session = self._begin_session()
        for spec in queues:
            self.add_queue(spec)
        model.intakes[self] = None

    # -- what it is ------------------------------------------------------------------------------

    @property
    def keeps_deliveries(self) -> bool:
        """Leases outlive connections."""
        return self._model.profile.leases

    @property
    def watched(self) -> Sequence[int]:
        """Nothing here is a file; ``wake`` is called instead."""
        return ()

    @property
    def poll_s(self) -> float | None:
        """Never: ``wake`` is called."""
        return None

    # -- taking ----------------------------------------------------------------------------------

    def set_prefetch(self, count: int) -> None:
        """How many may be open at once."""
        self._check()
        self._prefetch = count
        self.wake()

    def receive(self) -> Sequence[Delivery | Malformed]:
        """Take what is there, as far as the prefetch allows, from the queues in turn."""
        self._check()
        room = self._prefetch - self.session.unclaimed if self._prefetch else BATCH
        taken: list[Delivery | Malformed] = []
        while len(taken) < min(room, BATCH):
            held = self._take_one()
            if held is None:
                break
            taken.append(self._deliver(held))
        return taken

    def add_queue(self, queue: QueueSpec) -> None:
        """Take from one more queue."""
        if not queue.no_declare:
            self._model.topology.declare(queue)
        self.queues[queue.name] = None
        self.wake()

    def cancel_queue(self, name: str) -> None:
        """Stop taking from a queue."""
        self.queues.pop(name, None)

    def _take_one(self) -> Held | None:
        names = list(self.queues)
        for place in range(len(names)):
            name = names[(self._turn + place) % len(names)]
            held = self._model.take(name, self._hands.say)
            if held is not None:
                self._turn += place + 1
                return held
        return None

    def _deliver(self, held: Held) -> Delivery:
        self._last_tag += 1
        self.session.unclaimed += 1
        self.session.out[self._last_tag] = Out(held)
        headers = held.message.headers
        self._hands.say(
            "broker.deliver", id=headers.get("id"), task=headers.get("task"), queue=held.queue,
            retries=headers.get("retries", 0), redelivered=held.redelivered,
        )  # fmt: skip
        return Delivery(
            self._last_tag, held.message, held.queue, held.exchange, held.routing_key,
            held.redelivered, held.attempts,
        )  # fmt: skip

    # -- settling --------------------------------------------------------------------------------

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Carry out verdicts, in order; each is a step of its own."""
        for settlement in settlements:
            self._hands.pause()
            self._check()
            self._settle(settlement)
        self._hands.pause()

    def commit(self, completions: Sequence[Completion], store: ResultStore) -> None:
        """Publish, store, settle; one step where the broker can, else three."""
        whole = self._model.profile.atomic_commit and store.address == self._address
        for completion in completions:
            self._hands.pause()
            self._check()
            if self._lost_its_lease(completion):
                continue
            if whole:
                with self._hands.undivided():
                    self._complete(completion, store)
            else:
                self._complete(completion, store)
        self._hands.pause()

    def _complete(self, completion: Completion, store: ResultStore) -> None:
        for outgoing in completion.follow_ups:
            self._check()
            self._model.put(outgoing, self._hands.say)
            self._hands.pause()
        if completion.result is not None:
            self._check()
            store.store((completion.result,))
        if completion.settlement is not None:
            self._check()
            self._settle(completion.settlement)

    def _lost_its_lease(self, completion: Completion) -> bool:
        """Somebody else has the message now; what this run did must not count twice."""
        settlement = completion.settlement
        if not self._model.profile.leases or settlement is None:
            return False
        lost = settlement.tag not in self.session.out
        if lost and completion.result is not None:
            self._hands.say("result.refuse", id=completion.result.task_id, reason="lease lost")
        return lost

    @property
    def _address(self) -> str:
        return f"sim/{self._model.profile.name}"

    def _settle(self, settlement: Settlement) -> None:
        out = self.session.out.get(settlement.tag)
        if out is None:
            return  # claimed and forgotten, or taken back while this worker was away
        what, headers = settlement.verdict, out.held.message.headers
        if what is Verdict.CLAIM and self._model.profile.keeps_claims:
            self.session.unclaimed -= not out.claimed
            out.claimed = True
            self._say("broker.claim", headers)
            return
        del self.session.out[settlement.tag]
        self.session.unclaimed -= not out.claimed
        if what is Verdict.CLAIM:
            self._say("broker.claim", headers)
        elif what is Verdict.ACK:
            self._say("broker.ack", headers)
        elif what is Verdict.REQUEUE:
            out.held.attempts += 1
            self._say("broker.requeue", headers, reason=settlement.reason)
            self._model.give_back(out.held, at_end=self._model.profile.requeues_at_end)
        else:
            self._model.bury(out.held, settlement.reason, self._hands.say)

    def _say(self, what: str, headers: Any, **facts: Any) -> None:
        self._hands.say(
            what, id=headers.get("id"), task=headers.get("task"),
            retries=headers.get("retries", 0), **facts,
        )  # fmt: skip

    # -- leases and connections ------------------------------------------------------------------

    def renew(self) -> float | None:
        """Renew this worker's lease, and take back what others let run out."""
        if not self._model.profile.leases:
            return None
        self._check()
        self.session.lease_until_s = self._hands.now_s() + LEASE_S
        self._model.sweep(self._hands.say)
        return RENEW_S

    def lost_claims(self) -> Sequence[LostMessage]:
        """What was dead-lettered of lost workers since somebody last asked."""
        lost, self._model.lost_claims = self._model.lost_claims, []
        return lost

    def lost_tags(self) -> Sequence[int]:
        """What others have taken over of this worker since it last asked."""
        lost, self.session.taken_over = self.session.taken_over, []
        return lost

    def reconnect(self) -> None:
        """Try once."""
        self._hands.pause()
        if self._hands.link.cut:
            raise BrokerLostError(self._address, self._hands.link.reason)
        if self.session.open:
            return
        if self._model.profile.leases and self.session in self._model.sessions:
            self.session.open = True
        else:
            self.session = self._begin_session()
        self.wake()

    def close(self) -> None:
        """Hand back what is unsettled and unclaimed, as nobody's fault."""
        self._model.intakes.pop(self, None)
        for tag, out in reversed(list(self.session.out.items())):
            if not out.claimed:
                del self.session.out[tag]
                self._say("broker.requeue", out.held.message.headers, reason="closed")
                self._model.give_back(out.held, at_end=False)
        self.session.open = False
        if not self.session.out:
            self._model.sessions.pop(self.session, None)

    def vanish(self) -> None:
        """Its node died."""
        self._model.intakes.pop(self, None)
        self._model.lose(self.session, self._hands.say)

    def break_off(self) -> None:
        """Its connection broke."""
        self._model.lose(self.session, self._hands.say)
        self.wake()

    def _begin_session(self) -> Session:
        session = Session(self._node, self._hands.now_s() + LEASE_S)
        self._model.sessions[session] = None
        return session

    def _check(self) -> None:
        if not self.session.open:
            raise BrokerLostError(self._address, self._hands.link.reason)


def _nothing() -> None:
    """Nobody drives this intake yet."""
