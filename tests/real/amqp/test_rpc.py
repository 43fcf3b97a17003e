"""Results as messages, on a real RabbitMQ."""

from __future__ import annotations

import json
import os
import threading
import time

import pytest

from taskq.adapters.clock import SystemClock
from taskq.adapters.results.rpc import ListeningBroker, RpcStore
from taskq.ports import Outgoing, ResultRecord
from taskq_testing.servers import RabbitMQServer
from tests.real.amqp.conftest import Words, wait_until


def store(words: Words, oid: str, **options: bool) -> RpcStore:
    return RpcStore(words.broker(), oid=lambda: oid, clock=SystemClock(), **options)


def result(task_id: str, reply_to: str | None) -> ResultRecord:
    payload = b'{"status": "SUCCESS", "result": 5}'
    return ResultRecord(task_id, "SUCCESS", payload, reply_to=reply_to, correlation_id=task_id)


def test_a_reply_queue_looks_like_the_references(
    words: Words, private_rabbitmq: RabbitMQServer
) -> None:
    """Durable, deleted after its client, and expiring after a day."""
    client = store(words, "my-oid")
    client.expect("my-oid")
    vhost = words.url.rpartition("/")[2]
    listed = private_rabbitmq.control(
        "list_queues", "-p", vhost, "name", "durable", "auto_delete", "exclusive", "arguments"
    )
    client.close()

    assert 'my-oid\ttrue\ttrue\tfalse\t[{"x-expires",86400000}]' in listed


def test_a_result_looks_like_the_references(words: Words) -> None:
    """Properties and body of the message, as another client sees them."""
    words.broker().declare([words.queue("reply")])
    store(words, "unused").store([result("t1", "reply"), result("t2", None)])
    with words.broker().connection() as connection:
        seen = connection.default_channel.basic_get("reply", no_ack=True)
        assert connection.default_channel.basic_get("reply", no_ack=True) is None

    assert dict(seen.properties) == {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "delivery_mode": 1,
        "priority": 0,
        "correlation_id": "t1",
        "application_headers": {},
    }
    assert json.loads(seen.body) == {"status": "SUCCESS", "result": 5}


@pytest.mark.parametrize("persistent", [False, True])
def test_persistence_is_a_setting(words: Words, persistent: bool) -> None:
    """``result_persistent`` decides the delivery mode."""
    words.broker().declare([words.queue("reply")])
    store(words, "unused", persistent=persistent).store([result("t1", "reply")])
    with words.broker().connection() as connection:
        seen = connection.default_channel.basic_get("reply", no_ack=True)

    assert seen.properties["delivery_mode"] == (2 if persistent else 1)


def test_the_queue_is_there_before_the_task_is_sent(words: Words) -> None:
    """A worker that is quicker than its client finds somewhere to send the result."""
    client, worker = store(words, "my-oid"), store(words, "other")
    broker = ListeningBroker(words.broker(), client)
    sent = words.message("t1")
    headers = {**sent.message.properties, "reply_to": "my-oid"}
    message = type(sent.message)(
        sent.message.headers, sent.message.body, "application/json", "utf-8", headers
    )
    broker.publish([Outgoing(message, "q", "q", declare=sent.declare)])
    worker.store([result("t1", "my-oid")])

    wait_until(lambda: client.load(["t1"])[0] is not None, "the result")
    assert broker.length("q") == 1
    client.close()


def test_others_reply_queues_are_left_alone(words: Words) -> None:
    """A worker that sends follow-ups for a client does not open that client's queue."""
    worker = store(words, "my-oid")
    worker.expect("somebody-else")

    assert worker._replies == {}
    worker.close()


def test_a_broken_connection_is_made_again(words: Words) -> None:
    """The client listens on; what comes after is there."""
    client, worker = store(words, "my-oid"), store(words, "other")
    client.expect("my-oid")
    client.wait(["t1"], 0)
    client._replies["my-oid"].intake._link.sock.close()  # type: ignore[attr-defined]  # a test's fault
    client.wait(["t1"], 0.1)
    worker.store([result("t1", "my-oid")])

    wait_until(lambda: client.load(["t1"])[0] is not None, "the result")
    client.close()


def test_a_fork_leaves_its_parents_queue_alone(words: Words) -> None:
    """The child opens its own; the parent still gets what is sent to it."""
    oid = ["parent"]
    client = RpcStore(words.broker(), oid=lambda: oid[0], clock=SystemClock())
    client.expect("parent")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            oid[0] = "child"
            client.expect("child")
            client.store([result("t1", "child"), result("t2", "parent")])
            wait_until(lambda: client.load(["t1"])[0] is not None, "the child's result")
            client.close()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert status == 0
    wait_until(lambda: client.load(["t2"])[0] is not None, "the parent's result")

    assert client.load(["t1"]) == [None]
    client.close()


def test_queues_of_ended_threads_are_closed(words: Words) -> None:
    """A program that makes a thread for each request does not collect connections."""
    local = threading.local()

    def oid() -> str:
        return str(getattr(local, "oid", "main"))

    client = RpcStore(words.broker(), oid=oid, clock=SystemClock())

    def request(at: int) -> None:
        local.oid = f"thread-{at}"
        client.expect(local.oid)

    for at in range(5):
        thread = threading.Thread(target=request, args=(at,))
        thread.start()
        thread.join()

    assert len(client._replies) == 1
    client.close()


def test_a_client_that_does_nothing_keeps_its_queue(words: Words) -> None:
    """Nobody sends heartbeats for it, so none are promised to the broker."""
    worker = store(words, "other")
    impatient = RpcStore(words.broker(heartbeat=1), oid=lambda: "idle", clock=SystemClock())
    impatient.expect("idle")
    time.sleep(3.5)
    worker.store([result("t1", "idle")])

    wait_until(lambda: impatient.load(["t1"])[0] is not None, "the result")
    impatient.close()
