"""What goes through real ports, written to a trace: sent, begun, ended, settled.

The drivers themselves are asked, by putting something around the calls of one broker: so that it
is still of its class, with all that its class can do besides.  All of it happens in one process:
clients and workers are threads of the test's.

A message is open from before it is sent until it is acknowledged or rejected, so "nothing is open"
is never said too early.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, NamedTuple

from taskq.app.work import Work
from taskq.ports import (
    Broker,
    Clock,
    Completion,
    Delivery,
    Ending,
    EndingKind,
    Guard,
    Intake,
    Job,
    Malformed,
    Outgoing,
    QueueSpec,
    ResultStore,
    Settlement,
    Verdict,
)
from taskq_testing.asserting.history import moment
from taskq_testing.sim.profiles import PROFILES
from taskq_testing.sim.topology import Topology
from taskq_testing.sim.trace import Trace

CLIENT: Final = "client"


# Whose body runs here; what it sends is sent by its worker.
_node_here: Final[ContextVar[str]] = ContextVar("taskq_testing_node", default=CLIENT)


class Waiting(NamedTuple):
    """A message that is not done with."""

    queue: str
    id: str
    task: str
    retries: int
    due_s: float | None  # wall time; None: at once


SETTLED: Final = frozenset({Verdict.ACK, Verdict.REJECT})


class Ledger:
    """Everything that was overheard; safe to use from many threads."""

    def __init__(self, trace: Trace, clock: Clock, queues: Iterable[QueueSpec]) -> None:
        self.trace = trace
        self.changed = threading.Condition()
        self.open: Counter[Waiting] = Counter()
        self._clock, self._start_s = clock, clock.read().elapsed_s
        # Where a message goes, by the rules of AMQP; drivers do not tell.
        self._topology = Topology(PROFILES["rabbitmq"])
        for spec in queues:
            self._topology.declare(spec)
        self._noted: dict[object, object] = {}

    @property
    def now_s(self) -> float:
        """Seconds since the world began."""
        return self._clock.read().elapsed_s - self._start_s

    def say(self, node: str, what: str, **facts: Any) -> None:
        """Write one record."""
        with self.changed:
            self.trace.add(self.now_s, node, what, facts)
            self.changed.notify_all()

    def note(self, node: str, outgoing: Outgoing, once: object = None) -> Sequence[Waiting]:
        """Write down a message that is about to be sent; returns what waits then.

        Once for each object, as a driver may publish what it commits by its broker, and what is
        committed twice is the same object again; and once for what ends one chord: ``once``.
        """
        headers, message = outgoing.message.headers, outgoing.message
        if "task" not in headers:
            return ()
        with self.changed:
            key = id(outgoing) if once is None else once
            if id(outgoing) in self._noted or key in self._noted:
                return ()
            self._noted[key] = self._noted[id(outgoing)] = outgoing  # kept, so ids are unique
            for spec in outgoing.declare:
                self._topology.declare(spec)
            queues = self._topology.route(outgoing, 0.0) or _itself(outgoing)
            waiting = [waiting_of(queue, headers) for queue in queues]
            self.open.update(waiting)
            for queue in queues:
                self.trace.add(
                    self.now_s,
                    node,
                    "task.send",
                    {
                        "id": headers.get("id"),
                        "task": headers.get("task"),
                        "queue": queue,
                        "retries": headers.get("retries", 0),
                        "eta": headers.get("eta"),
                        "body": message.body,
                        "message": message,
                    },
                )
            self.changed.notify_all()
        return waiting

    def forget(self, done: Iterable[Waiting]) -> None:
        """Messages were not sent after all, or are done with."""
        with self.changed:
            self.open.subtract(done)
            self.open = +self.open
            self.changed.notify_all()

    def waiting(self, queues: Collection[str] | None = None) -> list[Waiting]:
        """What is not done with, in some queues or in all."""
        with self.changed:
            return [each for each in self.open if queues is None or each.queue in queues]


def waiting_of(queue: str, headers: Mapping[str, Any]) -> Waiting:
    """Return how a message in a queue is known."""
    eta = headers.get("eta")
    return Waiting(
        queue,
        headers.get("id", ""),
        headers.get("task", ""),
        headers.get("retries") or 0,
        None if eta is None else moment(eta).timestamp(),
    )


def _itself(outgoing: Outgoing) -> list[str]:
    return [] if outgoing.exchange else [outgoing.routing_key]


def overhear(broker: Broker, ledger: Ledger) -> None:
    """Write down from now on what goes through a broker."""
    publish, consume = broker.publish, broker.consume

    def publish_noted(messages: Sequence[Outgoing]) -> None:
        node = _node_here.get()
        noted = [waiting for each in messages for waiting in ledger.note(node, each)]
        try:
            publish(messages)
        except BaseException:
            ledger.forget(noted)
            raise

    def consume_noted(
        queues: Sequence[QueueSpec], node: str, *, unattended: bool = False
    ) -> Intake:
        intake = consume(queues, node, unattended=unattended)
        _Overheard(intake, node.partition("@")[2], ledger)
        return intake

    put_around(broker, publish=publish_noted, consume=consume_noted)


class _Overheard:
    """One intake whose calls are written down."""

    def __init__(self, intake: Intake, node: str, ledger: Ledger) -> None:
        self._node, self._ledger = node, ledger
        self._out: dict[int, Waiting] = {}  # by tag
        self._receive, self._settle = intake.receive, intake.settle
        put_around(intake, receive=self.receive, settle=self.settle)
        # Some drivers can take what is next in the same step.
        for name in ("commit", "commit_and_take"):
            commit = getattr(intake, name, None)
            if commit is not None:
                put_around(intake, **{name: partial(self.commit, commit)})

    def receive(self) -> Sequence[Delivery | Malformed]:
        """Remember where each comes from."""
        came = self._receive()
        for each in came:
            if isinstance(each, Delivery):
                self._out[each.tag] = waiting_of(each.queue, each.message.headers)
        return came

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """A message may be done with."""
        self._settle(settlements)
        self._settled(settlements)

    def commit(
        self,
        commit: Callable[[Sequence[Completion], ResultStore], Any],
        completions: Sequence[Completion],
        store: ResultStore,
    ) -> Any:
        """What follows is sent, and a message may be done with."""
        for each in completions:
            for outgoing in each.follow_ups:
                self._ledger.note(self._node, outgoing)
            for ending in each.endings:
                for number, outgoing in enumerate(ending.follow_ups):
                    self._ledger.note(self._node, outgoing, once=(ending.group_id, number))
        missing = commit(completions, store)
        undone = {each.number for each in missing}
        self._settled(
            each.settlement
            for number, each in enumerate(completions)
            if each.settlement is not None and number not in undone
        )
        return missing

    def _settled(self, settlements: Iterable[Settlement]) -> None:
        done = [each.tag for each in settlements if each.verdict in SETTLED]
        self._ledger.forget(self._out.pop(tag) for tag in done if tag in self._out)


def put_around(around: object, **calls: Callable[..., Any]) -> None:
    """Put calls of ours in front of those of one object."""
    for name, call in calls.items():
        setattr(around, name, call)


class NotedWork(Work):
    """The real ``Work``, with a record of each begin and end."""

    def __init__(self, app: Any, node: str, ledger: Ledger) -> None:
        super().__init__(app, node)
        self._name = node.partition("@")[2]
        self._say = partial(ledger.say, self._name)

    def __call__(self, job: Job, guard: Guard | None = None) -> Ending:
        """Run a job here and now."""
        with self._told(job) as ended:
            ending = super().__call__(job, guard)
            ended(ending)
        return ending

    run = __call__

    async def awaitable(self, job: Job, guard: Guard | None = None) -> Ending:
        """Run a job on the caller's loop."""
        with self._told(job) as ended:
            ending = await super().awaitable(job, guard)
            ended(ending)
        return ending

    def conclude(
        self, job: Job, kind: EndingKind, reason: str, detail: Mapping[str, Any]
    ) -> Ending:
        """Make the ending of what did not run, and say so."""
        self._say("task.conclude", **_facts(job), how=kind.value, reason=reason)
        return super().conclude(job, kind, reason, detail)

    @contextmanager
    def _told(self, job: Job) -> Iterator[Callable[[Ending], None]]:
        """Say that a body begins; the block says that it has ended."""
        redelivered = job.delivery_info.get("redelivered", False)
        self._say("task.start", **_facts(job), redelivered=redelivered)
        token = _node_here.set(self._name)
        try:
            yield partial(self._ends, job)
        finally:
            _node_here.reset(token)

    def _ends(self, job: Job, ending: Ending) -> None:
        self._say("task.end", **_facts(job), how=ending.kind.value, summary=ending.summary)


def _facts(job: Job) -> dict[str, Any]:
    headers = job.headers
    return {
        "id": headers.get("id"),
        "task": headers.get("task"),
        "retries": headers.get("retries", 0),
    }
