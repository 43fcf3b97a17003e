"""A broker in memory that hands out what is published, and the parts of a worker around it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, cast

from taskq.app.app import App
from taskq.app.cluster import Liaison, Presence
from taskq.app.control.state import State
from taskq.app.events import EventSender
from taskq.core.inputs import Happened, Input
from taskq.core.options import WorkerOptions
from taskq.core.worker import WorkerCore
from taskq.errors import BrokerLostError
from taskq.ports import (
    Broker,
    DeadLetter,
    Inbox,
    Intake,
    Message,
    Outgoing,
    Parked,
    Place,
    Pool,
    Ports,
    QueueSpec,
    Revocation,
    SlotReady,
)
from tests.unit.app.fakes import Counting, DictStore, FixedClock, JsonCodec


class MemoryInbox:
    """One listener.  ``wait`` lets its office do what a test said, then time pass."""

    watched: Sequence[int] = ()
    poll_s: float | None = None

    def __init__(self, office: Office, queue: QueueSpec) -> None:
        self.office, self.queue = office, queue
        self.messages: list[Message] = []
        self.asked = 0
        self.reconnects = 0
        self.closed = False

    def takes(self, outgoing: Outgoing) -> bool:
        if outgoing.exchange != self.queue.exchange.name or self.closed:
            return False
        pattern = self.queue.routing_key.replace("#", "*")
        return self.queue.exchange.type == "fanout" or fnmatchcase(outgoing.routing_key, pattern)

    def receive(self) -> Sequence[Message]:
        self.asked += 1
        if self.office.away:
            raise BrokerLostError("office", "away")
        messages, self.messages = self.messages, []
        return messages

    def wait(self, timeout_s: float) -> None:
        if self.messages:
            return
        if self.office.meanwhile:
            self.office.meanwhile.pop(0)()
        else:
            # Never less than what the clock can tell apart.
            self.office.clock.sleep(max(timeout_s, 1e-6))

    def reconnect(self) -> None:
        if self.office.away:
            raise BrokerLostError("office", "away")
        self.reconnects += 1

    def close(self) -> None:
        self.closed = True
        self.office.inboxes.remove(self)


class Office:
    """Publishes to inboxes, and records; what no inbox takes is lost, as with a fanout."""

    name = "office://user:**@there:1234/7"
    address = None

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.sent: list[Outgoing] = []
        self.inboxes: list[MemoryInbox] = []
        self.away = False
        self.meanwhile: list[Callable[[], None]] = []  # what happens while somebody waits

    def publish(self, messages: Sequence[Outgoing]) -> None:
        if self.away:
            raise BrokerLostError("office", "away")
        for outgoing in messages:
            self.sent.append(outgoing)
            for inbox in self.inboxes:
                if inbox.takes(outgoing):
                    inbox.messages.append(outgoing.message)

    def listen(self, queue: QueueSpec) -> Inbox:
        if self.away:
            raise BrokerLostError("office", "away")
        inbox = MemoryInbox(self, queue)
        self.inboxes.append(inbox)
        return inbox

    def purge(self, queue: str) -> int:
        return len(queue)

    def close(self) -> None:
        pass

    def take(self) -> list[Outgoing]:
        sent, self.sent = self.sent, []
        return sent


class KeepingOffice(Office):
    """It remembers revocations and dead letters, and keeps what is parked."""

    def __init__(self, clock: FixedClock) -> None:
        super().__init__(clock)
        self.revoked: list[Revocation] = []
        self.there: list[Parked] = []
        self.letters: list[DeadLetter] = []
        self.replayed: list[Sequence[str] | None] = []

    def revoke(self, revocations: Sequence[Revocation]) -> None:
        self.revoked += revocations

    def revocations(self) -> Sequence[Revocation]:
        if self.away:
            raise BrokerLostError("office", "away")
        return self.revoked

    def parked(self, queues: Sequence[str], limit: int) -> Sequence[Parked]:
        return [one for one in self.there if one.queue in queues][:limit]

    def unpark(self, task_ids: Sequence[str]) -> int:
        return len(task_ids)

    def dead_letters(self, limit: int, offset: int = 0) -> Sequence[DeadLetter]:
        return self.letters[offset : offset + limit]

    def dead_letter_count(self) -> int:
        return len(self.letters)

    def dead_letter(self, letter_id: str) -> DeadLetter | None:
        return next((one for one in self.letters if one.letter_id == letter_id), None)

    def replay_dead_letters(self, letter_ids: Sequence[str] | None) -> int:
        self.replayed.append(letter_ids)
        return len(self.letters)

    def purge_dead_letters(self, letter_ids: Sequence[str] | None) -> int:
        gone = [one for one in self.letters if letter_ids is None or one.letter_id in letter_ids]
        self.letters = [one for one in self.letters if one not in gone]
        return len(gone)


class OfficeApp(App):
    """An app whose broker is an office."""

    office_cls: type[Office] = Office

    def make_ports(self) -> Ports:
        clock = FixedClock()
        return Ports(
            clock=clock,
            randomness=Counting(),
            place=Place("host", 42),
            codec=JsonCodec(),
            broker=cast("Broker", self.office_cls(clock)),  # nothing here consumes
            store=DictStore(),
        )

    @property
    def office(self) -> Any:
        return self.ports.broker

    @property
    def clock_port(self) -> FixedClock:
        return cast("FixedClock", self.ports.clock)


class KeepingApp(OfficeApp):
    office_cls = KeepingOffice


@dataclass
class StillIntake:
    """It records which queues were added and cancelled."""

    added: list[QueueSpec] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def add_queue(self, queue: QueueSpec) -> None:
        self.added.append(queue)

    def cancel_queue(self, name: str) -> None:
        self.cancelled.append(name)


class StillPool:
    """It says what it is."""

    def describe(self) -> dict[str, Any]:
        return {"implementation": "still", "odd": {1, 2}}


class Desktop:
    """A worker as commands see it: its core, and what was told to it."""

    def __init__(
        self, app: OfficeApp, hostname: str = "w1@host", *, slots: int = 2, **options: Any
    ) -> None:
        self.app = app
        self.told: list[Any] = []
        self.core = WorkerCore(WorkerOptions(**options), app.traits)
        self.tell(Happened(tuple(SlotReady(n, 100 + n) for n in range(slots))))
        self.told.clear()
        self.intake, self.pool = StillIntake(), StillPool()
        self.state = State(
            app,
            hostname,
            core=self.core,
            intake=cast("Intake", self.intake),
            pool=cast("Pool", self.pool),
            tell=self.tell,
            started=app.clock_port.read(),
            queues={"celery": app.router.queues["celery"]},
        )

    def tell(self, asked: Input) -> None:
        self.told.append(asked)
        self.effects = self.core.handle(asked, self.app.clock_port.read())

    def liaison(self, presence: Presence) -> Liaison:
        return Liaison(
            self.app,
            presence,
            core=self.core,
            intake=cast("Intake", self.intake),
            pool=cast("Pool", self.pool),
            monitors=EventSender(self.app, presence.hostname),
            tell=self.tell,
        )


def body_of(outgoing: Outgoing) -> Any:
    return json.loads(outgoing.message.body)


def says(body: Any, **headers: Any) -> Message:
    """A message as it comes over the wire."""
    return Message(headers, json.dumps(body).encode(), "application/json", "utf-8")
