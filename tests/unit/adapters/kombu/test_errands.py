"""What becomes of errands when the broker takes them, refuses them, or does not answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from taskq.adapters.broker.kombu_courier import Courier, Prepare
from taskq.adapters.broker.kombu_dead import DeadLetterQueue
from taskq.adapters.broker.kombu_delay import Delays
from taskq.adapters.broker.kombu_errands import FIRST_PAUSE_S, Errands
from taskq.adapters.broker.kombu_parked import ParkedBook
from taskq.adapters.broker.kombu_sender import Answer
from taskq.adapters.broker.kombu_settings import LinkSettings
from taskq.adapters.broker.kombu_verdicts import Errand, Given, Kind
from taskq.adapters.broker.kombu_ways import Ways
from taskq.adapters.randomness import SystemRandomness
from taskq.ports import (
    Delivery,
    ExchangeSpec,
    Message,
    Outgoing,
    Place,
    QueueSpec,
    Reading,
    Settlement,
    Verdict,
)

QUEUE = QueueSpec("q", ExchangeSpec(""), "q")
VERDICTS = {
    Kind.AGAIN: Verdict.REQUEUE,
    Kind.COUNT: Verdict.REQUEUE,
    Kind.BURY: Verdict.REJECT,
    Kind.FORWARD: Verdict.REJECT,
    Kind.PARK: Verdict.PARK,
}


@dataclass
class HandClock:
    """A clock that is moved by hand."""

    now_s: float = 1000.0

    def read(self) -> Reading:
        return Reading(self.now_s, self.now_s)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@dataclass
class Post:
    """A sender whose broker is told what to do with each message: take, refuse, or keep silent."""

    decide: Callable[[Outgoing], str] = lambda _: "take"
    sent: list[Outgoing] = field(default_factory=list)
    flying: list[Outgoing] = field(default_factory=list)
    closed: bool = False

    def send(self, outgoing: Sequence[Outgoing], prepare: Prepare | None) -> Answer:
        assert not self.flying
        self.sent += outgoing
        self.flying = list(outgoing)
        return self.hear()

    def hear(self) -> Answer:
        said = {id(one): self.decide(one) for one in self.flying}
        self.flying = [one for one in self.flying if said[id(one)] == "silence"]
        taken = [number for number, what in said.items() if what == "take"]
        refused = [number for number, what in said.items() if what == "refuse"]
        return Answer(taken, refused, "refused")

    def close(self) -> None:
        self.closed = True


@dataclass
class Table:
    """Errands, with all that they touch."""

    insists: bool = True
    clock: HandClock = field(default_factory=HandClock)
    post: Post = field(default_factory=Post)
    parked: ParkedBook = field(default_factory=ParkedBook)

    def __post_init__(self) -> None:
        settings = LinkSettings(("memory://",), Place("h", 1), SystemRandomness())
        courier = Courier(settings, self.clock, pool_limit=1, confirm=True)
        ways = Ways(
            clock=self.clock,
            randomness=SystemRandomness(),
            dead=DeadLetterQueue(courier, self.clock),
            delays=Delays(),
            parked=self.parked,
            insists=self.insists,
        )
        self.errands = Errands(ways, self.post, self.clock)

    def run(self, *errands: Errand, open_tags: Sequence[int] = ()) -> list[tuple[int, Verdict]]:
        for errand in errands:
            self.errands.add(errand)
        return sorted(self.errands.run(open_tags), key=lambda one: one[0])


def given(tag: int, **headers: object) -> Given:
    message = Message({"id": f"id-{tag}", **headers}, b"", "", "")
    return Given(Delivery(tag, message, "q", "", "q", attempts=1), QUEUE, "w1@h")


def errand(kind: Kind, tag: int = 1, due_s: float | None = 2000.0) -> Errand:
    return Errand(kind, given(tag), Settlement(tag, VERDICTS[kind], "why", due_s))


@pytest.mark.parametrize("kind", list(Kind))
def test_what_the_broker_takes_is_acknowledged(kind: Kind) -> None:
    """Once, and nothing stays to be done."""
    table = Table()

    assert table.run(errand(kind), open_tags=[1]) == [(1, Verdict.ACK)]
    assert table.run(open_tags=[1]) == []
    assert not table.errands.are_due
    assert len(table.post.sent) == 1


@pytest.mark.parametrize("kind", [Kind.PARK, Kind.BURY, Kind.FORWARD])
def test_what_is_refused_is_tried_again_later(kind: Kind) -> None:
    """Each time a little later; meanwhile nothing is settled."""
    table = Table(post=Post(lambda _: "refuse"))
    assert table.run(errand(kind), open_tags=[1]) == []
    assert not table.errands.are_due
    table.clock.sleep(FIRST_PAUSE_S)
    assert table.errands.are_due
    assert table.run(open_tags=[1]) == []
    table.clock.sleep(FIRST_PAUSE_S)
    assert not table.errands.are_due
    table.clock.sleep(FIRST_PAUSE_S)
    table.post.decide = lambda _: "take"

    assert table.run(open_tags=[1]) == [(1, Verdict.ACK)]


@pytest.mark.parametrize("kind", [Kind.AGAIN, Kind.COUNT])
def test_what_cannot_go_again_goes_back_into_its_place(kind: Kind) -> None:
    """While the broker has it; what it has forgotten is tried until it takes it."""
    table = Table(post=Post(lambda _: "refuse"))

    assert table.run(errand(kind), open_tags=[1]) == [(1, Verdict.REQUEUE)]
    assert table.run(errand(kind, 2), open_tags=[1]) == []
    table.post.decide = lambda _: "take"
    table.clock.sleep(FIRST_PAUSE_S)
    assert table.run() == [(2, Verdict.ACK)]


def test_what_is_not_answered_is_not_sent_twice() -> None:
    """New errands wait behind it, and all is done when the answer comes."""
    table = Table(post=Post(lambda _: "silence"))
    assert table.run(errand(Kind.PARK, 1), open_tags=[1, 2]) == []
    assert table.run(errand(Kind.PARK, 2), open_tags=[1, 2]) == []
    for _ in range(3):
        table.clock.sleep(FIRST_PAUSE_S)
        assert table.run(open_tags=[1, 2]) == []
    assert len(table.post.sent) == 1
    table.post.decide = lambda _: "take"
    table.clock.sleep(FIRST_PAUSE_S)

    assert table.run(open_tags=[1, 2]) == [(1, Verdict.ACK), (2, Verdict.ACK)]
    assert len(table.post.sent) == 2


def test_what_could_not_be_parked_is_in_its_queue_when_it_is_due() -> None:
    """The wait is over anyway."""
    table = Table(post=Post(lambda _: "refuse"))
    assert table.run(errand(Kind.PARK, due_s=1004.0), open_tags=[1]) == []
    table.clock.sleep(FIRST_PAUSE_S)

    assert table.run(open_tags=[1]) == [(1, Verdict.REQUEUE)]
    assert list(table.parked.listed(["q"], 10, 0.0)) == []


def test_headers_without_a_form_are_not_sent() -> None:
    """They would cost the connection: what cannot be parked waits here, the rest goes on."""
    table = Table()
    spoiled = Errand(Kind.PARK, given(1, x=object()), Settlement(1, Verdict.PARK, due_s=1010.0))

    assert table.run(spoiled, errand(Kind.PARK, 2), open_tags=[1, 2]) == [(2, Verdict.ACK)]
    assert len(table.post.sent) == 1
    table.clock.sleep(10.0)
    assert table.run(open_tags=[1]) == [(1, Verdict.REQUEUE)]


def test_what_went_back_with_the_connection_is_forgotten() -> None:
    """Others have it; what nobody else has is kept."""
    table = Table(post=Post(lambda _: "refuse"))
    table.run(errand(Kind.PARK, 1), errand(Kind.AGAIN, 2), open_tags=[1])
    table.errands.forget([1])
    table.post.decide = lambda _: "take"
    table.clock.sleep(FIRST_PAUSE_S)

    assert table.run() == [(2, Verdict.ACK)]


def test_what_came_again_is_counted_or_given_out() -> None:
    """Counted ones are not given out; refused ones are; in trouble nobody is asked."""
    table = Table(
        post=Post(lambda one: "refuse" if one.message.headers["id"] == "id-2" else "take")
    )
    gone, settled = table.errands.recount([given(1), given(2), given(3)])
    assert set(gone) == {1, 3}
    assert sorted(settled, key=lambda one: one[0]) == [(1, Verdict.ACK), (3, Verdict.ACK)]

    table.post.decide = lambda _: "silence"
    gone, settled = table.errands.recount([given(4)])
    assert (set(gone), list(settled)) == ({4}, [])
    assert table.errands.recount([given(5)]) == ((), ())
    table.post.decide = lambda _: "take"
    table.clock.sleep(FIRST_PAUSE_S)
    assert table.run(open_tags=[4]) == [(4, Verdict.ACK)]


def test_a_broker_without_dead_letters_drops_them_loudly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As Celery does; the log has the id and the reason."""
    table = Table(insists=False, post=Post(lambda _: "refuse"))
    with caplog.at_level(logging.ERROR):
        assert table.run(errand(Kind.BURY), open_tags=[1]) == [(1, Verdict.ACK)]

    assert "id-1 is dropped" in caplog.text
    assert "why" in caplog.text


def test_a_worker_that_ends_says_what_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    """Of what only it had; everything is tried once more before."""
    table = Table(post=Post(lambda _: "refuse"))
    table.run(errand(Kind.AGAIN, 1), errand(Kind.PARK, 2), open_tags=[2])
    with caplog.at_level(logging.ERROR):
        assert table.errands.close([2]) == []

    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
        "Task id-1 is lost: the broker did not take it back before the worker ended"
    ]
    assert len(table.post.sent) == 4
    assert table.post.closed


def test_what_is_parked_is_remembered() -> None:
    """From when the broker has it."""
    table = Table()
    table.run(errand(Kind.PARK), open_tags=[1])

    [parked] = table.parked.listed(["q"], 10, table.clock.now_s)
    assert (parked.queue, parked.due_s, parked.message.headers["id"]) == ("q", 2000.0, "id-1")
