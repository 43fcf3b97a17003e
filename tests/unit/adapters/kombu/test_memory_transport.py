"""What emulated transports do by themselves, and what the driver undoes."""

from __future__ import annotations

import gzip
import itertools
import os
import select
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from kombu import Connection as KombuConnection
from kombu.transport.memory import Channel as MemoryChannel

from taskq.adapters.broker.kombu import KombuBroker
from taskq.adapters.broker.kombu_memory import Connection
from taskq.adapters.clock import SystemClock
from taskq.adapters.randomness import SystemRandomness
from taskq.errors import OperationalError
from taskq.ports import (
    Delivery,
    ExchangeSpec,
    Intake,
    Malformed,
    Message,
    Outgoing,
    Place,
    QueueSpec,
    Settlement,
    Verdict,
)

NUMBERS = itertools.count()


@pytest.fixture
def queue() -> QueueSpec:
    name = f"unit-{next(NUMBERS)}"
    return QueueSpec(name, ExchangeSpec(name), name)


def outgoing(queue: QueueSpec, body: bytes, **headers: str) -> Outgoing:
    message = Message(headers, body, "application/json", "utf-8")
    return Outgoing(message, queue.name, queue.name, declare=(queue,))


def test_a_compressed_body_stays_compressed(broker: KombuBroker, queue: QueueSpec) -> None:
    """Also when it is no valid compression, and after it went back into the queue."""
    bodies = [zlib.compress(b"x" * 100), gzip.compress(b"y"), b"broken"]
    broker.publish([outgoing(queue, body, compression="application/x-gzip") for body in bodies])
    for _ in range(2):
        intake = broker.consume([queue], "w")
        got = [one for one in intake.receive() if isinstance(one, Delivery)]
        intake.close()

        assert [one.message.body for one in got] == bodies
        assert {one.message.headers["compression"] for one in got} == {"application/x-gzip"}


def test_what_is_no_message_is_reported_and_does_not_stop_the_rest(
    broker: KombuBroker, queue: QueueSpec
) -> None:
    """It holds a place until it is settled."""
    broker.declare([queue])
    for raw in ({"nonsense": 1}, "text", {"body": "!", "properties": {}}):
        MemoryChannel.queues[queue.name].put(raw)
    broker.publish([outgoing(queue, b"good")])
    intake = broker.consume([queue], "w")
    got = list(intake.receive())
    intake.settle([Settlement(one.tag, Verdict.REJECT) for one in got])
    intake.close()

    bad = [one for one in got if isinstance(one, Malformed)]
    assert [one.raw for one in bad][:2] == [b'{"nonsense": 1}', b"text"]
    assert all(one.queue == queue.name and one.reason for one in bad)
    assert [one.message.body for one in got if isinstance(one, Delivery)] == [b"good"]
    assert len({one.tag for one in got}) == 4
    assert broker.length(queue.name) == 0


def in_files(folder: Path, **options: object) -> KombuBroker:
    """Return a broker on a transport that has to be asked."""
    folders = {"data_folder_in": str(folder), "data_folder_out": str(folder)}
    return KombuBroker(
        "filesystem://",
        clock=SystemClock(),
        randomness=SystemRandomness(),
        place=Place("h", 1),
        transport_options={**folders, "control_folder": str(folder / "control"), **options},
    )


def test_an_idle_worker_looks_less_often(tmp_path: Path, queue: QueueSpec) -> None:
    """And at once more often when something came."""
    broker = in_files(tmp_path)
    intake = broker.consume([queue], "w")
    rhythm = []
    for _ in range(5):
        intake.receive()
        rhythm.append(intake.poll_s)
    broker.publish([outgoing(queue, b"x")])
    intake.receive()
    rhythm.append(intake.poll_s)
    intake.close()
    broker.close()

    assert rhythm == [0.02, 0.04, 0.05, 0.05, 0.05, 0.01]


def test_the_users_polling_interval_is_kept(tmp_path: Path, queue: QueueSpec) -> None:
    """On SQS each look costs money."""
    broker = in_files(tmp_path, polling_interval=3)
    intake = broker.consume([queue], "w")

    assert intake.poll_s == 3.0
    intake.close()
    broker.close()


def readable(intake: Intake) -> bool:
    """Whether a worker that waits would wake now."""
    return bool(select.select(list(intake.watched), [], [], 0)[0])


def test_queues_in_memory_wake_who_waits(broker: KombuBroker, queue: QueueSpec) -> None:
    """Nobody asks again and again: a message, or room for one, is what wakes."""
    intake = broker.consume([queue], "w")
    intake.set_prefetch(1)
    intake.receive()
    assert intake.poll_s is None
    assert not readable(intake)

    broker.publish([outgoing(queue, b"one"), outgoing(queue, b"two")])
    assert readable(intake)

    (first,) = intake.receive()
    assert not readable(intake), "there is no room: to wake would be to spin"

    intake.settle([Settlement(first.tag, Verdict.ACK)])
    assert readable(intake)
    assert len(intake.receive()) == 1
    intake.close()


def test_a_message_that_is_given_back_stands_where_it_was(
    broker: KombuBroker, queue: QueueSpec
) -> None:
    """In its own queue alone, in front, and says that it was out before."""
    twin = QueueSpec(f"{queue.name}-twin", queue.exchange, queue.routing_key)
    broker.declare([queue, twin])
    broker.publish([outgoing(queue, body) for body in (b"1", b"2", b"3")])
    intake = broker.consume([queue], "w")
    got = intake.receive()
    intake.settle([Settlement(got[2].tag, Verdict.ACK)])
    intake.close()

    again = broker.consume([queue], "w")
    bodies = [(one.message.body, one.redelivered) for one in again.receive()]
    again.close()
    assert bodies == [(b"1", True), (b"2", True)]
    assert broker.length(twin.name) == 3


def test_programs_that_use_kombu_by_themselves_see_the_same_queues(
    broker: KombuBroker, queue: QueueSpec
) -> None:
    """Also in a queue that kombu made first; but nobody looks into a space of another's."""
    with KombuConnection("memory://") as theirs:
        box = theirs.SimpleQueue(queue.name)
        box.put({"n": 1})
        intake = broker.consume([queue], "w")
        (got,) = intake.receive()
        intake.settle([Settlement(got.tag, Verdict.REQUEUE)])
        intake.close()
        assert box.get(timeout=5).payload == {"n": 1}
        box.close()

    apart = Connection("memory://", transport_options={"space": "a room of its own"})
    with apart:
        assert not apart.channel()._has_queue(queue.name)


def test_a_forked_child_is_told_that_nobody_hears_it(broker: KombuBroker, queue: QueueSpec) -> None:
    """What it would put into its copy of the queues would be lost."""
    intake = broker.consume([queue], "w")
    broker.declare([queue])
    child = os.fork()
    if child == 0:
        code = 1
        try:
            broker.publish([outgoing(queue, b"x")])
        except OperationalError as error:
            code = 0 if "another broker" in str(error) else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    intake.close()

    assert os.waitstatus_to_exitcode(status) == 0


def test_queues_in_memory_under_patches_for_greenlets() -> None:
    """A worker in pool gevent, in a process that was patched before all."""
    program = (
        "from gevent import monkey; monkey.patch_all()\n"
        "from taskq.contrib.testing.app import TestApp, setup_default_app\n"
        "from taskq.contrib.testing.worker import start_worker\n"
        "app = TestApp()\n"
        "add = app.task(name='add', shared=False)(lambda x, y: x + y)\n"
        "with setup_default_app(app), start_worker(app, pool='gevent'):\n"
        "    print(add.delay(1, 2).get(timeout=60))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )

    assert done.stdout == "3\n", done.stderr


def test_a_url_without_a_password_shows_none(broker: KombuBroker) -> None:
    """No stars where there is nothing to star."""
    assert broker.name == "memory://localhost//"


def test_a_password_is_starred() -> None:
    """In the name, as in every error."""
    broker = KombuBroker(
        ["amqp://joe:secret@host/vhost", "amqp://jim:hidden@other//"],
        clock=SystemClock(),
        randomness=SystemRandomness(),
        place=Place("h", 1),
    )

    assert broker.name == "amqp://joe:**@host:5672/vhost"
    assert broker.address is None
