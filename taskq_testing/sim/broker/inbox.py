"""One listener's end of an exchange: the ``Inbox`` port."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from taskq.errors import BrokerLostError
from taskq.ports import Message, QueueSpec
from taskq_testing.sim.awaited import Waiting
from taskq_testing.sim.broker.model import BrokerModel
from taskq_testing.sim.hands import Hands
from taskq_testing.sim.link import Call


class InboxEnd:
    """The ``Inbox`` port of one listener, with a queue of its own."""

    def __init__(self, model: BrokerModel, hands: Hands, queue: QueueSpec, wait: Waiting) -> None:
        self._model, self._hands, self._spec, self._wait = model, hands, queue, wait
        self.queues = {queue.name: None}
        self.wakes: dict[Callable[[], None], None] = {}
        self._open = True
        self._begin()

    @property
    def watched(self) -> Sequence[int]:
        """Nothing here is a file; whoever is in ``wakes`` is called instead."""
        return ()

    @property
    def poll_s(self) -> float | None:
        """Never."""
        return None

    def wake(self) -> None:
        """There may be something."""
        for wake in list(self.wakes):
            wake()

    def receive(self) -> Sequence[Message]:
        """Return what has come since the last call."""
        self._check()
        messages: list[Message] = []
        while (held := self._model.take(self._spec.name, self._hands.say)) is not None:
            if not held.malformed:
                messages.append(held.message)
        return messages

    def wait(self, timeout_s: float) -> None:
        """Return when ``receive`` may have something, or the time is over."""
        self._check()
        awaited = AwaitedMessage(self, timeout_s)
        if not awaited.there:
            self._wait(awaited)

    @property
    def has_some(self) -> bool:
        """Whether there is something that nobody has read."""
        queue = self._model.topology.queues.get(self._spec.name)
        return not self._open or (queue is not None and queue.length > 0)

    def reconnect(self) -> None:
        """Try once to listen again."""
        self._hands.pause()
        if self._hands.link.cut:
            raise BrokerLostError(self._address, self._hands.link.reason)
        self._hands.go(self._hands.link, Call.CONNECT)
        if not self._open:
            self._open = True
            self._begin()

    def close(self) -> None:
        """Listen no longer; the queue goes."""
        self._model.takers.pop(self, None)
        self._model.topology.remove(self._spec.name)

    def vanish(self) -> None:
        """Its node died."""
        self._open = False
        self._model.takers.pop(self, None)
        self._leave()

    def break_off(self) -> None:
        """Its connection broke."""
        self._open = False
        self._leave()
        self.wake()

    def of(self, hands: Hands) -> bool:
        """Whether it is a node's own."""
        return self._hands is hands

    def _begin(self) -> None:
        self._model.topology.declare(self._spec)
        self._model.topology.queue(self._spec.name).goes_at_s = None
        self._model.takers[self] = None

    def _leave(self) -> None:
        """What stays of it: a list, until its time is over; nothing where it goes with the link."""
        keeps = self._model.profile.keeps_lists and self._spec.exchange.type != "fanout"
        if keeps and self._spec.expires_s is not None:
            queue = self._model.topology.queue(self._spec.name)
            queue.goes_at_s = self._hands.now_s() + self._spec.expires_s
        else:
            self._model.topology.remove(self._spec.name)

    @property
    def _address(self) -> str:
        return f"sim/{self._model.profile.name}"

    def _check(self) -> None:
        if not self._open:
            raise BrokerLostError(self._address, self._hands.link.reason)


@dataclass(frozen=True, slots=True)
class AwaitedMessage:
    """Somebody waits for a message."""

    inbox: InboxEnd
    timeout_s: float | None

    @property
    def wakes(self) -> dict[Callable[[], None], None]:
        """Called when there is news."""
        return self.inbox.wakes

    @property
    def there(self) -> bool:
        """There is something to read."""
        return self.inbox.has_some

    def some(self) -> Sequence[str]:
        """It is about no task."""
        return ()

    def __str__(self) -> str:
        return f"a message to {next(iter(self.inbox.queues))}"
