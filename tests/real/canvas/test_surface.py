"""What users write with signatures, with a real worker: on Redis alone, and on RabbitMQ with Redis.

In the simulated world the same canvases are in ``tests/sim/test_canvas_surface.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from taskq import group
from taskq.errors import TaskRevokedError
from tests.real.programs import load
from tests.real.workers import worker

HERE = Path(__file__).parent
WAIT_S = 60
MEMBERS = 1000


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def env(request: pytest.FixtureRequest) -> dict[str, str]:
    """Where broker and results are; the servers are those of the session."""
    store = request.getfixturevalue("redis_server").url
    broker = store if request.param == "redis" else request.getfixturevalue("rabbitmq_server").url
    return {"SURFACE_BROKER": broker, "SURFACE_STORE": store}


@pytest.fixture(scope="module")
def program(env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The app as a client, while a worker with two processes runs its tasks."""
    folder = tmp_path_factory.mktemp("surface")
    with pytest.MonkeyPatch.context() as patch:
        module = load("surface", HERE, env, patch)
        with worker(folder, "-c", "2", app="surface", env=env, cwd=HERE):
            yield module
        module.app.close()


def test_each_comes_to_what_it_says(program: Any) -> None:
    """All of them at once; each is sent as it is, and once more as it was read from JSON."""
    sent = {case: make().delay() for case, (make, _) in program.CASES.items()}
    again = {case: program.json_of(make()).delay() for case, (make, _) in program.CASES.items()}
    wanted = {case: expected for case, (_, expected) in program.CASES.items()}

    assert {case: result.get(timeout=WAIT_S) for case, result in sent.items()} == wanted
    assert {case: result.get(timeout=WAIT_S) for case, result in again.items()} == wanted


def asked(url: str) -> dict[str, int]:
    """How often clients have asked a Redis for results, or to be told of them."""
    with redis.Redis.from_url(url) as client:
        stats = client.info("commandstats")
    names = ("mget", "get", "subscribe", "unsubscribe")
    return {name: int(stats.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in names}


def test_a_thousand_members_are_waited_for_in_a_few_questions(
    program: Any, env: dict[str, str]
) -> None:
    """However they come in; asking for what is there is one question."""
    result = group(program.add.s(n) for n in range(MEMBERS)).delay()
    before = asked(env["SURFACE_STORE"])
    values = result.join_native(timeout=WAIT_S)
    waited = asked(env["SURFACE_STORE"])
    again = program.app.GroupResult(result.id, [program.app.AsyncResult(r.id) for r in result])
    assert again.join_native(timeout=WAIT_S) == values
    after = asked(env["SURFACE_STORE"])

    assert values == list(range(MEMBERS))
    # Where nothing is heard for half a second, what is open is asked for: a slow machine asks more.
    questions = sum(waited[name] - before[name] for name in before)
    assert questions <= MEMBERS / 10, (before, waited)
    assert after["mget"] - waited["mget"] == 1


def test_a_running_workflow_is_revoked_by_its_stamp(program: Any) -> None:
    """What has begun ends, what follows does not begin, and who waits is told."""
    canvas = program.naps.s(2) | program.add.si(1) | program.add.s(1)
    mine, other = (canvas.clone().stamp(order=name).delay() for name in ("gone", "kept"))
    first = mine.parent.parent
    deadline = time.monotonic() + WAIT_S
    while first.state != "STARTED" and time.monotonic() < deadline:
        time.sleep(0.05)
    program.app.control.revoke_by_stamped_headers({"order": "gone"})

    with pytest.raises(TaskRevokedError):
        mine.get(timeout=WAIT_S)
    assert (first.state, mine.parent.state) == ("SUCCESS", "REVOKED")
    assert other.get(timeout=WAIT_S) == 2


def test_stamps_stand_in_stored_results(program: Any) -> None:
    """With ``result_extended``, as the reference stores them."""
    result = program.stamps.s().stamp(customer="acme").delay()
    result.get(timeout=WAIT_S)

    meta = program.app.backend.get_task_meta(result.id)
    assert (meta["stamped_headers"], meta["customer"]) == (["customer"], "acme")


def test_a_workflow_that_ran_is_drawn(program: Any, env: dict[str, str]) -> None:
    """From the id of its last task: who sent whom, and how it ended."""
    result = (program.add.s(1) | group(program.add.s(1), program.add.s(2))).delay()
    result.get(timeout=WAIT_S)
    line = [sys.executable, "-m", "taskq", "-A", "surface", "graph", "result", result[0].id]

    done = subprocess.run(
        [*line, "--format", "mermaid"],
        cwd=HERE,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "flowchart TD",
        f'  n0["add<br/>{result.parent.id}<br/>SUCCESS"]',
        f'  n1["group of 2<br/>{result.id}<br/>2 done"]',
        f'  n2["add<br/>{result[0].id}<br/>SUCCESS"]',
        f'  n3["add<br/>{result[1].id}<br/>SUCCESS"]',
        "  n0 --> n1",
        "  n1 --> n2",
        "  n1 --> n3",
    ]


def test_one_of_two_workers_sends_what_is_elected(
    program: Any, env: dict[str, str], tmp_path: Path
) -> None:
    """Once, and the caller has its result."""
    with worker(tmp_path, "-c", "1", "-n", "second@%h", app="surface", env=env, cwd=HERE) as second:
        result = (program.add.s(1) | program.add.s(1)).election()
        assert result.get(timeout=WAIT_S) == 2
        second.wait_for(r"elected for|won the election", WAIT_S)

    assert result.parent.get(timeout=WAIT_S) == 1
