"""One worker's end of the broker: the ``Intake`` port."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from taskq.errors import BrokerLostError, OperationalError
from taskq.ports import (
    ChordFull,
    Completion,
    Delivery,
    LostMessage,
    Malformed,
    Outgoing,
    QueueSpec,
    ResultStore,
    Settlement,
    Verdict,
    end_chords,
    grow_chords,
    weigh_chords,
)
from taskq_testing.sim.broker.model import BrokerModel
from taskq_testing.sim.broker.sessions import Out, Session
from taskq_testing.sim.hands import Hands
from taskq_testing.sim.link import Call
from taskq_testing.sim.profiles import RENEWALS
from taskq_testing.sim.store import StoreEnd, Weighed
from taskq_testing.sim.topology import Held

# How many messages one call of ``receive`` brings at most.
BATCH: Final = 256


class IntakeEnd:
    """The ``Intake`` port of one worker."""

    def __init__(
        self,
        model: BrokerModel,
        hands: Hands,
        queues: Sequence[QueueSpec],
        node: str,
        *,
        unattended: bool = False,
    ) -> None:
        self._model, self._hands, self._node = model, hands, node
        self._unattended = unattended
        self.queues: dict[str, None] = {}
        self._prefetch = 0
        self._turn = 0
        # How many follow-ups of a commit are out, while the rest of it is tried again.
        self._published: dict[int | None, int] = {}
        self._forgotten: dict[int, Held] = {}  # claimed, where the broker keeps no claims
        # Given out along with a commit, or in a reply that was lost.
        self._untold: list[Delivery | Malformed] = []
        self.wake: Callable[[], None] = _nothing
        self.session = self._begin_session(0)
        for spec in queues:
            self.add_queue(spec)
        model.takers[self] = None

    # -- what it is ------------------------------------------------------------------------------

    @property
    def keeps_deliveries(self) -> bool:
        """Leases outlive connections."""
        return self._model.profile.leases

    @property
    def parks(self) -> bool:
        """Both kinds do."""
        return True

    @property
    def watched(self) -> Sequence[int]:
        """Nothing here is a file; ``wake`` is called instead."""
        return ()

    @property
    def poll_s(self) -> float | None:
        """Never: ``wake`` is called, and ``due_at_s`` says when something parked comes."""
        return None

    @property
    def due_at_s(self) -> float | None:
        """When the next parked message comes back to one of its queues."""
        return self._model.parking.next_at_s(self.queues)

    @property
    def handed_over(self) -> Sequence[Held]:
        """What was claimed and is not ended, where the broker keeps no claims."""
        return list(self._forgotten.values())

    # -- taking ----------------------------------------------------------------------------------

    def set_prefetch(self, count: int) -> None:
        """How many may be open at once."""
        self._check()
        self._prefetch = count
        self.wake()

    def receive(self) -> Sequence[Delivery | Malformed]:
        """Take what is there, as far as the prefetch allows, from the queues in turn."""
        self._enter(Call.TAKE)
        self._model.unpark(self._hands.say)
        room = self._prefetch - self.session.unclaimed if self._prefetch else BATCH
        taken = [one for one in self._untold if one.tag in self.session.out]
        self._untold = []
        while len(taken) < min(room, BATCH):
            held = self._take_one()
            if held is None:
                break
            tag = self.session.give(Out(held, since_s=self._hands.now_s()))
            if held.uncounted:
                self._count_again(tag, held)
            else:
                taken.append(self._deliver(tag, held))
        self._hear(taken)
        return taken

    def _hear(self, taken: list[Delivery | Malformed]) -> None:
        """Get the reply; where leases outlive connections, what was in a lost one is asked for."""
        try:
            self._hands.come(self._hands.link, Call.TAKE)
        except OperationalError:
            self._untold = taken if self._model.profile.leases else []
            raise

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

    def _count_again(self, tag: int, held: Held) -> None:
        """It came again as nobody knows why: sent anew with its count, behind those that wait."""
        counted = held.copy()
        counted.uncounted = False
        counted.attempts += 1
        self._model.give_back(counted, at_end=True)
        self._hands.pause()
        self._check()
        self.session.drop(tag)

    def _deliver(self, tag: int, held: Held, *, claimed: bool = False) -> Delivery | Malformed:
        self._hands.say(
            "broker.deliver", id=held.task_id, task=held.task, queue=held.queue,
            retries=held.retries, redelivered=held.redelivered,
        )  # fmt: skip
        if held.malformed:
            return Malformed(tag, held.queue, held.message.body, held.malformed)
        return Delivery(
            tag, held.message, held.queue, held.exchange, held.routing_key,
            held.redelivered, held.attempts, claimed,
        )  # fmt: skip

    # -- settling --------------------------------------------------------------------------------

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Carry out verdicts, in order; each is a step of its own."""
        for settlement in settlements:
            self._hands.pause()
            self._enter(Call.SETTLE)
            self._settle(settlement)
            self._hands.come(self._hands.link, Call.SETTLE)
        self._hands.pause()

    def commit(self, completions: Sequence[Completion], store: ResultStore) -> Sequence[ChordFull]:
        """Publish, store, count, settle; one step where the broker can, else each on its own."""
        atomic = self._model.profile.atomic_commit
        together = atomic and store.address == self._address
        full: list[ChordFull] = []
        for number, completion in enumerate(completions):
            # A store elsewhere is no matter where nothing is stored.
            whole = together or (atomic and not completion.uses_store)
            self._hands.pause()
            self._check()
            if whole:
                self._enter(Call.COMMIT)
            if self._lost_its_lease(completion):
                continue
            if whole:
                with self._hands.undivided():
                    missing = self._complete_at_once(number, completion, store)
                self._hands.come(self._hands.link, Call.COMMIT)
            else:
                missing = self._complete(number, completion, store)
            if missing is not None:
                full.append(missing)
        self._hands.pause()
        return full

    def commit_and_take(
        self, completions: Sequence[Completion], store: ResultStore
    ) -> Sequence[ChordFull]:
        """The same, and take, where the broker can."""
        full = self.commit(completions, store)
        together = store.address == self._address or not any(one.uses_store for one in completions)
        if self._model.profile.atomic_commit and together:
            self._check()
            with self._hands.undivided():
                self._take_along(completions)
            try:
                self._hands.come(self._hands.link, Call.COMMIT)
            except OperationalError:
                self._forget_claims()
                raise
            self._hands.pause()
        return full

    def _take_along(self, completions: Sequence[Completion]) -> None:
        """Take as ``receive`` does; claim what is to begin, if it is among the first."""
        begins = [one.follow_ups[n].message for one in completions for n in one.begins]
        room = self._prefetch - self.session.unclaimed if self._prefetch else BATCH
        for place in range(min(room, BATCH)):
            held = self._take_one()
            if held is None:
                return
            out = Out(held, since_s=self._hands.now_s())
            tag = self.session.give(out)
            claims = place < len(begins) and any(held.message is message for message in begins)
            self._untold.append(self._deliver(tag, held, claimed=claims))
            if claims:
                self._claim(tag, out)

    def _forget_claims(self) -> None:
        """What came along in a reply that was lost has not begun, and is claimed anew."""
        session = self.session
        for number, one in enumerate(self._untold):
            if isinstance(one, Delivery) and one.claimed and one.tag in session.out:
                session.unclaimed += session.out[one.tag].claimed
                session.out[one.tag].claimed = False
                self._untold[number] = replace(one, claimed=False)

    def _complete_at_once(
        self, number: int, completion: Completion, store: ResultStore
    ) -> ChordFull | None:
        """Look at the chords first: where an ending is missing, nothing is done."""
        grow_chords((completion,), store)
        counted: Weighed | None = None
        if completion.chord is not None:
            weighed = _of_this_world(store).weigh(number, completion)
            if isinstance(weighed, ChordFull):
                return weighed
            counted = weighed
        self._publish(completion.follow_ups)
        if completion.result is not None:
            store.store((completion.result,))
        if counted is not None:
            _of_this_world(store).count(counted, self._publish)
        if completion.settlement is not None:
            self._settle(completion.settlement)
        return None

    def _complete(
        self, number: int, completion: Completion, store: ResultStore
    ) -> ChordFull | None:
        tag = None if completion.settlement is None else completion.settlement.tag
        grow_chords((completion,), store)
        # What is committed again with the ending of its chord has its own follow-ups out.
        follow_ups = () if completion.goes_on else completion.follow_ups
        for outgoing in follow_ups[self._published.get(tag, 0) :]:
            self._publish((outgoing,))
            if tag is not None:
                self._published[tag] = self._published.get(tag, 0) + 1
            self._hands.pause()
        if completion.result is not None and not completion.goes_on:
            self._check()
            store.store((completion.result,))
        due = weigh_chords(number, completion, store)
        if isinstance(due, ChordFull):
            return due
        end_chords(due, store, self._publish)
        if completion.settlement is not None:
            self._enter(Call.SETTLE)
            self._settle(completion.settlement)
            self._published.pop(tag, None)
            self._hands.come(self._hands.link, Call.SETTLE)
        return None

    def _publish(self, messages: Sequence[Outgoing]) -> None:
        for outgoing in messages:
            self._hands.pause()
            self._enter(Call.PUBLISH, len(outgoing.message.body))
            self._model.put(outgoing, self._hands.say)
            self._hands.come(self._hands.link, Call.PUBLISH)

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
            self._settle_forgotten(settlement)
        elif settlement.verdict is Verdict.CLAIM:
            self._claim(settlement.tag, out)
        elif self._takes_two_steps(settlement, out.held):
            # Sent again, then done with here: killed in between, there are two of it.
            self._carry_out(settlement, out.held.copy(), anew=True)
            self._hands.pause()
            self._check()
            if settlement.tag in self.session.out:
                self.session.drop(settlement.tag)
        else:
            self.session.drop(settlement.tag)
            self._carry_out(settlement, out.held)

    def _claim(self, tag: int, out: Out) -> None:
        self._say("broker.claim", out.held)
        if self._model.profile.keeps_claims:
            self.session.unclaimed -= not out.claimed
            out.claimed = True
        else:
            self._forgotten[tag] = self.session.drop(tag).held

    def _settle_forgotten(self, settlement: Settlement) -> None:
        """The broker has forgotten it, or others have it; what was claimed can be sent again."""
        held = self._forgotten.pop(settlement.tag, None)
        if held is not None and settlement.verdict is not Verdict.ACK:
            self._carry_out(settlement, held, anew=True)

    def _takes_two_steps(self, settlement: Settlement, held: Held) -> bool:
        """Where a broker has no answer of its own, the message is sent to where it is to be."""
        if self._model.profile.atomic_commit:
            return False
        if settlement.verdict is Verdict.REQUEUE:
            return settlement.attempted or held.attempts > 0  # a count can only be sent anew
        return settlement.verdict in {Verdict.PARK, Verdict.REJECT}

    def _carry_out(self, settlement: Settlement, held: Held, *, anew: bool = False) -> None:
        match settlement.verdict:
            case Verdict.ACK:
                self._say("broker.ack", held)
            case Verdict.REQUEUE:
                held.attempts += settlement.attempted
                self._say("broker.requeue", held, reason=settlement.reason)
                at_end = anew or self._model.profile.requeues_at_end
                self._model.give_back(held, at_end=at_end)
            case Verdict.REJECT:
                self._model.bury(held, settlement.reason, self._node, self._hands.say)
            case Verdict.PARK:
                self._park(held, settlement)
            case Verdict.CLAIM:
                raise AssertionError("a claim leaves the message where it is")

    def _park(self, held: Held, settlement: Settlement) -> None:
        assert settlement.due_s is not None, "what is parked has a time"
        self._model.park(held, settlement.due_s, self._hands)

    def _say(self, what: str, held: Held, **facts: Any) -> None:
        self._hands.say(what, id=held.task_id, task=held.task, retries=held.retries, **facts)

    # -- leases and connections ------------------------------------------------------------------

    def renew(self) -> float | None:
        """Renew this worker's lease, and take back what others let run out."""
        if not self._model.profile.leases:
            return None
        self._enter(Call.RENEW)
        self.session.lease_until_s = self._hands.now_s() + self._model.lease_s
        self._model.sweep(self.session, self._hands.say)
        return self._model.lease_s / RENEWALS

    def lost_claims(self) -> Sequence[LostMessage]:
        """What was found of lost workers since the last call."""
        lost, self.session.found = self.session.found, []
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
        self._hands.go(self._hands.link, Call.CONNECT)
        if self._model.profile.leases and self.session in self._model.sessions:
            self.session.open = True
        else:
            if self.session.open:  # a connection that works is given up
                self._model.lose(self.session, self._hands.say)
            self.session = self._begin_session(self.session.last_tag)
        self.wake()

    def close(self) -> None:
        """Hand back what is unsettled and unclaimed, as nobody's fault."""
        self._model.takers.pop(self, None)
        unread = {one.tag for one in self._untold}
        for tag, out in reversed(list(self.session.out.items())):
            if not out.claimed or tag in unread:
                self.session.drop(tag)
                self._say("broker.requeue", out.held, reason="closed")
                self._model.give_back(out.held, at_end=False)
        self.session.open = False
        if not self.session.out:
            self._model.sessions.pop(self.session, None)

    def vanish(self) -> None:
        """Its node died."""
        self._model.takers.pop(self, None)
        self._model.lose(self.session, self._hands.say)

    def vanish_quietly(self) -> None:
        """The broker gave it up; it notices when it calls next."""
        self._hands.link.reason = "the broker closed the connection"
        self._model.lose(self.session, self._hands.say)

    def break_off(self) -> None:
        """Its connection broke."""
        self._model.lose(self.session, self._hands.say)
        self.wake()

    def _begin_session(self, last_tag: int) -> Session:
        ends_s = self._hands.now_s() + self._model.lease_s
        session = Session(self._node, ends_s, unattended=self._unattended)
        session.last_tag = last_tag  # a tag means one delivery, also over connections
        self._model.sessions[session] = None
        return session

    def _enter(self, call: Call, size: int = 0) -> None:
        """Come to the server; a connection that breaks meanwhile is lost."""
        self._check()
        self._hands.go(self._hands.link, call, size)
        self._check()

    def _check(self) -> None:
        if not self.session.open:
            raise BrokerLostError(self._address, self._hands.link.reason)


def _of_this_world(store: ResultStore) -> StoreEnd:
    assert isinstance(store, StoreEnd), "what has the address of a world is its store"
    return store


def _nothing() -> None:
    """Nobody drives this intake yet."""
