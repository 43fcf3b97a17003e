"""A real Celery and this driver on one Redis: commands, replies, and messages that were parked."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskq.adapters.broker.redis import RedisBroker
from taskq.ports import ExchangeSpec, Inbox, Message, Outgoing, QueueSpec, Settlement, Verdict
from tests.real.environments import python_with
from tests.real.redis.conftest import make_broker, receive_within
from tests.real.workers import WorkerProcess, worker

FLEET = Path(__file__).parents[1] / "interop"
COMMANDS = ExchangeSpec("celery.pidbox", "fanout", durable=False)
REPLIES = ExchangeSpec("reply.celery.pidbox", "direct", durable=False)

ASK = """
import json, sys
from celery import Celery
app = Celery("fleet", broker=sys.argv[1])
print(json.dumps(app.control.ping(timeout=float(sys.argv[2]))), flush=True)
"""


@pytest.fixture(scope="session")
def celery_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a Python with Celery in an environment of its own; it is never beside taskq."""
    folder = tmp_path_factory.mktemp("celery")
    return python_with(folder, "celery[redis]==5.7.0", given_by="TASKQ_CELERY_PYTHON")


@pytest.fixture
def celery_worker(celery_python: str, redis_url: str, tmp_path: Path) -> Iterator[WorkerProcess]:
    """Run a worker of Celery's, by the name of ``theirs@here``."""
    env = {"FLEET_LIBRARY": "celery", "FLEET_BROKER": redis_url, "FLEET_BACKEND": redis_url}
    command = [celery_python, "-m", "celery"]
    arguments = ("-c", "1", "-n", "theirs@here")
    with worker(tmp_path, *arguments, app="fleet", cwd=FLEET, env=env, command=command) as running:
        yield running


def asker(broker: RedisBroker, oid: str) -> Inbox:
    """Listen for replies as Celery's clients do."""
    name = f"{oid}.reply.celery.pidbox"
    return broker.listen(QueueSpec(name, REPLIES, oid, auto_delete=True, expires_s=10.0))


def ping(oid: str) -> Outgoing:
    """Ask all workers, as Celery's clients do."""
    command = {
        "method": "ping", "arguments": {}, "destination": None, "pattern": None, "matcher": None,
        "ticket": oid, "reply_to": {"exchange": REPLIES.name, "routing_key": oid},
    }  # fmt: skip
    message = Message(
        {"clock": 1, "expires": time.time() + 10},
        json.dumps(command).encode(),
        "application/json",
        "utf-8",
    )
    return Outgoing(message, COMMANDS.name, "", "fanout", declare=(COMMANDS,))


def hear(inbox: Inbox, seconds: float, count: int = 1) -> list[Message]:
    heard: list[Message] = []
    deadline = time.monotonic() + seconds
    while len(heard) < count and time.monotonic() < deadline:
        inbox.wait(deadline - time.monotonic())
        heard += inbox.receive()
    return heard


def test_their_worker_hears_us_and_we_hear_its_reply(
    celery_worker: WorkerProcess, broker: RedisBroker
) -> None:
    """A command goes out on the channel; the reply comes to the list that was bound for it."""
    inbox = asker(broker, "me")
    heard: list[Message] = []
    deadline = time.monotonic() + 60
    while not heard and time.monotonic() < deadline:  # what it is asked before it listens is lost
        broker.publish([ping("me")])
        heard = hear(inbox, 5)
    reply = heard[0]

    assert json.loads(reply.body) == {"theirs@here": {"ok": "pong"}}
    assert reply.headers["ticket"] == "me"
    inbox.close()


def test_their_client_hears_our_reply(
    celery_python: str, redis_url: str, broker: RedisBroker
) -> None:
    """We listen as a worker, read their command, and answer to where it says."""
    node = QueueSpec("ours@here.celery.pidbox", COMMANDS, "", auto_delete=True, expires_s=10.0)
    inbox = broker.listen(node)
    with subprocess.Popen(
        [celery_python, "-c", ASK, redis_url, "3"], stdout=subprocess.PIPE, text=True
    ) as client:
        [command] = hear(inbox, 30)
        said = json.loads(command.body)
        where = said["reply_to"]
        answer = Message(
            {"ticket": said["ticket"], "clock": 3},
            json.dumps({"ours@here": {"ok": "pong"}}).encode(),
            "application/json",
            "utf-8",
            {"delivery_mode": 1},
        )
        exchange = ExchangeSpec(where["exchange"], "direct", durable=False)
        broker.publish(
            [Outgoing(answer, exchange.name, where["routing_key"], "direct", declare=(exchange,))]
        )
        out, _ = client.communicate(timeout=30)

    assert said["method"] == "ping"
    assert json.loads(out) == [{"ours@here": {"ok": "pong"}}]
    inbox.close()


def test_a_thousand_questions_leave_no_key(
    celery_worker: WorkerProcess, broker: RedisBroker, client: Any
) -> None:
    """Each is answered, and everything that was made for it is gone."""
    asker(broker, "first").close()
    before = client.dbsize()
    for number in range(1000):
        inbox = asker(broker, f"c{number}")
        broker.publish([ping(f"c{number}")])
        assert len(hear(inbox, 10)) == 1
        inbox.close()

    assert client.dbsize() == before


def test_clients_that_are_killed_leave_no_key_for_long(
    celery_worker: WorkerProcess, redis_url: str, client: Any
) -> None:
    """At any moment between asking and hearing; a worker that listens clears away after them."""
    chance = random.Random(3)
    worker_broker = make_broker(redis_url)
    node = QueueSpec("ours@here.celery.pidbox", COMMANDS, "", auto_delete=True, expires_s=10.0)
    ours = worker_broker.listen(node)
    before = sorted(client.keys("*"))
    for number in range(40):
        child = os.fork()
        if child == 0:
            with contextlib.suppress(Exception):
                mine = make_broker(redis_url)
                inbox = asker(mine, f"c{number}")
                mine.publish([ping(f"c{number}")])
                time.sleep(chance.uniform(0.0, 0.02) + number % 3 * 0.005)
                if number % 4 == 0:
                    inbox.close()
            os._exit(0)
        os.waitpid(child, 0)
    left = client.dbsize()
    time.sleep(0.5)  # their worker still replies to who is gone
    for record in client.zrange("taskq.listeners", 0, -1):
        if b"ours@here" not in record:
            client.zadd("taskq.listeners", {record: 1})
    ours.reconnect()

    assert left > len(before)
    assert sorted(client.keys("*")) == before
    ours.close()


def test_what_was_parked_is_run_by_their_worker(
    celery_python: str, redis_url: str, client: Any, tmp_path: Path
) -> None:
    """A worker of ours parks it and takes nothing more; when it is due it is a plain message."""
    env = {**os.environ, "FLEET_LIBRARY": "celery", "FLEET_BROKER": redis_url}
    env["FLEET_BACKEND"] = redis_url
    code = "import fleet; print(fleet.add.apply_async((2, 3), countdown=1.5, priority=6).id)"
    done = subprocess.run(
        [celery_python, "-c", code], cwd=FLEET, env=env, capture_output=True, text=True, check=True
    )
    task_id = done.stdout.strip()
    queue = QueueSpec("celery", ExchangeSpec("celery"), "celery")
    intake = make_broker(redis_url).consume([queue], "ours@here")
    intake.set_prefetch(1)
    [delivery] = receive_within(intake, 10)
    due_s = time.time() + 2.0
    intake.settle([Settlement(delivery.tag, Verdict.PARK, due_s=due_s)])
    intake.set_prefetch(1)
    plain = Outgoing(Message({"id": "held"}, b"[]", "application/json", "utf-8"), "", "celery")
    make_broker(redis_url).publish([plain])
    [held] = receive_within(intake, 10)  # no room for more
    command = [celery_python, "-m", "celery"]
    arguments = ("-c", "1", "-n", "theirs@here")
    theirs = {name: env[name] for name in ("FLEET_LIBRARY", "FLEET_BROKER", "FLEET_BACKEND")}
    with worker(tmp_path, *arguments, app="fleet", cwd=FLEET, env=theirs, command=command):
        early = client.exists(f"celery-task-meta-{task_id}")
        deadline = time.monotonic() + 20
        while not client.exists(f"celery-task-meta-{task_id}") and time.monotonic() < deadline:
            assert intake.receive() == []
            time.sleep(0.1)
    ended_s = time.time()

    assert early == 0 or ended_s > due_s
    result = json.loads(client.get(f"celery-task-meta-{task_id}"))
    assert (result["status"], result["result"]) == ("SUCCESS", 5)
    assert ended_s >= due_s
    intake.settle([Settlement(held.tag, Verdict.ACK)])
    intake.close()
    assert client.keys("taskq.*") == []


@pytest.fixture(autouse=True)
def _same_interpreter() -> None:
    """Celery must never be importable here."""
    assert "celery" not in sys.modules
