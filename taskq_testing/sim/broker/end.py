"""The broker as one node sees it: the ``Broker`` port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from taskq.errors import OperationalError
from taskq.ports import Inbox, Intake, Outgoing, PublishOptions, QueueSpec
from taskq_testing.sim.awaited import Awaited, Waiting
from taskq_testing.sim.broker.inbox import InboxEnd
from taskq_testing.sim.broker.intake import IntakeEnd
from taskq_testing.sim.broker.model import BrokerModel
from taskq_testing.sim.hands import Hands
from taskq_testing.sim.link import Call

# A policy without pauses must not turn into an endless loop at one moment of virtual time.
SHORTEST_PAUSE_S: Final = 0.01
# Who ran out of time in a pause between two attempts looks at the clock after it.
LONGEST_PAUSE_S: Final = 1.0


class BrokerEnd:
    """The ``Broker`` port of one node."""

    def __init__(self, model: BrokerModel, hands: Hands, wait: Waiting | None = None) -> None:
        self._model, self._hands = model, hands
        self._wait = wait or self._let_time_pass

    @property
    def name(self) -> str:
        """What a banner shows."""
        return f"sim+{self._model.profile.name}://"

    @property
    def address(self) -> str | None:
        """The store of a world stands beside its broker, where both can share a step."""
        profile = self._model.profile
        return f"sim/{profile.name}" if profile.atomic_commit else None

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Hand over; each message is a step of its own."""
        for outgoing in messages:
            self._hands.pause()
            began_s = self._hands.now_s()
            try:
                self._hand_over(outgoing)
            finally:
                self._judge(outgoing.options.timeout_s, self._hands.now_s() - began_s)
        self._hands.pause()

    def consume(
        self,
        queues: Sequence[QueueSpec],
        node: str,
        *,
        unattended: bool = False,
    ) -> Intake:
        """Begin to take from queues."""
        self._hands.pause()
        self._reach(Call.CONNECT)
        return IntakeEnd(self._model, self._hands, queues, node, unattended=unattended)

    def listen(self, queue: QueueSpec) -> Inbox:
        """Begin to listen."""
        self._hands.pause()
        self._reach(Call.CONNECT)
        return InboxEnd(self._model, self._hands, queue, self._wait)

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
            self._hands.say("broker.drop", id=held.task_id, reason="purged")
        return len(gone)

    def ping(self) -> None:
        """Refuse while the node is cut off."""
        self._reach(Call.LOOK)

    def close(self) -> None:
        """There is nothing to let go of."""

    def _reach(self, call: Call, size: int = 0, limit_s: float | None = None) -> None:
        """Come to the server, or say why not."""
        if self._hands.link.cut:
            raise OperationalError(f"{self.name}: cannot connect: {self._hands.link.reason}")
        self._hands.go(self._hands.link, call, size, limit_s)

    def _judge(self, limit_s: float | None, took_s: float) -> None:
        if limit_s is not None and took_s > limit_s + LONGEST_PAUSE_S:
            self._hands.say("call.late", call="publish", took_s=took_s, limit_s=limit_s)

    def _hand_over(self, outgoing: Outgoing) -> None:
        """Try as often and as long as the options say; what is unknown is sent once more."""
        options, attempt = outgoing.options, 0
        began_s = self._hands.now_s()
        while True:
            try:
                self._put(outgoing, self._left_s(options, began_s))
            except OperationalError:
                policy, left_s = options.retry, self._left_s(options, began_s)
                spent = policy is None or (
                    policy.max_retries is not None and attempt >= policy.max_retries
                )
                if policy is None or spent or (left_s is not None and left_s <= 0):
                    raise
                self._hands.sleep(max(policy.pause_s(attempt), SHORTEST_PAUSE_S))
                attempt += 1
            else:
                return

    def _put(self, outgoing: Outgoing, limit_s: float | None) -> None:
        self._reach(Call.PUBLISH, len(outgoing.message.body), limit_s)
        self._model.put(outgoing, self._hands.say)
        self._hands.come(self._hands.link, Call.PUBLISH)

    def _left_s(self, options: PublishOptions, began_s: float) -> float | None:
        """How much is left of the time that the sender has."""
        if options.timeout_s is None:
            return None
        return max(began_s + options.timeout_s - self._hands.now_s(), 0.0)

    def _let_time_pass(self, awaited: Awaited) -> None:
        """Nobody else can wake whoever waits."""
        assert awaited.timeout_s is not None, "an inbox is not waited for without a limit"
        self._hands.sleep(awaited.timeout_s)
