"""Results as messages: ``rpc://``.  Each goes to the reply queue that its caller named.

Made by ``taskq.wiring`` on the app's broker.  Replies come over connections without heartbeats:
nobody sends any while a client does something else, and a connection that the broker gives up
takes its queue along.

A client thread has one reply queue, named by its oid.  ``ListeningBroker`` makes sure that the
queue exists before a task is sent whose result will go there.  What a queue brings is kept for
all threads of the process: a thread that waits reads for the others too, one at a time.
"""

from __future__ import annotations

import os
import select
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

from taskq.adapters.broker.errors import BrokerGoneError
from taskq.adapters.results.keeping_none import KeepsNoGroups
from taskq.adapters.results.mailboxes import Mailboxes
from taskq.adapters.results.redis_records import state_of
from taskq.ports import (
    Broker,
    Clock,
    Delivery,
    ExchangeSpec,
    Intake,
    Message,
    Outgoing,
    QueueSpec,
    ResultRecord,
    Settlement,
    Verdict,
)
from taskq.states import is_less_final

DEFAULT_EXPIRES_S: Final = 86_400.0
# Results that came and that nobody has asked for yet: what one process keeps of them.
MAX_KEPT: Final = 100_000
# How long one look at the sockets takes, before another thread may have its turn.
TURN_S: Final = 0.5
# How long a thread leaves the reading to another one before it tries again to do it.
FOLLOW_S: Final = 0.05

TRANSIENT, PERSISTENT = 1, 2


class ChordsNotCountedError(NotImplementedError):
    """A chord or a saved group was asked for, and messages cannot keep them."""

    def __init__(self, wanted: str) -> None:
        super().__init__(wanted)
        self.wanted = wanted

    def __str__(self) -> str:
        return (
            f"{self.wanted}: the rpc result backend keeps nothing; for chords and saved groups set"
            " result_backend to a store that can: 'redis://', or within one process"
            " 'cache+memory://'"
        )


class ReplyQueue:
    """One thread's queue; whoever reads from it holds its lock."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.lock = threading.Lock()
        self.owner = threading.current_thread()


class RpcStore(KeepsNoGroups):
    """Implements ``ports.ResultStore`` on any broker."""

    def __init__(
        self,
        broker: Broker,
        *,
        oid: Callable[[], str],
        clock: Clock,
        persistent: bool = False,
        expires_s: float | None = DEFAULT_EXPIRES_S,
    ) -> None:
        self._broker, self._oid, self._clock = broker, oid, clock
        # Brokers whose connections need no attention have no such method.
        quiet: Callable[[], Broker] | None = getattr(broker, "without_heartbeats", None)
        self._listening: Broker = broker if quiet is None else quiet()
        self._delivery_mode = PERSISTENT if persistent else TRANSIENT
        self._expires_s = expires_s
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._mailboxes = Mailboxes()
        self._replies: dict[str, ReplyQueue] = {}
        self._kept: OrderedDict[str, ResultRecord] = OrderedDict()

    @property
    def name(self) -> str:
        """What the banner of a worker shows."""
        return "rpc://"

    # -- the worker's side -----------------------------------------------------------------------

    def store(self, records: Sequence[ResultRecord]) -> None:
        """Send each to who asked for it; one that names nobody goes nowhere."""
        outgoing = [self._outgoing(record) for record in records if record.reply_to]
        if outgoing:
            self._broker.publish(outgoing)

    def _outgoing(self, record: ResultRecord) -> Outgoing:
        message = Message(
            headers={},
            body=record.payload,
            content_type=record.content_type,
            content_encoding=record.content_encoding,
            properties={
                "correlation_id": record.correlation_id or record.task_id,
                "delivery_mode": self._delivery_mode,
                "priority": 0,
            },
        )
        return Outgoing(message, exchange="", routing_key=record.reply_to or "")

    # -- the client's side -----------------------------------------------------------------------

    def expect(self, reply_to: str) -> None:
        """Make sure that this thread's queue is there, if that is what is meant."""
        if reply_to not in self._queues_here() and reply_to == self._oid():
            self._open(reply_to)

    def load(self, task_ids: Sequence[str]) -> Sequence[ResultRecord | None]:
        """Return what has come so far."""
        self._open_own()
        self._read(0)
        return [self._kept.get(task_id) for task_id in task_ids]

    def wait(self, task_ids: Sequence[str], timeout_s: float | None) -> Sequence[ResultRecord]:
        """Return when something has come, or the time is over."""
        self._open_own()
        if self._mailboxes.listen(task_ids):
            timeout_s = 0
        start_s = self._clock.read().elapsed_s
        while True:
            left_s = TURN_S
            if timeout_s is not None:
                left_s = max(0.0, start_s + timeout_s - self._clock.read().elapsed_s)
            over = timeout_s is not None and left_s <= 0
            try:
                leads = self._read(min(left_s, TURN_S), unless=task_ids)
            except BrokerGoneError:
                if over:
                    raise
                leads = False  # the next turn connects again
            if not leads:
                self._mailboxes.pause(task_ids, min(left_s, FOLLOW_S))
            letters = self._mailboxes.take(task_ids)
            if letters or over:
                return letters

    def stop_waiting(self, task_ids: Sequence[str]) -> None:
        """This thread waits for these no more."""
        self._mailboxes.stop(task_ids)

    def forget(self, task_ids: Sequence[str]) -> None:
        """Drop what has come."""
        with self._lock:
            for task_id in task_ids:
                self._kept.pop(task_id, None)

    def close(self) -> None:
        """Close the queues of all threads."""
        replies, self._replies = self._queues_here(), {}
        for reply in replies.values():
            with reply.lock:
                reply.intake.close()

    # -- reply queues ----------------------------------------------------------------------------

    def _queues_here(self) -> dict[str, ReplyQueue]:
        if self._pid != os.getpid():
            # A fork's copies of sockets are kept, untouched: closing them would say farewell.
            self._inherited = self._replies
            self._begin()
        return self._replies

    def _open_own(self) -> None:
        oid = self._oid()
        if oid not in self._queues_here():
            self._open(oid)

    def _open(self, oid: str) -> None:
        queue = QueueSpec(
            name=oid,
            exchange=ExchangeSpec(""),
            routing_key=oid,
            auto_delete=True,
            expires_s=self._expires_s,
            no_ack=True,
        )
        reply = ReplyQueue(self._listening.consume([queue], oid))
        with self._lock:
            self._replies[oid] = reply
            ended = [oid for oid, reply in self._replies.items() if not reply.owner.is_alive()]
            closing = [self._replies.pop(oid) for oid in ended]
        for gone in closing:
            with gone.lock:
                gone.intake.close()

    # -- reading ---------------------------------------------------------------------------------

    def _read(self, timeout_s: float, unless: Sequence[str] = ()) -> bool:
        """Read what is there, or wait for it; False where another thread does it."""
        if not self._reading.acquire(blocking=False):
            return False
        try:
            replies = list(self._replies.values())
            came = self._drain_all(replies)
            if not came and timeout_s > 0 and not self._mailboxes.has(unless):
                self._watch(replies, timeout_s)
                self._drain_all(replies)
        finally:
            self._reading.release()
        return True

    def _drain_all(self, replies: Sequence[ReplyQueue]) -> bool:
        """Keep and hand out what each queue has, before the next one may fail."""
        came = False
        for reply in replies:
            records = self._drain(reply)
            self._keep(records)
            self._mailboxes.deliver(records)
            came = came or bool(records)
        return came

    def _watch(self, replies: Sequence[ReplyQueue], timeout_s: float) -> None:
        watched = [descriptor for reply in replies for descriptor in reply.intake.watched]
        polls = [reply.intake.poll_s for reply in replies]
        shortest = min((poll_s for poll_s in polls if poll_s is not None), default=timeout_s)
        if watched:
            select.select(watched, [], [], min(timeout_s, shortest))
        else:
            self._clock.sleep(min(timeout_s, shortest))

    def _drain(self, reply: ReplyQueue) -> list[ResultRecord]:
        with reply.lock:
            try:
                found = reply.intake.receive()
                if found:
                    reply.intake.settle([Settlement(one.tag, Verdict.ACK) for one in found])
            except BrokerGoneError:
                reply.intake.reconnect()
                return []
        return [record_of(one) for one in found if isinstance(one, Delivery)]

    def _keep(self, records: Sequence[ResultRecord]) -> None:
        with self._lock:
            for record in records:
                known = self._kept.get(record.task_id)
                if known is None or not is_less_final(record.state, known.state):
                    self._kept[record.task_id] = record
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)

    # -- what messages cannot do -----------------------------------------------------------------

    @staticmethod
    def refuse(wanted: str) -> NoReturn:
        """Say what to configure."""
        raise ChordsNotCountedError(wanted)


class ListeningBroker:
    """A broker that opens the caller's reply queue before it sends; all else is the broker's."""

    def __init__(self, broker: Broker, store: RpcStore) -> None:
        self._broker, self._store = broker, store

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Listen, then hand over."""
        for reply_to in {outgoing.message.properties.get("reply_to") for outgoing in messages}:
            if reply_to:
                self._store.expect(reply_to)
        self._broker.publish(messages)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


def record_of(delivery: Delivery) -> ResultRecord:
    """Read a result out of its message."""
    message = delivery.message
    return ResultRecord(
        task_id=str(message.properties.get("correlation_id") or ""),
        state=state_of(message.body),
        payload=message.body,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
    )
