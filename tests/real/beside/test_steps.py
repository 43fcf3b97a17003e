"""Steps of a program run at their moments, beside a real worker."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from taskq_testing.servers import PrivateServer
from tests.real.beside.conftest import HERE, Ledger
from tests.real.workers import worker


def give_notice(program: Any, number: int) -> None:
    """Send a message that is no task."""
    with program.app.connection_for_write() as connection, connection.Producer() as producer:
        producer.publish(
            {"number": number},
            exchange=program.notices.exchange,
            routing_key="notice",
            declare=[program.notices],
            retry=True,
        )


def test_steps_are_called_at_their_moments(
    url: str,
    ledger: Ledger,
    tmp_path: Path,
    program: Any,
    environment: Callable[..., dict[str, str]],
) -> None:
    """Steps start with the worker, get messages of their own, and stop when it does."""
    env = environment(url, BESIDE_STEPS="1")
    client = program(env)

    with worker(tmp_path, "-c", "2", app="beside", env=env, cwd=HERE) as running:
        give_notice(client, 7)
        assert client.plain.delay(3).get(timeout=60) == 3
        ledger.wait_for("notice 7")
        assert running.stop(60) == 0

    assert ledger.lines == [
        *("worker create", "worker start 2", "notices begin", "notice 7"),
        *("worker close", "notices stop", "worker stop", "notices shutdown"),
    ]


def test_a_cold_stop_terminates_steps(
    redis_url: str,
    ledger: Ledger,
    tmp_path: Path,
    program: Any,
    environment: Callable[..., dict[str, str]],
) -> None:
    """A worker that ends at once tells its steps so."""
    env = environment(redis_url, BESIDE_STEPS="1")
    client = program(env)

    with worker(tmp_path, "-c", "1", app="beside", env=env, cwd=HERE) as running:
        client.endless.delay()
        ledger.wait_for("endless begins")
        running.signal(signal.SIGQUIT)
        running.process.wait(60)

    assert "worker terminate" in ledger.lines
    assert "worker stop" not in ledger.lines


def test_steps_begin_anew_after_a_lost_connection(
    own_server: PrivateServer,
    ledger: Ledger,
    tmp_path: Path,
    program: Any,
    environment: Callable[..., dict[str, str]],
) -> None:
    """A broker that was away finds steps and tasks working again."""
    env = environment(own_server.url, BESIDE_STEPS="1")
    client = program(env)

    with worker(tmp_path, "-c", "1", app="beside", env=env, cwd=HERE) as running:
        give_notice(client, 1)
        ledger.wait_for("notice 1")
        own_server.restart()
        ledger.wait_for("notices begin", 2)
        give_notice(client, 2)
        ledger.wait_for("notice 2")
        assert client.plain.delay(5).get(timeout=60) == 5
        assert running.stop(60) == 0

    assert ledger.lines.count("worker start 1") == 1
