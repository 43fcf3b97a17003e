"""Drawn canvases with a real worker and its processes, on a real Redis and a real RabbitMQ."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, Phase, given, settings

from taskq_testing.servers import PrivateServer
from taskq_testing.strategies import Canvas, build, canvases
from taskq_testing.strategies.canvas import named
from tests.real.programs import load
from tests.real.workers import worker
from tests.sim.canvas.interpreter import Report, interpret
from tests.sim.canvas.running import of_results

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
EXAMPLES = {"redis": 200, "rabbitmq": 60}
LIMIT_S = 120.0


@pytest.fixture(params=EXAMPLES)
def broker(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def env(
    broker: str, redis_server_of_its_own: PrivateServer, request: pytest.FixtureRequest
) -> dict[str, str]:
    """Results are in Redis; the broker is that Redis, or a RabbitMQ."""
    store = redis_server_of_its_own.url
    other = "rabbitmq_server_of_its_own"
    url = store if broker == "redis" else request.getfixturevalue(other).url
    return {"DRAWN_REDIS": store, "DRAWN_BROKER": url, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def program(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Load the app of these tests as a client."""
    module = load("drawn", HERE, env, monkeypatch)
    yield module
    module.app.close()
    module.NOTES.close()


def drawn(many: int) -> list[Canvas]:
    """Draw canvases whose tags are all different."""
    found: list[Canvas] = []

    @settings(
        max_examples=many,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        deadline=None,
    )
    @given(canvas=canvases())
    def draw(canvas: Canvas) -> None:
        found.append(named(canvas, prefix=f"c{len(found)}."))

    draw()
    return found


def test_drawn_canvases_come_to_what_the_interpreter_says(
    env: dict[str, str], program: Any, broker: str, tmp_path: Path
) -> None:
    """All are sent first; results, bodies, callbacks, errbacks and the end of all queues."""
    sent: list[tuple[Canvas, Any, Report]] = []
    for canvas in drawn(EXAMPLES[broker]):
        result = build(canvas, program.tasks, ids="").apply_async()
        sent.append((canvas, result, interpret(canvas)))
    expected: Counter[str] = Counter()
    for _, _, report in sent:
        expected += report.runs
        expected += Counter({f"errback {tag}": many for tag, many in report.errbacks.items()})

    with worker(tmp_path, "-c", "2", app="drawn", env=env, cwd=HERE) as running:
        wait_for_notes(program.NOTES, expected.total())
        wait_for_results(program.app, sent)
        assert running.stop() == 0

    assert Counter(program.NOTES.lrange("notes", 0, -1)) == expected
    assert program.NOTES.llen("celery") == 0
    for canvas, result, report in sent:
        found = [each for each in of_results(program.app, result, report) if not each.holds]
        assert list(map(str, found)) == [], canvas


def wait_for_notes(notes: redis.Redis, many: int) -> None:
    """Wait until so many bodies have begun; what comes beyond them is found at the end."""
    deadline = time.monotonic() + LIMIT_S
    while notes.llen("notes") < many:
        assert time.monotonic() < deadline, f"{notes.llen('notes')} of {many} bodies have begun"
        time.sleep(0.05)


def wait_for_results(app: Any, sent: list[tuple[Canvas, Any, Report]]) -> None:
    """Wait until each part is in the state that it must have."""
    deadline = time.monotonic() + LIMIT_S
    for canvas, _, report in sent:
        for task_id, one in report.states.items():
            while one.kept and app.AsyncResult(task_id).state != one.state:
                assert time.monotonic() < deadline, f"{task_id} is not {one.state}: {canvas}"
                time.sleep(0.02)
