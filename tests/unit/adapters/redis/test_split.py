"""Two servers: clients write to one, workers read from the other."""

from __future__ import annotations

from taskq.adapters.broker.split import SplitBroker
from taskq.ports import (
    Broker,
    ExchangeSpec,
    KeepsDeadLetters,
    KeepsParked,
    KeepsRevocations,
    Message,
    Outgoing,
    QueueSpec,
    Revocation,
    Settlement,
    TypesEvents,
    Verdict,
)
from tests.unit.adapters.redis.conftest import Bench, ids


def test_what_workers_take_and_keep_is_where_they_read() -> None:
    """What is sent goes to the one, all else is asked of the other."""
    clients, workers = Bench(), Bench()
    broker = SplitBroker(clients.broker("redis://one:6379/0"), workers.broker("redis://two:6379/1"))
    whole: Broker = broker
    broker.declare([clients.queue("q")])
    broker.publish([clients.outgoing("1")])
    workers.send("2", "3", "4")
    intake = whole.consume([workers.queue("q")], "w1")
    two, three, four = intake.receive()
    until_s = workers.client.time()[0] + 60.0
    intake.settle(
        [
            Settlement(two.tag, Verdict.PARK, due_s=workers.clock.now_s + 60),
            Settlement(three.tag, Verdict.REJECT, "no"),
            Settlement(four.tag, Verdict.REJECT, "no"),
        ]
    )
    broker.revoke([Revocation(until_s, "t")])

    for kind in (KeepsParked, KeepsRevocations, KeepsDeadLetters, TypesEvents):
        assert isinstance(broker, kind)
    assert (broker.name, broker.address) == ("redis://one:6379/0", "tcp:one:6379/0")
    assert (broker.length("q"), clients.client.llen("q")) == (1, 1)
    assert ids(broker.parked(["q"], 5)) == ["2"]
    assert broker.unpark(["2"]) == 1
    assert [one.task_id for one in broker.revocations()] == ["t"]
    newest, oldest = broker.dead_letters(5)
    assert broker.dead_letter(newest.letter_id) == newest
    assert broker.replay_dead_letters([oldest.letter_id]) == 1
    assert (broker.dead_letter_count(), broker.purge_dead_letters(None)) == (1, 1)
    assert workers.client.llen("q") == 1
    broker.ping()
    assert broker.purge("q") == 1
    assert broker.routes is not None
    assert broker.event_exchange_type == "fanout"
    broker.close()


def test_who_listens_listens_where_workers_read() -> None:
    """Commands reach them there."""
    clients, workers = Bench(), Bench()
    broker = SplitBroker(clients.broker(), workers.broker())
    exchange = ExchangeSpec("box", "fanout")
    inbox = broker.listen(QueueSpec("mine", exchange, ""))
    message = Message({}, b"hear", "a/b", "utf-8")
    workers.broker().publish([Outgoing(message, "box", "", "fanout")])

    assert [one.body for one in inbox.receive()] == [b"hear"]
    inbox.close()
