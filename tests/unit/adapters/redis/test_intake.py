"""What a worker takes from Redis, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.adapters.broker.errors import BrokerError
from taskq.adapters.broker.redis_waiting import MOST_PEEKS
from taskq.errors import BrokerLostError
from taskq.ports import (
    Completion,
    Delivery,
    ExchangeSpec,
    Malformed,
    Message,
    Outgoing,
    QueueSpec,
    ResultRecord,
    Settlement,
    Verdict,
)
from tests.unit.adapters.redis.conftest import Bench, Interrupted, ack, done, ids


def leftovers(bench: Bench) -> set[bytes]:
    return {key for key in bench.client.keys("*") if not key.startswith(b"_kombu")}


def test_messages_come_in_the_order_in_which_they_were_sent(bench: Bench) -> None:
    """First in, first out, many at once."""
    bench.send("1", "2", "3")

    assert ids(bench.intake().receive()) == ["1", "2", "3"]


def test_an_acked_message_leaves_nothing(bench: Bench) -> None:
    """After the ack and the end of the worker no key of ours is left."""
    bench.send("1")
    intake = bench.intake()
    [one] = intake.receive()
    intake.settle([Settlement(one.tag, Verdict.CLAIM)])
    intake.settle([ack(one.tag)])
    intake.close()

    assert leftovers(bench) == set()


def test_the_prefetch_bounds_what_is_open(bench: Bench) -> None:
    """What is claimed or settled makes room; what is neither does not."""
    bench.send("1", "2", "3", "4")
    intake = bench.intake(prefetch=2)
    first = intake.receive()
    nothing = intake.receive()
    intake.settle([Settlement(first[0].tag, Verdict.CLAIM)])
    second = intake.receive()
    intake.settle([ack(first[1].tag)])
    third = intake.receive()

    assert [ids(some) for some in (first, nothing, second, third)] == [["1", "2"], [], ["3"], ["4"]]


def test_an_intake_that_may_have_more_wants_to_be_asked_again(bench: Bench) -> None:
    """It is polled at once while there may be more, slowly when there was nothing or no room."""
    bench.send("1", "2")
    intake = bench.intake(prefetch=1)
    before = intake.poll_s
    [one] = intake.receive()
    full = intake.poll_s
    intake.settle([ack(one.tag)])
    free = intake.poll_s
    intake.settle([ack(intake.receive()[0].tag)])
    intake.receive()

    assert (before, free) == (0.0, 0.0)
    assert full == intake.poll_s > 0.0
    assert intake.watched == ()


def test_urgent_messages_of_all_queues_come_first(bench: Bench) -> None:
    """Step 0 of each queue is served before step 3 of any."""
    bench.send("late", queue="a", priority=6)
    bench.send("urgent", queue="b", priority=0)
    bench.send("soon", queue="a", priority=3)

    assert ids(bench.intake("a", "b").receive()) == ["urgent", "soon", "late"]


def test_queues_take_turns(bench: Bench) -> None:
    """A queue that was served first goes to the end."""
    bench.send("a1", "a2", queue="a")
    bench.send("b1", "b2", queue="b")
    intake = bench.intake("a", "b", prefetch=1)
    order = []
    for _ in range(4):
        [one] = intake.receive()
        order += ids([one])
        intake.settle([ack(one.tag)])

    assert order == ["a1", "b1", "a2", "b2"]


def test_queues_keep_their_order_where_that_is_asked_for(bench: Bench) -> None:
    """``queue_order_strategy`` priority empties the first queue first."""
    bench.send("a1", "a2", queue="a")
    bench.send("b1", queue="b")
    options = {"queue_order_strategy": "priority"}
    intake = bench.intake("a", "b", prefetch=1, transport_options=options)
    order = []
    for _ in range(3):
        [one] = intake.receive()
        order += ids([one])
        intake.settle([ack(one.tag)])

    assert order == ["a1", "a2", "b1"]


@pytest.mark.parametrize(("attempted", "attempts"), [(True, 1), (False, 0)])
def test_a_requeued_message_comes_again_and_says_so(
    bench: Bench, attempted: bool, attempts: int
) -> None:
    """It goes to the end where kombu puts it, marked; counted if its body had begun."""
    bench.send("1", "2")
    intake = bench.intake(prefetch=1)
    [one] = intake.receive()
    intake.settle([Settlement(one.tag, Verdict.REQUEUE, attempted=attempted)])
    [two] = intake.receive()
    intake.settle([ack(two.tag)])
    [again] = intake.receive()

    assert ids([one, two, again]) == ["1", "2", "1"]
    assert (one.redelivered, one.attempts) == (False, 0)
    assert (again.redelivered, again.attempts) == (True, attempts)
    assert "taskq-deliveries" not in one.message.headers


def test_a_rejected_message_is_a_dead_letter(bench: Bench) -> None:
    """It says why, whose it was and when, and holds the message as it was."""
    bench.send("1")
    intake = bench.intake(node="w7")
    [one] = intake.receive()
    intake.settle([Settlement(one.tag, Verdict.REJECT, "no such task")])

    [letter] = bench.broker().dead_letters(10)
    assert (letter.reason, letter.queue, letter.node) == ("no such task", "q", "w7")
    assert letter.message is not None
    assert letter.message.headers == {"id": "1"}


def test_what_is_no_message_holds_a_place_until_it_is_settled(bench: Bench) -> None:
    """Bytes that nobody can read are reported with the reason, and do not stop the rest."""
    bench.client.lpush("q", b"\xff garbage")
    bench.send("1")
    bad, good = bench.intake().receive()

    assert isinstance(bad, Malformed)
    assert (bad.raw, bad.queue) == (b"\xff garbage", "q")
    assert isinstance(good, Delivery)


def test_what_is_no_message_goes_back_or_to_the_dead_letters_as_it_is(bench: Bench) -> None:
    """Requeue and reject keep the bytes."""
    bench.client.lpush("q", b"\xff1", b"\xff2")
    intake = bench.intake()
    first, second = intake.receive()
    intake.settle(
        [Settlement(first.tag, Verdict.REQUEUE), Settlement(second.tag, Verdict.REJECT, "bad")]
    )

    assert bench.client.lrange("q", 0, -1) == [b"\xff1"]
    assert [letter.raw for letter in bench.broker().dead_letters(10)] == [b"\xff2"]


def test_a_key_of_another_kind_is_said_and_the_rest_goes_on(bench: Bench) -> None:
    """A queue whose name is a string's does not hide other queues; alone it is an error."""
    bench.client.set("a", "something else")
    bench.send("1", queue="b")
    intake = bench.intake("a", "b")

    assert ids(intake.receive()) == ["1"]
    with pytest.raises(BrokerError, match=r"cannot take from a queue: a: .*WRONGTYPE"):
        intake.receive()


def test_a_closed_worker_hands_back_in_order(bench: Bench) -> None:
    """What was neither settled nor claimed is taken next, before what waited behind it."""
    bench.send("1", "2", "3", "4")
    intake = bench.intake(prefetch=3)
    taken = intake.receive()
    intake.settle([ack(taken[1].tag)])
    intake.close()

    got = bench.intake(node="w2").receive()
    assert ids(got) == ["1", "3", "4"]
    assert [one.redelivered for one in got] == [True, True, False]
    assert [one.attempts for one in got] == [0, 0, 0]


def test_a_worker_that_closes_with_a_claimed_message_leaves_it_to_the_next(bench: Bench) -> None:
    """Its body may have run: it does not run again, and whoever comes tells its end."""
    bench.send("1")
    intake = bench.intake()
    [one] = intake.receive()
    intake.settle([Settlement(one.tag, Verdict.CLAIM)])
    intake.close()
    other = bench.intake(node="w2")
    other.renew()

    assert other.receive() == []
    assert [found.message.headers["id"] for found in other.lost_claims()] == ["1"]


# -- commit --------------------------------------------------------------------------------------


def test_follow_up_result_and_ack_are_one_step(bench: Bench) -> None:
    """With the store at the same place all of a completion happens, and is published."""
    bench.send("1")
    intake, store = bench.intake(), bench.store()
    heard = bench.make_client().pubsub()
    heard.subscribe("celery-task-meta-t")
    heard.get_message(timeout=1)
    [one] = intake.receive()
    intake.commit([Completion((bench.outgoing("next"),), done(), ack(one.tag))], store)

    assert bench.client.get("celery-task-meta-t") == b'{"status": "SUCCESS"}'
    assert 0 < bench.client.ttl("celery-task-meta-t") <= 60
    assert heard.get_message(timeout=1)["data"] == b'{"status": "SUCCESS"}'
    assert ids(intake.receive()) == ["next"]


def test_a_result_of_a_lost_lease_is_refused(bench: Bench) -> None:
    """Taken over by another, a worker stores nothing, sends nothing, and says which tags."""
    bench.send("1")
    slow, store = bench.intake(), bench.store()
    [one] = slow.receive()
    bench.pass_deadline("w1")
    other = bench.intake(node="w2")
    other.renew()
    [again] = other.receive()
    slow.commit([Completion((bench.outgoing("next"),), done(), ack(one.tag))], store)

    assert bench.client.get("celery-task-meta-t") is None
    assert slow.lost_tags() == [one.tag]
    assert ids([again]) == ["1"]
    assert other.receive() == []


def test_a_store_elsewhere_gets_the_result_before_the_message_is_acked(bench: Bench) -> None:
    """Publish, store, settle; if the store fails, all is done once when it is tried again."""
    bench.send("1")
    intake = bench.intake()
    [one] = intake.receive()
    far = FarStore()
    completions = [Completion((bench.outgoing("next"),), done(), ack(one.tag))]
    far.broken = True
    with pytest.raises(BrokerError, match="far away"):
        intake.commit(completions, far)
    kept = bench.client.hlen(next(iter(bench.client.keys("taskq.lease.*"))))
    far.broken = False
    intake.commit(completions, far)

    assert kept == 1
    assert [record.task_id for record in far.records] == ["t"]
    assert bench.client.llen("q") == 1
    assert bench.client.keys("taskq.lease.*") == []


class FarStore:
    """A store at another place."""

    address = "elsewhere"

    def __init__(self) -> None:
        self.records: list[ResultRecord] = []
        self.broken = False

    def store(self, records: list[ResultRecord]) -> None:
        if self.broken:
            raise BrokerError("far away", "broken")
        self.records += records


def test_a_follow_up_that_cannot_be_sent_leaves_the_message_leased(bench: Bench) -> None:
    """Nothing is acked whose follow-up has gone nowhere."""
    bench.send("1")
    bench.client.set("other", "no list")
    intake = bench.intake()
    [one] = intake.receive()
    with pytest.raises(BrokerError, match="WRONGTYPE"):
        intake.commit(
            [Completion((bench.outgoing("x", "other"),), done(), ack(one.tag))], bench.store()
        )
    intake.close()

    assert ids(bench.intake(node="w2").receive()) == ["1"]
    assert bench.client.get("celery-task-meta-t") is None


def test_a_follow_up_goes_through_bindings(bench: Bench) -> None:
    """A follow-up for a topic exchange reaches the queues bound to it."""
    topic = ExchangeSpec("events", "topic")
    bench.broker().declare([QueueSpec("all", topic, "a.#"), QueueSpec("some", topic, "b.*")])
    bench.send("1")
    intake = bench.intake()
    [one] = intake.receive()
    out = Outgoing(Message({"id": "x"}, b"", "a/b", "utf-8"), "events", "a.b.c", "topic")
    intake.commit([Completion((out,), None, ack(one.tag))], bench.store())

    assert (bench.client.llen("all"), bench.client.llen("some")) == (1, 0)


# -- lost connections ----------------------------------------------------------------------------


def test_a_lost_connection_is_one_error_and_reconnect_goes_on(bench: Bench) -> None:
    """Each call says that the broker is lost; afterwards what was held can be settled."""
    bench.send("1")
    intake = bench.intake()
    [one] = intake.receive()
    bench.server.connected = False
    for call in (intake.receive, intake.renew, intake.reconnect):
        with pytest.raises(BrokerLostError, match="redis://fake:6379/0"):
            call()
    with pytest.raises(BrokerLostError):
        intake.settle([ack(one.tag)])
    bench.server.connected = True
    intake.reconnect()
    intake.settle([ack(one.tag)])

    assert bench.client.keys("taskq.lease.*") == []


def test_messages_whose_delivery_was_cut_off_are_delivered_after_all(bench: Bench) -> None:
    """Taken by the server, never heard of here: found by reconnect, given out once."""
    bench.send("1", "2")
    intake = bench.intake()
    with Interrupted(intake), pytest.raises(BrokerLostError):
        intake.receive()
    intake.reconnect()

    assert ids(intake.receive()) == ["1", "2"]
    assert intake.receive() == []


def test_a_commit_whose_reply_was_cut_off_is_done_once(bench: Bench) -> None:
    """Repeated after reconnect, it sends nothing twice and counts nothing as lost."""
    bench.send("1")
    intake, store = bench.intake(), bench.store()
    [one] = intake.receive()
    completions = [Completion((bench.outgoing("next"),), done(), ack(one.tag))]
    with Interrupted(intake), pytest.raises(BrokerLostError):
        intake.commit(completions, store)
    intake.reconnect()
    intake.commit(completions, store)

    assert ids(intake.receive()) == ["next"]
    assert intake.lost_tags() == []


def test_a_server_that_forgot_the_scripts_is_told_them_again(bench: Bench) -> None:
    """SCRIPT FLUSH costs a round trip, nothing else."""
    bench.send("1")
    intake = bench.intake()
    bench.client.script_flush()

    assert ids(intake.receive()) == ["1"]


# -- fanout, queues without acks, queues that come and go ----------------------------------------


def fanout(name: str, exchange: str, key: str = "", **options: object) -> QueueSpec:
    return QueueSpec(name, ExchangeSpec(exchange, "fanout"), key, **options)  # type: ignore[arg-type]


def broadcast(exchange: str, key: str = "", one: str = "1") -> Outgoing:
    message = Message({"id": one}, b"", "a/b", "utf-8")
    return Outgoing(message, exchange, key, "fanout")


def test_a_fanout_message_reaches_each_queue_without_a_lease(bench: Bench) -> None:
    """Every listener gets it, and there is nothing to settle."""
    broker = bench.broker()
    one = broker.consume([fanout("a", "all")], "w1")
    two = broker.consume([fanout("b", "all")], "w2")
    broker.publish([broadcast("all")])

    got: list[Any] = [*one.receive(), *two.receive()]
    assert [(each.queue, each.exchange) for each in got] == [("a", "all"), ("b", "all")]
    one.settle([ack(got[0].tag)])
    assert bench.client.keys("taskq.lease.*") == []


def test_a_fanout_queue_listens_to_a_pattern(bench: Bench) -> None:
    """``worker.#`` hears ``worker.online`` and no ``task.sent``."""
    broker = bench.broker()
    intake: Any = broker.consume([fanout("ev", "celeryev", "worker.#")], "w1")
    broker.publish([broadcast("celeryev", "task.sent"), broadcast("celeryev", "worker.online")])

    assert [one.routing_key for one in intake.receive()] == ["worker.online"]


def test_a_fanout_queue_that_goes_with_its_worker_leaves_no_binding(bench: Bench) -> None:
    """An auto-delete queue is unbound when its worker ends."""
    intake = bench.broker().consume([fanout("box", "pidbox", auto_delete=True)], "w1")
    before = bench.client.smembers("_kombu.binding.pidbox")
    intake.close()

    assert before == {b"\x06\x16\x06\x16box"}
    assert bench.client.smembers("_kombu.binding.pidbox") == set()


def test_a_queue_without_acks_gives_messages_away(bench: Bench) -> None:
    """They are no longer the broker's; nothing is leased."""
    bench.send("1", "2")
    intake = bench.broker().consume([bench.queue("q", no_ack=True)], "w1")

    assert ids(intake.receive()) == ["1", "2"]
    assert bench.client.keys("taskq.lease.*") == []
    intake.close()
    assert bench.client.llen("q") == 0


def test_queues_are_added_and_cancelled_while_it_runs(bench: Bench) -> None:
    """An added queue is taken from and bound; a cancelled one is left alone."""
    intake = bench.intake("a")
    intake.add_queue(bench.queue("b"))
    bench.send("b1", queue="b")
    first = ids(intake.receive())
    intake.cancel_queue("a")
    bench.send("a1", queue="a")

    assert first == ["b1"]
    assert intake.receive() == []
    assert bench.client.exists("_kombu.binding.b")


def test_an_expiring_queue_lives_while_it_is_consumed(bench: Bench) -> None:
    """Renewing keeps its lists and bindings; kombu finds the deadline of the binding."""
    broker = bench.broker()
    queue = bench.queue("q", expires_s=60.0)
    intake = broker.consume([queue], "w1")
    bench.send("1")
    intake.renew()

    assert 0 < bench.client.pttl("q") <= 60_000
    assert bench.client.zscore("_kombu.binding_deadlines", "q") > 0
    assert not bench.client.exists("_kombu.binding_permanent.q")


def test_too_many_queues_to_wait_at_are_polled(bench: Bench) -> None:
    """Beyond the limit of connections lists are looked at from time to time."""
    intake = bench.intake(*(f"q{number}" for number in range(MOST_PEEKS)))
    intake.receive()

    assert intake.poll_s == 0.1
