"""What the suites of a broker need: a rig that a test class gives, and the words they speak."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import pytest

from taskq.ports import (
    Broker,
    Clock,
    Delivery,
    ExchangeSpec,
    Inbox,
    Intake,
    Malformed,
    Message,
    Outgoing,
    QueueSpec,
    ResultRecord,
    ResultStore,
    Settlement,
    Verdict,
)

# How long something that must come may take, and how long to look for what must not come.
PATIENCE_S: Final = 10.0
GLANCE_S: Final = 0.2
LOOK_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Traits:
    """What brokers really do differently."""

    keeps_deliveries: bool = False  # a delivery outlives the connection
    fifo: bool = True  # in the order in which they were published
    priority: str = ""  # which come first: "high" numbers, "low" ones, or all are alike
    requeues_first: bool = True  # what is given back stands in front, or where it was
    marks_redelivered: bool = True  # what is given out again says so
    refuses_unroutable: bool = False  # ``mandatory`` raises where no queue is bound
    threads: bool = True  # lives in a world with threads


class BrokerRig(Protocol):
    """Brokers on one server."""

    @property
    def traits(self) -> Traits:
        """What this server does differently."""

    @property
    def clock(self) -> Clock:
        """The time that they live in."""

    def broker(self) -> Broker:
        """Return one more broker on the server; the rig closes it."""

    def unique(self, name: str) -> str:
        """Return a name that no other test uses."""

    def cut(self, intake: Intake) -> None:
        """Break a worker's connection; nothing where ``reconnect`` gives up a working one."""


@dataclass
class Ledger:
    """A result store that writes down the order of events; only ``store`` is ever called."""

    events: list[str] = field(default_factory=list)
    failure: Exception | None = None
    on_store: Callable[[], None] = lambda: None

    name: str = "ledger://"
    address: str | None = None
    key_prefix: str = ""

    def store(self, records: Sequence[ResultRecord]) -> None:
        """Write down, or fail."""
        self.on_store()
        if self.failure is not None:
            raise self.failure
        self.events.extend(record.task_id for record in records)


class Bench:
    """The rig with the words in which the tests are written."""

    def __init__(self, rig: BrokerRig) -> None:
        self.rig, self.traits, self.clock = rig, rig.traits, rig.clock
        self.broker = rig.broker()
        self._intakes: list[Intake] = []
        self._inboxes: list[Inbox] = []

    def queue(self, name: str = "q", **options: Any) -> QueueSpec:
        """Return a queue of this test, with an exchange and a key of the same name."""
        unique = self.rig.unique(name)
        queue = QueueSpec(unique, ExchangeSpec(unique), unique)
        return replace(queue, **options)

    def outgoing(self, queue: QueueSpec, body: str | bytes = b"[]", **properties: Any) -> Outgoing:
        """Return a message to a queue."""
        body = body.encode() if isinstance(body, str) else body
        message = Message({"id": body[:40].decode("latin-1")}, body, "application/json", "utf-8",
                          {"delivery_mode": 2, **properties})  # fmt: skip
        return Outgoing(
            message,
            queue.exchange.name,
            queue.routing_key,
            queue.exchange.type,
            declare=(queue,),
        )

    def send(self, queue: QueueSpec, *bodies: str, **properties: Any) -> None:
        """Publish some messages in one call."""
        self.broker.publish([self.outgoing(queue, body, **properties) for body in bodies])

    def intake(self, *queues: QueueSpec, prefetch: int = 0, node: str = "w1@here") -> Intake:
        """Begin to take from queues, on a broker of its own."""
        intake = self.rig.broker().consume(queues, node)
        intake.set_prefetch(prefetch)
        self._intakes.append(intake)
        return intake

    def take(self, intake: Intake, count: int = 1) -> list[Delivery]:
        """Receive until there are this many; fails when they do not come."""
        taken: list[Delivery] = []
        start_s = self.clock.read().elapsed_s
        while len(taken) < count:
            taken.extend(self._received(intake))
            if len(taken) < count:
                waited_s = self.clock.read().elapsed_s - start_s
                assert waited_s < PATIENCE_S, f"{len(taken)} of {count} came: {bodies(taken)}"
                self.clock.sleep(LOOK_S)
        return taken

    def rest(self, intake: Intake) -> list[Delivery]:
        """Receive whatever comes in a short while."""
        taken: list[Delivery] = []
        end_s = self.clock.read().elapsed_s + GLANCE_S
        while self.clock.read().elapsed_s < end_s:
            taken.extend(self._received(intake))
            self.clock.sleep(LOOK_S)
        return taken

    @staticmethod
    def _received(intake: Intake) -> list[Delivery]:
        deliveries = []
        for one in intake.receive():
            assert not isinstance(one, Malformed), one
            deliveries.append(one)
        return deliveries

    def listen(self, queue: QueueSpec) -> Inbox:
        """Begin to listen, on a broker of its own."""
        inbox = self.rig.broker().listen(queue)
        self._inboxes.append(inbox)
        return inbox

    def hear(self, inbox: Inbox, count: int = 1) -> list[Message]:
        """Read until there are this many; fails when they do not come."""
        heard = list(inbox.receive())
        start_s = self.clock.read().elapsed_s
        while len(heard) < count:
            waited_s = self.clock.read().elapsed_s - start_s
            assert waited_s < PATIENCE_S, f"{len(heard)} of {count} came"
            inbox.wait(PATIENCE_S - waited_s)
            heard.extend(inbox.receive())
        return heard

    def overhear(self, inbox: Inbox) -> list[Message]:
        """Read whatever comes in a short while."""
        heard: list[Message] = []
        end_s = self.clock.read().elapsed_s + GLANCE_S
        while (left_s := end_s - self.clock.read().elapsed_s) > 0:
            inbox.wait(left_s)
            heard.extend(inbox.receive())
        return heard

    def settle(self, intake: Intake, verdict: Verdict, *deliveries: Delivery) -> None:
        """Say one verdict on some deliveries."""
        intake.settle([Settlement(one.tag, verdict) for one in deliveries])

    def length(self, queue: QueueSpec, expected: int) -> int:
        """Return how many wait, once that is what was expected or patience is over."""
        start_s = self.clock.read().elapsed_s
        while (found := self.broker.length(queue.name)) != expected:
            if self.clock.read().elapsed_s - start_s > PATIENCE_S:
                break
            self.clock.sleep(LOOK_S)
        return found

    def close(self) -> None:
        """Close what the test has opened."""
        for inbox in self._inboxes:
            inbox.close()
        for intake in self._intakes:
            intake.close()


def bodies(deliveries: Sequence[Delivery]) -> list[str]:
    """What came, as text."""
    return [one.message.body.decode("latin-1") for one in deliveries]


class OnBench:
    """What all suites inherit: they are written in the words of ``bench``."""

    @pytest.fixture
    def bench(self, rig: BrokerRig) -> Any:
        """Return the words of the tests."""
        bench = Bench(rig)
        yield bench
        bench.close()


def in_threads(work: Callable[[int], None], count: int, *, really: bool) -> None:
    """Do work in threads, or one after the other in a world that has none."""
    if not really:
        for at in range(count):
            work(at)
        return
    failures: list[Exception] = []

    def guarded(at: int) -> None:
        try:
            work(at)
        except Exception as error:  # noqa: BLE001 - a boundary: it is raised in the test's thread
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(at,)) for at in range(count)]  # noqa: TID251 - threads are what is tested
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S * 3)
    if failures:
        raise failures[0]
    assert not any(thread.is_alive() for thread in threads)


def as_store(ledger: Ledger) -> ResultStore:
    """Call it what it stands in for."""
    store: Any = ledger
    return store  # type: ignore[no-any-return]
