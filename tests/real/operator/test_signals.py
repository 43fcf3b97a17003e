"""Each signal is sent at its moment, by the right process, with its arguments."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from taskq.signals import ALL
from tests.real.programs import load
from tests.real.workers import worker

HERE = Path(__file__).parent
TIMEOUT_S = 30.0

# Who sends it, and where: a child of the pool, or the worker's own process.
CHILD, PARENT, CLIENT = "child", "parent", "client"

# The arguments of what a task tells are those of Celery, and so are the senders but one: where
# Celery sends as its consumer, we send as the worker.
EXPECTED: dict[str, tuple[str, set[str]]] = {
    "import_modules": (PARENT, set()),
    "celeryd_init": (PARENT, {"instance", "conf", "options"}),
    "worker_init": (PARENT, set()),
    "after_setup_logger": (PARENT, {"logger", "loglevel", "logfile", "format", "colorize"}),
    "after_setup_task_logger": (PARENT, {"logger", "loglevel", "logfile", "format", "colorize"}),
    "celeryd_after_setup": (PARENT, {"instance", "conf"}),
    "worker_before_create_process": (PARENT, set()),
    "worker_process_init": (CHILD, set()),
    "worker_ready": (PARENT, set()),
    "heartbeat_sent": (PARENT, set()),
    "task_received": (PARENT, {"request"}),
    "task_prerun": (CHILD, {"task_id", "task", "args", "kwargs"}),
    "task_postrun": (CHILD, {"task_id", "task", "args", "kwargs", "retval", "state"}),
    "task_success": (CHILD, {"result", "runtime"}),
    "task_failure": (CHILD, {"task_id", "exception", "args", "kwargs", "traceback", "einfo"}),
    "task_retry": (CHILD, {"request", "reason", "einfo"}),
    "task_internal_error": (
        CHILD,
        {"task_id", "args", "kwargs", "request", "exception", "traceback", "einfo"},
    ),
    "task_revoked": (PARENT, {"request", "terminated", "signum", "expired"}),
    "task_unknown": (PARENT, {"message", "exc", "name", "id"}),
    "task_rejected": (PARENT, {"message", "exc"}),
    "worker_shutting_down": (PARENT, {"sig", "how", "exitcode"}),
    "worker_process_shutdown": (CHILD, {"pid", "exitcode"}),
    "worker_shutdown": (PARENT, set()),
}
# Of a client, and of what no worker of this kind has.
ELSEWHERE = {
    "before_task_publish",
    "after_task_publish",
    "task_sent",
    "setup_logging",
    "user_preload_options",
    "beat_init",
    "beat_embedded_init",
    "eventlet_pool_started",
    "eventlet_pool_preshutdown",
    "eventlet_pool_postshutdown",
    "eventlet_pool_apply",
}

Row = dict[str, Any]


class Heard:
    """What one program has written down."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def rows(self) -> list[Row]:
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def of(self, name: str, /, **like: Any) -> list[Row]:
        return [
            row
            for row in self.rows
            if row["signal"] == name and like.items() <= (row | row["told"]).items()
        ]

    def wait_for(self, name: str, /, **like: Any) -> Row:
        deadline = time.monotonic() + TIMEOUT_S
        while not (found := self.of(name, **like)):
            seen = sorted({row["signal"] for row in self.rows})
            assert time.monotonic() < deadline, f"no {name} {like}; there are {seen}"
            time.sleep(0.05)
        return found[0]


@pytest.fixture(params=["redis_url", "amqp_url"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, str]], Any]]:
    """Load the program as a client; its receivers are taken out again afterwards."""
    before = {name: one.receivers for name, one in ALL.items()}
    loaded: list[Any] = []

    def load_in(env: dict[str, str]) -> Any:
        module = load("heard", HERE, env, monkeypatch)
        loaded.append(module)
        return module

    yield load_in
    for module in loaded:
        module.app.close()
    for name, one in ALL.items():
        one.receivers = before[name]


def test_a_worker_tells_each_signal(url: str, client: Any, tmp_path: Path) -> None:
    """One life of a worker in which all happens that there is a signal for."""
    by_worker, by_client = Heard(tmp_path / "worker.heard"), Heard(tmp_path / "client.heard")
    env = {"OPS_BROKER": url, "OPS_LEDGER": str(by_client.path)}
    module = client(env)
    seen = by_worker

    own = {**env, "OPS_LEDGER": str(by_worker.path)}
    with worker(tmp_path, "-c", "1", "-n", "w1@here", app="heard", env=own, cwd=HERE) as running:
        module.works.delay(1)
        module.fails.delay()
        module.tries_again.delay()
        module.breaks_beside_its_body.delay()
        module.works.apply_async((2,), expires=-5)
        module.app.send_task("nosuch")
        with module.app.connection() as connection:
            connection.Producer().publish({"a": 1}, routing_key="celery")
        lost = module.dies.delay()
        limited = module.takes_too_long.delay()
        seen.wait_for("task_failure", task_id=lost.id, place=PARENT)
        seen.wait_for("task_failure", task_id=limited.id, place=PARENT)
        sleeping = module.sleeps.delay()
        seen.wait_for("task_prerun", task_id=sleeping.id)
        module.app.control.revoke(sleeping.id, terminate=True)
        seen.wait_for("task_revoked", terminated=True)
        seen.wait_for("heartbeat_sent")
        assert running.stop() == 0

    told = {row["signal"] for row in seen.rows}
    assert set(EXPECTED) - told == set()
    assert set(EXPECTED) | ELSEWHERE == set(ALL)
    for name, (place, arguments) in EXPECTED.items():
        found = seen.of(name, place=place)
        assert found, f"{name}: never in the {place}"
        assert arguments == set(found[0]["told"]), name

    # Who sends it.
    assert seen.of("celeryd_init")[0]["sender"] == "w1@here"
    assert seen.of("celeryd_after_setup")[0]["sender"] == "w1@here"
    assert seen.of("worker_shutting_down")[0]["sender"] == "w1@here"
    assert seen.of("worker_process_init")[0]["sender"] == "w1@here"
    assert seen.of("worker_ready")[0]["sender"] == "WorkController"
    assert seen.of("task_success")[0]["sender"] == "heard.works"
    # What it says.
    assert seen.of("task_revoked", expired=True, terminated=False)
    assert seen.of("task_unknown", name="nosuch")
    assert seen.of("worker_shutting_down", sig="SIGTERM", how="Warm", exitcode=0)
    assert seen.of("task_success", result=1)
    assert [row["told"]["state"] for row in seen.of("task_postrun", task="fails")] == ["FAILURE"]
    # A task that failed for two reasons failed once.
    assert len(seen.of("task_failure", task_id=lost.id)) == 1
    assert len(seen.of("task_failure", task_id=limited.id)) == 1
    # When it is said.
    order = [row["signal"] for row in seen.rows]
    for earlier, later in (
        ("celeryd_init", "after_setup_logger"),
        ("after_setup_logger", "celeryd_after_setup"),
        ("celeryd_after_setup", "worker_before_create_process"),
        ("worker_init", "worker_before_create_process"),
        ("worker_before_create_process", "worker_process_init"),
        ("worker_init", "worker_ready"),
        ("task_received", "task_prerun"),
        ("task_prerun", "task_success"),
        ("worker_shutting_down", "worker_shutdown"),
    ):
        assert order.index(earlier) < order.index(later), (earlier, later)

    # The client's own.
    for name, arguments in {
        "before_task_publish": {
            *("body", "exchange", "routing_key", "headers", "properties", "declare"),
            "retry_policy",
        },
        "after_task_publish": {"body", "exchange", "routing_key", "headers"},
    }.items():
        rows = by_client.of(name, sender="heard.works")
        assert len(rows) == 2, name
        assert set(rows[0]["told"]) == arguments
