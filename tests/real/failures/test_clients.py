"""Clients whose broker does not answer, whose wires break, and that have many threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle
from typing import Any
from urllib.parse import urlsplit

import pytest

from taskq.errors import OperationalError
from taskq_testing.servers import free_ports
from tests.real.failures.conftest import HERE, Load, Servers
from tests.real.proxy import Proxy

TIMEOUT_S = 0.5
# What a busy machine may need to notice that the time is over.
GRACE_S = 10.0  # twenty threads and their server share a busy machine; for ever is longer
CALLS = 20
# How a call may be told to try again: as configured, never, and for ever.
RETRIES: list[dict[str, Any]] = [
    {},
    {"retry": False},
    {"retry_policy": {"max_retries": None, "interval_start": 0}},
]


@pytest.mark.parametrize("state", ["refused", "silent", "silent to TLS", "wrong password"])
def test_a_call_without_a_broker_raises_in_time(
    load: Load, servers: Servers, wire: Proxy, state: str
) -> None:
    """The first, the second and the twentieth one, also of many threads at once."""
    program = load(broker=url_in(state, servers.broker, wire), taskq_publish_timeout_s=TIMEOUT_S)
    work = program.module.work
    if state.startswith("silent"):
        wire.hold()
    options = cycle(RETRIES)
    took_s = [failing_s(lambda: work.apply_async(("t",), **next(options))) for _ in RETRIES]
    with ThreadPoolExecutor(CALLS) as threads:
        calls = [
            threads.submit(failing_s, lambda: work.apply_async(("t",), **next(options)))
            for _ in range(CALLS)
        ]
        took_s += [call.result() for call in calls]
    took_s.append(failing_s(lambda: work.delay("t")))

    assert max(took_s) < TIMEOUT_S + GRACE_S


def test_a_client_goes_on_when_its_broker_is_back(
    load: Load, servers: Servers, wire: Proxy
) -> None:
    """What did not answer for a while is used as if nothing had been."""
    program = load(broker=wire.url(servers.broker), taskq_publish_timeout_s=TIMEOUT_S)
    program.module.work.delay("before")
    with wire.held():
        for _ in range(2):
            failing_s(lambda: program.module.work.delay("meanwhile"))
    program.module.work.delay("after")
    with program.worker("-c", "1"):
        program.wait_for("end", "before", "after")

    assert program.counts("start")["after"] == 1


def url_in(state: str, url: str, wire: Proxy) -> str:
    """Return where a broker of that kind is in this state."""
    scheme, _, rest = url.partition("://")
    host = rest.rpartition("@")[2]
    if state == "refused":
        return f"{scheme}://127.0.0.1:{free_ports(1)[0]}/"
    if state == "wrong password":
        return f"{scheme}://nobody:secret@{host}"
    if state == "silent to TLS":
        secure = {"redis": "rediss", "amqp": "amqps"}[scheme]
        return wire.url(url).replace(scheme, secure, 1)
    return wire.url(url)


def failing_s(call: Callable[[], object]) -> float:
    """Return how long a call took to fail."""
    began_s = time.monotonic()
    with pytest.raises(OperationalError):
        call()
    return time.monotonic() - began_s


# -- results over a wire that is bad -----------------------------------------------------------

WAITERS, EACH = 8, 40


def test_nobody_waits_in_vain_behind_a_bad_wire(
    load: Load, servers: Servers, redis_wire: Proxy
) -> None:
    """Connections are cut, or fall silent, several times a second: each gets its own result."""
    ways = {servers.backend: redis_wire.url(servers.backend)}
    patient = {"max_retries": 50, "interval_max": 0.5}  # this is about results
    program = load(
        ways.get(servers.broker, servers.broker),
        ways[servers.backend],
        task_publish_retry_policy=patient,
        taskq_publish_timeout_s=60,
    )
    straight = {"FAILING_BROKER": servers.broker, "FAILING_BACKEND": servers.backend}
    echo = program.module.echo

    def call(number: int) -> bool:
        return bool(echo.delay(number).get(timeout=60) == number)

    with (
        program.worker("-c", "2", env=straight),
        bad(redis_wire) as harm,
        ThreadPoolExecutor(WAITERS) as threads,
    ):
        right = list(threads.map(call, range(WAITERS * EACH)))

    assert right == [True] * len(right)
    assert harm


@pytest.fixture
def redis_wire(servers: Servers) -> Iterator[Proxy]:
    """Lead to the results."""
    proxy = Proxy(urlsplit(servers.backend).port or 0)
    yield proxy
    proxy.close()


@contextmanager
def bad(wire: Proxy) -> Iterator[list[str]]:
    """Break it again and again until the block ends; returns what was done."""
    over, done = threading.Event(), []

    def sabotage() -> None:
        for deed in cycle([wire.reset, wire.reset, wire.strand]):
            if over.wait(0.25):
                return
            deed()
            done.append(deed.__name__)

    thread = threading.Thread(target=sabotage)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join()


# -- many threads ------------------------------------------------------------------------------

CALLS_OF_A_THREAD = 40


def test_each_of_many_threads_gets_its_own(load: Load, servers: Servers) -> None:
    """Also in a child of a process whose connections are open; results in Redis, or by RabbitMQ."""
    shared = servers.broker == servers.backend
    program = load(backend=servers.backend if shared else "rpc://")
    command = [sys.executable, "-W", "error", "many_threads.py", str(CALLS_OF_A_THREAD)]
    with program.worker("-c", "2", "-l", "WARNING", ready=False):
        done = subprocess.run(
            command,
            cwd=HERE,
            env={**os.environ, **program.env},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    assert (done.returncode, done.stderr) == (0, "")
