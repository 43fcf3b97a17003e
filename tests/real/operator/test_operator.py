"""What an operator does to a worker by hand: one clear line each, and nothing accepted is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from taskq_testing.servers import PrivateServer
from tests.real.programs import load
from tests.real.workers import worker

HERE = Path(__file__).parent


class Ledger:
    """What bodies wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def numbers(self, what: str) -> list[int]:
        if not self.path.exists():
            return []
        rows = [line.split() for line in self.path.read_text().splitlines()]
        return [int(number) for kind, number in rows if kind == what]

    def wait_until(self, what: str, numbers: set[int], timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not numbers <= set(self.numbers(what)):
            missing = sorted(numbers - set(self.numbers(what)))
            assert time.monotonic() < deadline, f"{len(missing)} never did {what}: {missing[:10]}"
            time.sleep(0.05)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture(params=["redis", "rabbitmq"])
def own_server(request: pytest.FixtureRequest) -> PrivateServer:
    """Return a private server of either kind that may be stopped and killed."""
    server = request.getfixturevalue(f"{request.param}_server_of_its_own")
    assert isinstance(server, PrivateServer)
    return server


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, str]], Any]]:
    """Load the app of these tests as a client."""

    def load_in(env: dict[str, str]) -> Any:
        module = load("ops", HERE, env, monkeypatch)
        loaded.append(module)
        return module

    loaded: list[Any] = []
    yield load_in
    for module in loaded:
        module.app.close()


def environment(url: str, ledger: Ledger) -> dict[str, str]:
    return {"OPS_BROKER": url, "OPS_LEDGER": str(ledger.path)}


def test_broker_absent_at_start(
    own_server: PrivateServer, ledger: Ledger, tmp_path: Path, program: Any
) -> None:
    """A worker that finds no broker says so in one line, tries again, and works when it comes."""
    env = environment(own_server.url, ledger)
    own_server.stop()

    with worker(tmp_path, "-c", "1", app="ops", env=env, cwd=HERE, ready=False) as running:
        running.wait_for(r"ERROR.*(cannot|could not|no answer|refused)")
        assert "Traceback" not in running.text
        own_server.start()
        running.wait_for(r"\bready\b", 40)
        program(env).early.delay(1)
        ledger.wait_until("end", {1})
        assert running.stop() == 0


def test_broker_restarted_under_load(
    own_server: PrivateServer, ledger: Ledger, tmp_path: Path, program: Any
) -> None:
    """A restart of the broker in the middle of late-ack work loses nothing that was accepted."""
    env = environment(own_server.url, ledger)
    late = program(env).late

    with worker(tmp_path, "-c", "2", app="ops", env=env, cwd=HERE) as running:
        for number in range(60):
            late.delay(number, 0.05)
        ledger.wait_until("end", {0, 1, 2})
        own_server.restart()
        ledger.wait_until("end", set(range(60)))
        late.delay(60)
        ledger.wait_until("end", {60})
        assert "Traceback" not in running.text
        running.wait_for(r"ERROR.*lost")
        assert running.stop() == 0


def test_worker_killed_with_late_acks(
    own_server: PrivateServer, ledger: Ledger, tmp_path: Path, program: Any
) -> None:
    """After ``kill -9`` of a whole worker another one ends everything that it held."""
    env = environment(own_server.url, ledger)
    late = program(env).late
    for number in range(40):
        late.delay(number, 0.1)

    with worker(tmp_path, "-c", "2", app="ops", env=env, cwd=HERE) as victim:
        ledger.wait_until("end", {0, 1})
        victim.kill_tree()
    with worker(tmp_path, "-c", "2", app="ops", env=env, cwd=HERE):
        ledger.wait_until("end", set(range(40)))


def test_worker_killed_with_early_acks(
    own_server: PrivateServer, ledger: Ledger, tmp_path: Path, program: Any
) -> None:
    """After ``kill -9`` no early-ack body starts twice, and only what a slot had is missing."""
    env = environment(own_server.url, ledger)
    early = program(env).early
    for number in range(40):
        early.delay(number, 0.1)

    with worker(tmp_path, "-c", "2", app="ops", env=env, cwd=HERE) as victim:
        ledger.wait_until("end", {0, 1})
        victim.kill_tree()
    # Each of the two slots had one task that was acknowledged; it may not have begun yet.
    last_taken = max(ledger.numbers("end")) + 2
    with worker(tmp_path, "-c", "2", app="ops", env=env, cwd=HERE):
        ledger.wait_until("end", set(range(last_taken + 1, 40)))

    started = ledger.numbers("start")
    assert len(started) == len(set(started))
    assert len(ledger.numbers("end")) >= 40 - 2


@pytest.mark.parametrize("whole_group", [False, True], ids=["parent", "group"])
def test_rolling_restarts_lose_and_double_nothing(
    whole_group: bool, own_server: PrivateServer, ledger: Ledger, tmp_path: Path, program: Any
) -> None:
    """TERM under load, to the parent or to parent and children: each task runs exactly once."""
    env = environment(own_server.url, ledger)
    ops = program(env)
    many = 1200
    for number in range(many):
        (ops.early if number % 2 else ops.late).delay(number)

    rounds = 0
    while len(ledger.numbers("end")) < many:
        rounds += 1
        enough = min(many, len(ledger.numbers("end")) + 250)
        with worker(tmp_path, "-c", "2", app="ops", env=env, cwd=HERE) as running:
            while len(ledger.numbers("end")) < enough:
                time.sleep(0.002)
            if whole_group:
                os.killpg(running.process.pid, signal.SIGTERM)
            assert running.stop() == 0
            assert "Traceback" not in running.text

    assert rounds > 1
    assert sorted(ledger.numbers("start")) == list(range(many))


def test_child_killed(
    own_server: PrivateServer, ledger: Ledger, tmp_path: Path, program: Any
) -> None:
    """A late-ack body whose child is killed runs again in another child of the same worker."""
    env = environment(own_server.url, ledger)
    with worker(tmp_path, "-c", "1", app="ops", env=env, cwd=HERE) as running:
        program(env).late.delay(1, 3.0)
        ledger.wait_until("start", {1})
        children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
        for child in children.read_text().split():
            os.kill(int(child), signal.SIGKILL)
        ledger.wait_until("end", {1})
        assert ledger.numbers("start") == [1, 1]
        running.wait_for(r"ERROR.*SIGKILL")


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo", "asyncio"])
def test_a_body_longer_than_the_lease_runs_once(
    pool: str, ledger: Ledger, tmp_path: Path, program: Any, redis_url: str
) -> None:
    """A live worker keeps its lease however long a body takes, on every pool."""
    env = {**environment(redis_url, ledger), "OPS_LEASE": "1"}
    late = program(env).late

    with worker(tmp_path, "-c", "1", "-P", pool, app="ops", env=env, cwd=HERE) as busy:
        late.delay(1, 4.0)
        ledger.wait_until("start", {1})
        with worker(tmp_path, "-c", "1", app="ops", env=env, cwd=HERE):
            ledger.wait_until("end", {1})
        assert busy.stop() == 0

    assert ledger.numbers("start") == [1]


def test_malformed_bytes_in_the_queue(
    ledger: Ledger, tmp_path: Path, program: Any, redis_url: str
) -> None:
    """Bytes that are no message cost one line each; the worker goes on."""
    import redis

    env = environment(redis_url, ledger)
    with (
        redis.Redis.from_url(redis_url) as client,
        worker(tmp_path, "-c", "1", app="ops", env=env, cwd=HERE) as running,
    ):
        for raw in (
            b"\xff\xfe",
            b"",
            b"{}",
            b"[]",
            b'{"body": 1}',
            b'{"body": "e30=", "headers": {}}',
        ):
            client.lpush("celery", raw)
        program(env).early.delay(1)
        ledger.wait_until("end", {1})
        running.wait_for(r"ERROR.*malformed|ERROR.*no message|ERROR.*not a")
        assert "Traceback" not in running.text
        assert running.stop() == 0


def test_malformed_bytes_over_amqp(
    ledger: Ledger, tmp_path: Path, program: Any, amqp_url: str
) -> None:
    """The same on RabbitMQ: a foreign message is rejected, the next one runs."""
    import kombu

    env = environment(amqp_url, ledger)
    with worker(tmp_path, "-c", "1", app="ops", env=env, cwd=HERE) as running:
        with kombu.Connection(amqp_url) as connection:
            producer = connection.Producer(serializer=None)
            for raw in (b"\xff\xfe", b"", b"{}"):
                producer.publish(
                    raw,
                    routing_key="celery",
                    content_type="application/json",
                    content_encoding="utf-8",
                )
        program(env).early.delay(1)
        ledger.wait_until("end", {1})
        assert "Traceback" not in running.text
        assert running.stop() == 0


def test_wrong_password(
    redis_server_of_its_own: PrivateServer, ledger: Ledger, tmp_path: Path
) -> None:
    """A wrong password is said in one line without showing it."""
    parts = urlsplit(redis_server_of_its_own.url)
    url = urlunsplit(parts._replace(netloc=f":s3cret@{parts.hostname}:{parts.port}"))
    env = environment(url, ledger)

    with worker(tmp_path, "-c", "1", app="ops", env=env, cwd=HERE, ready=False) as running:
        running.wait_for(r"(ERROR|CRITICAL).*(password|auth|AUTH)")
        assert "s3cret" not in running.text
        assert "Traceback" not in running.text


def test_wrong_password_over_amqp(
    rabbitmq_server_of_its_own: PrivateServer, ledger: Ledger, tmp_path: Path
) -> None:
    """The same for RabbitMQ."""
    parts = urlsplit(rabbitmq_server_of_its_own.url)
    url = urlunsplit(parts._replace(netloc=f"guest:s3cret@{parts.hostname}:{parts.port}"))
    env = environment(url, ledger)

    with worker(tmp_path, "-c", "1", app="ops", env=env, cwd=HERE, ready=False) as running:
        running.wait_for(r"(ERROR|CRITICAL).*(password|refused|ACCESS_REFUSED|auth)")
        assert "s3cret" not in running.text
        assert "Traceback" not in running.text


def test_a_client_without_a_broker_fails_in_time(ledger: Ledger, program: Any) -> None:
    """``delay()`` with no broker raises within its time limit, with where and why."""
    from kombu.exceptions import OperationalError as KombuOperationalError

    from taskq.errors import OperationalError

    for url in ("redis://127.0.0.1:1/0", "amqp://guest:s3cret@127.0.0.1:1//"):
        module = program(environment(url, ledger))
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(OperationalError) as raised:
                module.early.delay(1)
            assert time.monotonic() - began < 11
            assert isinstance(raised.value, KombuOperationalError)
            assert "127.0.0.1:1" in str(raised.value)
            assert "s3cret" not in str(raised.value)
