"""The server: one in a world."""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import ceil

from taskq.ports import LostMessage, Outgoing, Revocation
from taskq_testing.sim.broker.editing import Editors
from taskq_testing.sim.broker.letters import DeadLetters
from taskq_testing.sim.broker.parking import Parked, ParkingLot
from taskq_testing.sim.broker.sessions import Out, Session, Taker
from taskq_testing.sim.hands import Hands, Say
from taskq_testing.sim.link import Troubles
from taskq_testing.sim.profiles import LEASE_S, Profile
from taskq_testing.sim.topology import Held, Topology


class BrokerModel:
    """The server."""

    def __init__(
        self,
        profile: Profile,
        now_s: Callable[[], float],
        start_s: float = 0.0,
        lease_s: float = LEASE_S,
    ) -> None:
        self.profile, self.lease_s = profile, lease_s
        self.topology = Topology(profile)
        self.dead = DeadLetters()
        self.parking = ParkingLot()
        self.revocations: dict[object, Revocation] = {}
        self.sessions: dict[Session, None] = {}
        self.takers: dict[Taker, None] = {}
        # What is wrong with it, and with what comes to it.
        self.troubles = Troubles()
        self.editors = Editors()
        self.withheld: dict[str, None] = {}  # queues that give nothing out
        self.deaf: dict[str, None] = {}  # queues that nothing reaches
        self.delivery_limit: int | None = None  # how often it gives a message out again
        self._now_s, self._start_s = now_s, start_s
        self._arrivals = 0

    @property
    def wall_s(self) -> float:
        """The server's own clock."""
        return self._start_s + self._now_s()

    # -- messages come and go -----------------------------------------------------------------

    def put(self, outgoing: Outgoing, say: Say) -> None:
        """Route one message, or what its way has made of it."""
        if not self.editors:
            self._put(outgoing, say)
            return
        for arrived in self.editors.edit(outgoing):
            self._put(arrived, say)

    def _put(self, outgoing: Outgoing, say: Say) -> None:
        for spec in outgoing.declare:
            self.topology.declare(spec)
        queues = self.topology.route(outgoing, self._now_s())
        _say_sent(outgoing, queues, say)
        if not queues:
            _say_unroutable(outgoing, say)
        for name in queues:
            if name in self.deaf:
                say("broker.drop", id=outgoing.message.headers.get("id"), reason="nobody heard it")
                continue
            held = Held(
                self._next_number(), outgoing.message, name, outgoing.exchange, outgoing.routing_key
            )
            held.arrived_at_s = self._now_s()
            held.expires_at_s = self._expiry(outgoing)
            self.topology.queue(name).put(held)
            self.wake_takers(name)

    def put_raw(self, queue: str, raw: bytes, reason: str) -> None:
        """Somebody else writes what is no message."""
        held = Held.malformed_one(self._next_number(), queue, raw, reason)
        self.topology.queue(queue).put(held)
        self.wake_takers(queue)

    def take(self, name: str, say: Say) -> Held | None:
        """The next message of a queue that has not expired."""
        queue = None if name in self.withheld else self.topology.queues.get(name)
        while queue is not None and (held := queue.take()) is not None:
            if held.expires_at_s is None or held.expires_at_s > self._now_s():
                return held
            say("broker.drop", id=held.task_id, reason="expired", queue=name)
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

    def wake_takers(self, queue: str) -> None:
        """Everybody who takes from a queue may find something in it."""
        for taker in list(self.takers):
            if queue in taker.queues:
                taker.wake()

    # -- what waits for its time ----------------------------------------------------------------

    def park(self, held: Held, due_s: float, by: Hands) -> None:
        """Keep a message until its time."""
        if self.profile.parks_for is None:
            leaves_at_s = due_s - self._start_s  # the server's clock decides
        else:
            # Who parks says for how long, by its own clock.
            step_s = self.profile.parks_for
            leaves_at_s = self._now_s() + ceil((due_s - by.wall_s()) / step_s) * step_s
        self.parking.park(held, due_s, max(leaves_at_s, self._now_s()), by)
        by.say("broker.park", id=held.task_id, task=held.task, retries=held.retries, due_s=due_s)
        self.wake_takers(held.queue)  # it may be the first that is due

    def hasten(self, some: Collection[Parked]) -> int:
        """Let some be due now; returns how many had still to wait."""
        count = self.parking.hasten(some, self._now_s())
        for queue in {each.held.queue for each in some}:
            self.wake_takers(queue)
        return count

    def unpark(self, say: Say) -> None:
        """What is due stands in its queue again."""
        for held in self.parking.leave(self._now_s()):
            say("broker.due", id=held.task_id, task=held.task, retries=held.retries)
            held.number = self._next_number()
            self.topology.queue(held.queue).put(held)
            self.wake_takers(held.queue)

    # -- what nobody gets ------------------------------------------------------------------------

    def bury(self, held: Held, reason: str, node: str, say: Say) -> None:
        """A message goes to the dead letters."""
        self.dead.bury(held, reason, node, self.wall_s)
        say("broker.dead", id=held.task_id, task=held.task, reason=reason)

    # -- what the server itself loses ------------------------------------------------------------

    def forget(self, lost: Callable[[Held], bool], reason: str, say: Say) -> int:
        """Lose some of what waits; returns how much that was."""
        count = 0
        for queue in self.topology.queues.values():
            for held in queue.remove(lost):
                say("broker.drop", id=held.task_id, reason=reason, retries=held.retries)
                count += 1
        return count

    # -- consumers that are gone ----------------------------------------------------------------

    def lose(self, session: Session, say: Say) -> None:
        """A connection broke.  With leases nothing follows until the lease is over."""
        session.open = False
        if not self.profile.leases:
            self._restore(session, None, say)

    def sweep(self, finder: Session, say: Say) -> None:
        """Take back what is out under leases that are over."""
        now_s = self._now_s()
        for session in list(self.sessions):
            if session.is_over(now_s):
                self._restore(session, finder, say)

    def forgotten_lease_s(self) -> float | None:
        """When the first lease ends that nobody renews and that holds messages."""
        ends = [s.lease_until_s for s in self.sessions if not s.open and s.out]
        return min(ends, default=None)

    def let_go(self) -> None:
        """The world is over: nobody takes any more.  What waits can still be looked at."""
        self.takers.clear()

    def _restore(self, session: Session, finder: Session | None, say: Say) -> None:
        if not session.open:
            self.sessions.pop(session, None)
        out, session.out, session.unclaimed = session.out, {}, 0
        session.taken_over += out
        for one in reversed(out.values()):
            if one.claimed:
                assert finder is not None, "who keeps claims keeps leases"
                self._pass_on(one, session.node, finder, say)
                continue
            held = one.held
            held.returned += 1
            if self.delivery_limit is not None and held.returned > self.delivery_limit:
                say("broker.drop", id=held.task_id, reason="delivery limit", retries=held.retries)
                continue
            if self.profile.counts_attempts:
                held.attempts += 1
            else:
                held.uncounted = not held.malformed
            say("broker.restore", id=held.task_id, task=held.task, of=session.node)
            self.give_back(held, at_end=False)

    def _pass_on(self, out: Out, node: str, finder: Session, say: Say) -> None:
        """Under the finder's lease from now on, so that somebody finds it should he be lost."""
        held, lost_of = out.held, out.lost_of or node
        tag = finder.give(Out(held, claimed=True, lost_of=lost_of))
        say("broker.find", id=held.task_id, task=held.task, of=lost_of)
        reason = "worker lost after the body may have started"
        finder.found.append(
            LostMessage(
                tag, held.message, held.queue, held.exchange, held.routing_key, lost_of, reason
            )
        )

    def _next_number(self) -> int:
        self._arrivals += 1
        return self._arrivals

    def _expiry(self, outgoing: Outgoing) -> float | None:
        expiration = outgoing.message.properties.get("expiration")
        if expiration is None or not self.profile.message_ttl:
            return None
        return self._now_s() + float(expiration) / 1000


def _say_sent(outgoing: Outgoing, queues: list[str], say: Say) -> None:
    headers, body = outgoing.message.headers, outgoing.message.body
    if "task" not in headers:
        say("message.send", exchange=outgoing.exchange, key=outgoing.routing_key, body=body)
        return
    for queue in queues:
        say(
            "task.send",
            id=headers.get("id"),
            task=headers.get("task"),
            queue=queue,
            retries=headers.get("retries", 0),
            eta=headers.get("eta"),
            body=body,
            message=outgoing.message,
        )


def _say_unroutable(outgoing: Outgoing, say: Say) -> None:
    headers = outgoing.message.headers
    if "task" in headers:  # events that nobody listens to are no loss
        say(
            "broker.drop",
            id=headers.get("id"),
            reason="no queue is bound",
            exchange=outgoing.exchange,
            routing_key=outgoing.routing_key,
        )
