"""Tasks are moved between queues and brokers, and none is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskq import TaskQ
from taskq.contrib import migrate
from tests.real.beside.conftest import HERE, PATIENCE_S

FEW = 30


def app_at(url: str) -> TaskQ:
    return TaskQ("moved", broker=url, set_as_current=False, changes={"task_default_queue": "old"})


@pytest.fixture(params=["redis to rabbitmq", "rabbitmq to redis", "rabbitmq to rabbitmq"])
def ways(
    request: pytest.FixtureRequest, redis_url: str, amqp_url: str
) -> Iterator[tuple[str, str]]:
    """Return two brokers."""
    source, _, dest = request.param.partition(" to ")
    server = request.getfixturevalue("rabbitmq_server")
    other = server.new_vhost() if hasattr(server, "new_vhost") else amqp_url
    there = {"redis": redis_url, "rabbitmq": amqp_url}
    return there[source], other if source == dest else there[dest]


def ids_in(app: TaskQ, queue: str = "old") -> list[str]:
    """Return the ids of what waits in a queue; it stays there."""
    found: list[str] = []
    migrate.start_filter(
        app, None, lambda body, _message: found.append(body["id"]), consume_from=[queue]
    )
    return found


def test_all_tasks_of_a_broker_are_moved(ways: tuple[str, str]) -> None:
    """Each message is at the other broker with its headers and arguments, parked ones as well."""
    source, dest = map(app_at, ways)
    sent = [source.send_task("add", (n,), headers={"own": "header"}).id for n in range(FEW)]
    later = source.send_task("add", (99,), countdown=3600).id

    state = migrate.migrate_tasks(*ways, app=source, ack_messages=True, timeout=3.0)

    seen: dict[str, Any] = {}
    migrate.start_filter(
        dest, None, lambda body, message: seen.update({body["id"]: (body["args"], message.headers)})
    )
    assert state.count == FEW + 1
    assert source.ports.broker.length("old") == 0
    assert set(seen) == {*sent, later}
    assert [seen[task_id][0] for task_id in sent] == [[n] for n in range(FEW)]
    assert {headers["own"] for task_id, (_, headers) in seen.items() if task_id != later} == {
        "header"
    }
    for app in (source, dest):
        app.close()


def test_without_ack_they_stay_where_they_were(ways: tuple[str, str]) -> None:
    """A copy leaves the source as it was."""
    source, dest = map(app_at, ways)
    sent = [source.send_task("add", (n,)).id for n in range(FEW)]

    migrate.migrate_tasks(*ways, app=source, timeout=3.0, queues="old:new")

    assert sorted(ids_in(source)) == sorted(sent)
    assert ids_in(dest, "new") == sent
    for app in (source, dest):
        app.close()


def test_some_tasks_are_moved_to_another_queue(url: str) -> None:
    """A predicate says which go where; the others stay, in their order."""
    app = app_at(url)
    mail = [app.send_task("mail", (n,)).id for n in range(5)]
    other = [app.send_task("other", (n,)).id for n in range(5)]

    state = migrate.move_by_taskmap({"mail": "letters"}, app=app, timeout=2.0)
    migrate.move_task_by_id(other[3], "letters", app=app, timeout=2.0)

    assert state.filtered == 5
    assert sorted(ids_in(app, "letters")) == sorted([*mail, other[3]])
    assert ids_in(app) == [task_id for task_id in other if task_id != other[3]]
    app.close()


def test_the_command_says_what_it_has_moved(ways: tuple[str, str], tmp_path: Path) -> None:
    """``taskq migrate --json`` prints one line for machines."""
    source, dest = map(app_at, ways)
    for n in range(FEW):
        source.send_task("add" if n % 2 else "other", (n,))
    words = ["-Q", "old", "-T", "add", "-t", "3", "--ack-messages", "--json"]

    done = subprocess.run(
        [sys.executable, "-m", "taskq", "-b", ways[0], "migrate", *ways, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )

    assert json.loads(done.stdout)["moved"] is True
    assert len(ids_in(source)) == FEW // 2
    assert len(ids_in(dest)) == FEW // 2
    for app in (source, dest):
        app.close()


def test_killed_in_the_middle_it_has_lost_nothing(ways: tuple[str, str]) -> None:
    """After a kill each task is at one of the brokers at least; begun anew, it finishes."""
    source, dest = map(app_at, ways)
    many = 1500
    sent = {source.send_task("add", (n,)).id for n in range(many)}
    words = ["-Q", "old", "-t", "5", "--ack-messages"]
    line = [sys.executable, "-m", "taskq", "-b", ways[0], "migrate", *ways, *words]
    env = {**os.environ, "TASKQ_LEASE": "1"}

    with subprocess.Popen(line, cwd=HERE, env=env, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + PATIENCE_S
        while dest.ports.broker.length("old") < 10:
            assert time.monotonic() < deadline, "nothing was moved"
            assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)

    here = set(ids_in(dest))
    assert 0 < len(here) <= many
    deadline = time.monotonic() + PATIENCE_S * 2
    while here != sent:
        assert time.monotonic() < deadline, f"{len(sent - here)} of {many} are lost"
        migrate.migrate_tasks(*ways, app=source, ack_messages=True, timeout=3.0, queues="old")
        here |= set(ids_in(dest))
    assert source.ports.broker.length("old") == 0
    for app in (source, dest):
        app.close()
