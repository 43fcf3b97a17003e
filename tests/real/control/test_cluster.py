"""Real workers among each other: who is there, who is elected, and what it costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from taskq import TaskQ
from taskq_testing.servers import RabbitMQServer
from tests.real.control.conftest import HERE
from tests.real.workers import WorkerProcess, worker


@pytest.fixture
def start(place: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Start workers by name, of either library."""
    with ExitStack() as stack:

        def start_one(
            name: str, *arguments: str, python: str | None = None, pool: str = "solo"
        ) -> WorkerProcess:
            library = "taskq" if python is None else "celery"
            return stack.enter_context(
                worker(
                    tmp_path,
                    *("-n", name, "-c", "1", "-P", pool, "-l", "DEBUG", *arguments),
                    app="steered",
                    cwd=HERE,
                    env={**place, "STEERED_LIBRARY": library},
                    command=None if python is None else [python, "-m", "celery"],
                )
            )

        yield start_one


Start = Callable[..., WorkerProcess]


def test_workers_hear_of_each_other(start: Start) -> None:
    """Who joins, who leaves, and who is gone without a word."""
    one = start("one@here")
    other = start("other@here")
    one.wait_for("other@here joined the party")
    other.wait_for("one@here joined the party")
    lost = start("lost@here")
    one.wait_for("lost@here joined the party")
    other.stop()
    lost.kill_tree()

    assert one.wait_for("other@here left")
    assert one.wait_for("missed heartbeat from lost@here", 30)


def test_both_libraries_hear_of_each_other(start: Start, celery_python: str) -> None:
    """And elect one of them, all the same one."""
    ours = start("ours@here")
    theirs = start("theirs@here", python=celery_python, pool="prefork")
    ours.wait_for("theirs@here joined the party")
    theirs.wait_for("ours@here joined the party")
    theirs.stop()

    assert ours.wait_for("theirs@here left")


@pytest.mark.parametrize("celery_too", [False, True])
def test_one_of_them_is_elected(
    start: Start, client: TaskQ, celery_python: str, tmp_path: Path, celery_too: bool
) -> None:
    """And does once what the winner is to do."""
    names = ["a@here", "b@here", "c@here"]
    workers = [start(name) for name in names[:2]]
    if celery_too:
        workers.append(start(names[2], python=celery_python, pool="prefork"))
    for one, own in zip(workers, names, strict=False):
        for name in names[: len(workers)]:
            if name != own:
                one.wait_for(f"{name} joined the party")
    time.sleep(4)  # until they know that they know all
    marks = tmp_path / "marks"
    action = {"task": "steered.mark", "args": [str(marks)], "kwargs": {}, "options": {}}
    client.control.election("e1", "task", action)
    said = [one.wait_for("I won the election|elected for 'e1'") for one in workers]
    deadline = time.monotonic() + 20
    while not marks.exists() and time.monotonic() < deadline:
        time.sleep(0.05)

    assert marks.read_text() == "x"
    assert sum("I won" in line for line in said) == 1
    winners = {line.partition(" elected")[0].rpartition(" ")[2] for line in said if "for" in line}
    assert len(winners - {"election"}) <= 1


def test_a_worker_that_is_alone_elects_itself(start: Start, client: TaskQ, tmp_path: Path) -> None:
    """A single vote is a vote."""
    alone = start("alone@here")
    marks = tmp_path / "marks"
    client.control.election("e1", "task", {"task": "steered.mark", "args": [str(marks)]})
    alone.wait_for("I won the election 'e1'")
    alone.wait_for(r"steered.mark\[.*\] succeeded")

    assert marks.read_text() == "x"
    assert client.control.inspect(timeout=10, limit=1).ping() == {"alone@here": {"ok": "pong"}}


def test_a_newcomer_learns_what_was_revoked(
    start: Start, client: TaskQ, celery_python: str
) -> None:
    """From a worker of Celery, which keeps it in its memory alone."""
    theirs = start("theirs@here", python=celery_python, pool="prefork")
    client.control.revoke(
        "a", destination=["theirs@here"], reply=True, timeout=10
    )  # named, it is no revocation for all
    start("ours@here").wait_for("mingle: sync with 1 nodes")

    assert client.control.inspect(["ours@here"], timeout=10).revoked() == {"ours@here": ["a"]}
    assert theirs.process.poll() is None


# -- what it costs -----------------------------------------------------------------------------


def lasting(place: dict[str, str], server: Any) -> set[str]:
    """Return the keys or queues that do not go by themselves."""
    if place["STEERED_BROKER"].startswith("redis"):
        with redis.Redis.from_url(place["STEERED_BROKER"]) as connection:
            return {key.decode() for key in connection.scan_iter() if connection.ttl(key) < 0}
    assert isinstance(server, RabbitMQServer)
    vhost = urlsplit(place["STEERED_BROKER"]).path.removeprefix("/")
    return set(server.control("-q", "-p", vhost, "list_queues", "name").splitlines())


@pytest.fixture
def kept(place: dict[str, str], request: pytest.FixtureRequest) -> Callable[[], set[str]]:
    redis_broker = place["STEERED_BROKER"].startswith("redis")
    server = None if redis_broker else request.getfixturevalue("rabbitmq_server")
    return lambda: lasting(place, server)


def test_a_thousand_questions_leave_nothing_behind(
    start: Start, client: TaskQ, kept: Callable[[], set[str]]
) -> None:
    """Also where nobody waits for the answer any more: what comes too late has an end."""
    start("one@here").wait_for("mingle: alone")
    client.control.inspect(timeout=10, limit=1).ping()
    before = kept()
    answered = sum(
        client.control.inspect(timeout=10, limit=1).ping() is not None for _ in range(990)
    )
    for _ in range(10):
        client.control.inspect(timeout=0.0001).ping()
    client.control.inspect(timeout=10, limit=1).ping()

    assert answered == 990
    assert kept() <= before


ASKS = """
import os
from taskq import TaskQ

app = TaskQ("asker", broker=os.environ["STEERED_BROKER"])
print("asks", flush=True)
app.control.ping(timeout=600)
"""


def test_whoever_is_killed_while_it_asks_leaves_nothing_for_ever(
    start: Start, client: TaskQ, place: dict[str, str], kept: Callable[[], set[str]]
) -> None:
    """The server forgets its queue; or the next one who asks does, when its time is over."""
    one = start("one@here")
    one.wait_for("mingle: alone")
    before = kept()
    process = subprocess.Popen(
        [sys.executable, "-c", ASKS], env={**os.environ, **place}, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    one.wait_for("received the command ping")
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 90
    while not kept() <= before and time.monotonic() < deadline:
        time.sleep(2)
        client.control.inspect(timeout=10, limit=1).ping()

    assert kept() <= before


def test_idle_workers_say_little(start: Start, redis_url: str, place: dict[str, str]) -> None:
    """One message for each in each interval, however many there are."""
    if not place["STEERED_BROKER"].startswith("redis"):
        return  # the same code sends; here it can be counted at the server
    names = [f"w{number}@here" for number in range(4)]
    workers = [start(name) for name in names]
    for one in workers:
        one.wait_for("mingle: (sync|alone)")
    with redis.Redis.from_url(redis_url) as connection, connection.pubsub() as listener:
        listener.psubscribe("*")
        until = time.monotonic() + 6.0
        heard: list[str] = []
        while (left_s := until - time.monotonic()) > 0:
            message = listener.get_message(ignore_subscribe_messages=True, timeout=left_s)
            if message is not None:
                heard.append(message["channel"].decode())

    assert {channel.rpartition("/")[2] for channel in heard} == {"worker.heartbeat"}
    assert len(heard) <= 4 * len(names)  # three beats, and one that was just due


def test_a_worker_whose_ear_was_cut_off_hears_again(
    start: Start, client: TaskQ, place: dict[str, str]
) -> None:
    """What was revoked meanwhile it learns from the broker."""
    if not place["STEERED_BROKER"].startswith("redis"):
        return  # there commands and tasks come by connections that are lost together
    one = start("one@here")
    with redis.Redis.from_url(place["STEERED_BROKER"]) as connection:
        connection.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    client.control.revoke("a")
    deadline = time.monotonic() + 30
    revoked: Any = None
    while revoked != {"one@here": ["a"]} and time.monotonic() < deadline:
        revoked = client.control.inspect(timeout=1, limit=1).revoked()

    assert revoked == {"one@here": ["a"]}
    assert one.process.poll() is None
