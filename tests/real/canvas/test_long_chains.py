"""Long chains on real servers: short messages, mixed fleets, and wires that are cut."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from taskq import chain
from taskq.canvas.rests import REST_TASK
from taskq_testing.servers import PrivateServer
from tests.real.environments import python_with
from tests.real.programs import load
from tests.real.proxy import Proxy
from tests.real.workers import WorkerProcess, worker

HERE = Path(__file__).parent
PATIENCE_S = 300
STEPS = 8


def environment(broker: str, store: str, tmp_path: Path) -> dict[str, str]:
    return {
        "CHAINS_BROKER": broker,
        "CHAINS_STORE": store,
        "CHAINS_LEDGER": str(tmp_path / "ledger"),
        "CHAINS_WINDOW": "16",
    }


@pytest.fixture
def env(redis_server_of_its_own: PrivateServer, tmp_path: Path) -> dict[str, str]:
    url = redis_server_of_its_own.url
    return environment(url, url, tmp_path)


@pytest.fixture
def program(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Load the app of these tests as a client."""
    module = load("long_chains", HERE, env, monkeypatch)
    yield module
    module.app.close()


def ledger(env: dict[str, str]) -> list[list[str]]:
    return [line.split() for line in Path(env["CHAINS_LEDGER"]).read_text().splitlines()]


def read_bytes(url: str) -> int:
    """How much the server has been sent so far."""
    with redis.Redis.from_url(url) as client:
        return int(client.info("stats")["total_net_input_bytes"])


def test_a_chain_of_10000_takes_the_same_bytes_for_each_step(
    env: dict[str, str], program: Any, tmp_path: Path
) -> None:
    """All that any program sends to the server, divided by the steps: the length does not count."""
    each = {}
    url = env["CHAINS_BROKER"]
    with worker(tmp_path, "-c", "2", "-l", "WARNING", app="long_chains", env=env, cwd=HERE,
                ready=False):  # fmt: skip
        program.add.delay(1, 1).get(timeout=PATIENCE_S)
        for length in (1_000, 10_000):
            before = read_bytes(url)
            steps = (program.add.s(1) for _ in range(length - 1))
            result = chain(program.add.s(0, 1), *steps)()
            last = program.app.AsyncResult(result.id)
            assert last.get(timeout=PATIENCE_S) == length
            each[length] = (read_bytes(url) - before) / length

    assert each[10_000] < 1.1 * each[1_000]
    assert each[10_000] < 8_000
    with redis.Redis.from_url(url, decode_responses=True) as client:
        rests = list(client.scan_iter("taskq-rest-*"))
        assert len(rests) == 2
        assert all(0 < client.ttl(rest) <= 7 * 86_400 for rest in rests)


def test_a_celery_in_the_fleet_moves_the_window_along(
    env: dict[str, str], program: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Where it meets the end of a window it sends what stands for the next, and taskq goes on."""
    env["CHAINS_WINDOW"] = program.app.conf.taskq_chain_window = "2"
    folder = tmp_path_factory.mktemp("celery")
    python = python_with(folder, "celery[redis]", given_by="TASKQ_CELERY_PYTHON")
    theirs = {**env, "CHAINS_LIBRARY": "celery", "PYTHONPATH": str(HERE)}
    ours_too = (*(["taskq"] * 2), *(["celery", "taskq", "celery"] * 5), "taskq")
    steps = [program.noted.s().set(queue=queue) for queue in ours_too]
    steps[0] = program.noted.s(0).set(queue=ours_too[0])
    result = chain(*steps)()
    common = {"app": "long_chains", "cwd": HERE}
    celery = [python, "-m", "celery"]
    with (
        worker(tmp_path, "-c", "1", "-Q", "taskq", env=env, **common) as ours,
        worker(tmp_path, "-c", "1", "-Q", "celery", env=theirs, command=celery, **common),
    ):
        assert result.get(timeout=PATIENCE_S) == len(ours_too)
        text = ours.text

    assert [line[1] for line in ledger(env)] == list(ours_too)
    assert REST_TASK in text


def cut_after_every_body(env: dict[str, str], wires: Proxy) -> None:
    """Break all connections each time when a body has ended and nobody knows it yet."""
    folder = Path(env["CHAINS_LEDGER"]).parent
    deadline = time.monotonic() + PATIENCE_S
    for number in range(1, STEPS + 1):
        while not (folder / f"cut-{number}").exists():
            assert time.monotonic() < deadline, f"step {number} has not run"
            time.sleep(0.01)
        wires.reset()
        (folder / f"done-{number}").touch()


@pytest.fixture(params=["redis", "rabbitmq"])
def through_wires(
    request: pytest.FixtureRequest, redis_server_of_its_own: PrivateServer, tmp_path: Path
) -> Iterator[tuple[dict[str, str], dict[str, str], Proxy, str]]:
    """The environment of a client, that of a worker whose broker is behind a proxy, and that."""
    store: str = redis_server_of_its_own.url
    broker: str = store if request.param == "redis" else request.getfixturevalue("amqp_url")
    port = urlsplit(broker).port
    assert port is not None
    wires = Proxy(port)
    there = wires.url(broker)
    direct = environment(broker, store, tmp_path)
    cut = environment(there, there if request.param == "redis" else store, tmp_path)
    yield direct, cut, wires, request.param
    wires.close()


def test_the_next_step_is_there_before_the_one_before_it_is_done_with(
    through_wires: tuple[dict[str, str], dict[str, str], Proxy, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The broker is cut after every body: the chain goes on; on Redis no body runs again."""
    direct, behind, wires, broker = through_wires
    module = load("long_chains", HERE, direct, monkeypatch)
    try:
        queue = f"cuts-{time.monotonic_ns()}"
        steps = [module.cut.s(0), *(module.cut.s() for _ in range(STEPS - 1))]
        result = chain(*(step.set(queue=queue) for step in steps))()
        with worker(tmp_path, "-c", "1", "-Q", queue, app="long_chains", env=behind, cwd=HERE):
            cut_after_every_body(behind, wires)
            assert result.get(timeout=PATIENCE_S) == STEPS
    finally:
        module.app.close()

    ran = [int(line[0]) for line in ledger(direct)]
    assert sorted(set(ran)) == list(range(STEPS))
    assert broker == "rabbitmq" or ran == list(range(STEPS))


def kill_on_the_way(running: WorkerProcess, env: dict[str, str], done: int) -> None:
    """Kill a worker tree when so many steps have run."""
    path = Path(env["CHAINS_LEDGER"])
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists() or len(path.read_text().splitlines()) < done:
        assert time.monotonic() < deadline, "the chain stands still"
        time.sleep(0.001)
    running.kill_tree()


def test_every_step_is_sent_once_though_workers_are_killed(
    env: dict[str, str], program: Any, tmp_path: Path
) -> None:
    """A step that runs again was delivered again; nothing is left out, nothing is doubled."""
    steps = 400
    result = chain(program.noted.s(0), *(program.noted.s() for _ in range(steps - 1)))()
    for kill in range(6):
        with worker(tmp_path, "-c", "2", app="long_chains", env=env, cwd=HERE) as victim:
            kill_on_the_way(victim, env, 40 * (kill + 1))
    with worker(tmp_path, "-c", "2", app="long_chains", env=env, cwd=HERE):
        assert program.app.AsyncResult(result.id).get(timeout=PATIENCE_S) == steps

    ran = [int(line[0]) for line in ledger(env)]
    assert sorted(set(ran)) == list(range(steps))
    assert len(ran) <= steps + 6
