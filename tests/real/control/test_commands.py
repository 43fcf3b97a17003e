"""Every command on real brokers: what a taskq worker answers is what Celery's answers."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from taskq import TaskQ
from tests.real.control.asked import ASKED
from tests.real.control.conftest import HERE, run_program
from tests.real.workers import worker

NODE = "w1@here"
ARGUMENTS = ("-c", "2", "-n", NODE)

# Where the two say the same in other words, or know more or less of themselves.
OWN_WORDS = {"report", "conf", "objgraph", "memdump"}


def shape(value: Any) -> Any:
    """What kind of thing it is, without what it says."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return "number" if isinstance(value, int | float) else type(value).__name__


def likeness(command: str, reply: Any) -> Any:
    """What of a reply the two libraries have in common."""
    if command == "stats":
        reply = {**reply, "broker": {}, "pool": {}, "rusage": sorted(reply["rusage"]), "total": {}}
    if command in OWN_WORDS | {"stats", "clock", "hello"}:
        return shape(reply) if command not in OWN_WORDS else shape(reply).__class__.__name__
    return reply


@pytest.mark.parametrize("asked_by", ["taskq", "celery"])
def test_both_libraries_answer_alike(
    place: dict[str, str], celery_python: str, tmp_path: Path, asked_by: str
) -> None:
    """Reply by reply, whoever asks."""
    pythons = {"taskq": sys.executable, "celery": celery_python}
    replies = {}
    for library, python in pythons.items():
        env = {**place, "STEERED_LIBRARY": library}
        command = [python, "-m", library]
        with worker(tmp_path, *ARGUMENTS, app="steered", cwd=HERE, env=env, command=command):
            printed = run_program(pythons[asked_by], place, asked_by, NODE)
        replies[library] = dict(enumerate(json.loads(printed)))

    for number, (name, arguments) in enumerate(ASKED):
        ours, theirs = (likeness(name, replies[each][number]) for each in ("taskq", "celery"))
        assert ours == theirs, f"{name} {arguments}"


@pytest.fixture
def running(place: dict[str, str], tmp_path: Path) -> Any:
    with worker(tmp_path, *ARGUMENTS, app="steered", cwd=HERE, env=place) as found:
        yield found


def wait_until(true: Any, timeout_s: float = 20.0) -> Any:
    """Ask until the answer is something."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not so after {timeout_s} s")


def ids(replies: Any) -> list[str]:
    return [each.get("request", each)["id"] for each in replies[NODE]]


def test_a_worker_shows_what_it_has(client: TaskQ, running: Any) -> None:
    """What runs, what waits for a slot and what waits for its time, as Celery describes it."""
    inspect = client.control.inspect([NODE], timeout=10)
    busy = [client.send_task("steered.sleep", (60,)) for _ in range(2)]
    wait_until(lambda: len(ids(inspect.active())) == 2)
    waiting = client.send_task("steered.sleep", (0,))
    later = client.send_task("steered.add", (1, 2), countdown=3600)
    wait_until(lambda: ids(inspect.reserved()) == [waiting.id])
    (scheduled,) = wait_until(lambda: inspect.scheduled()[NODE])
    active = inspect.active()[NODE]
    found = inspect.query_task(busy[0].id, waiting.id, later.id, "unknown")[NODE]
    client.control.terminate([result.id for result in busy])

    assert {each["id"] for each in active} == {result.id for result in busy}
    assert {each["args"][0] for each in active} == {60}
    assert all(each["worker_pid"] and each["time_start"] for each in active)
    assert scheduled["request"]["id"] == later.id
    assert scheduled["eta"].endswith("+00:00")
    assert {name: stage for name, (stage, _) in found.items()} == {
        busy[0].id: "active",
        waiting.id: "reserved",
        later.id: "scheduled",
    }


def test_what_is_revoked_does_not_run(client: TaskQ, running: Any, tmp_path: Path) -> None:
    """Whether it waits for a slot or for its time; what runs ends if it is to be terminated."""
    inspect = client.control.inspect([NODE], timeout=10)
    busy = [client.send_task("steered.sleep", (3600,)) for _ in range(2)]
    wait_until(lambda: len(ids(inspect.active())) == 2)
    marks = tmp_path / "marks"
    waiting = client.send_task("steered.mark", (str(marks),))
    later = client.send_task("steered.mark", (str(marks),), countdown=2)
    client.control.revoke([waiting.id, later.id], reply=True, destination=[NODE], timeout=10)
    client.control.terminate([result.id for result in busy])
    wait_until(lambda: all(result.state == "REVOKED" for result in busy))
    wait_until(lambda: waiting.state == "REVOKED")
    after = client.send_task("steered.mark", (str(marks),), countdown=3)

    assert after.get(timeout=30) is None
    assert marks.read_text() == "x"
    assert later.state == "REVOKED"


def test_a_task_that_was_revoked_with_no_worker_never_runs(
    client: TaskQ, place: dict[str, str], tmp_path: Path
) -> None:
    """Its result says so at once, and a worker that starts later knows it."""
    marks = tmp_path / "marks"
    with worker(tmp_path, *ARGUMENTS, app="steered", cwd=HERE, env=place):
        pass  # so that the queue is there
    stopped = client.send_task("steered.mark", (str(marks),))
    client.control.revoke(stopped.id)
    at_once = stopped.state
    after = client.send_task("steered.mark", (str(marks),))
    for _ in range(2):  # and the next worker knows it as well
        with worker(tmp_path, *ARGUMENTS, app="steered", cwd=HERE, env=place):
            after.get(timeout=30)

    assert at_once == "REVOKED"
    assert stopped.state == "REVOKED"
    assert marks.read_text() == "x"


def test_a_queue_is_taken_from_when_it_is_added_and_not_when_it_is_cancelled(
    client: TaskQ, running: Any
) -> None:
    """By commands."""
    client.control.add_consumer("more", reply=True, destination=[NODE], timeout=10)
    added = client.send_task("steered.add", (1, 2), queue="more").get(timeout=30)
    client.control.cancel_consumer("more", reply=True, destination=[NODE], timeout=10)
    left = client.send_task("steered.add", (1, 2), queue="more")
    client.send_task("steered.add", (1, 2)).get(timeout=30)

    assert added == 3
    assert left.state == "PENDING"
    assert client.ports.broker.length("more") == 1


def test_a_worker_is_told_to_end(client: TaskQ, running: Any) -> None:
    """What runs may end before."""
    result = client.send_task("steered.sleep", (1,))
    inspect = client.control.inspect([NODE], timeout=10)
    wait_until(lambda: ids(inspect.active()) == [result.id])
    client.control.shutdown()

    assert running.process.wait(20) == 0
    assert result.get(timeout=10) == 1


def test_limits_are_set(client: TaskQ, running: Any) -> None:
    """What is sent afterwards keeps them."""
    client.control.time_limit("steered.sleep", hard=1, reply=True, destination=[NODE], timeout=10)
    too_long = client.send_task("steered.sleep", (3600,))
    wait_until(too_long.ready)

    assert type(too_long.result).__name__ == "TimeLimitExceeded"
