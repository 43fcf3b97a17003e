"""Whole workers whose connections to the broker break, or stay open and carry nothing."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, ExitStack

from tests.real.failures.conftest import Load, Program, Servers
from tests.real.proxy import Proxy
from tests.real.workers import WorkerProcess

POOLS = ["prefork", "threads", "solo"]


def test_workers_go_on_after_each_loss(load: Load, servers: Servers, wire: Proxy) -> None:
    """Three resets within two seconds, then silence: each pool works on, with no restart."""
    program = load(broker_heartbeat=2)
    # RabbitMQ gives to nobody else what a connection has that promised no heartbeats, before it
    # finds out by itself: that is the limit of the pool that cannot send them while a body runs.
    noticed = POOLS if servers.broker == servers.backend else ["prefork", "threads"]
    with ExitStack() as stack:
        fleet = [stack.enter_context(one(program, wire, pool)) for pool in POOLS]
        for each in fleet:
            each.wait_for("is ready")
        program.wait_for("end", *sent(program, "first", 1))
        for _ in range(3):
            wire.reset()
            time.sleep(0.6)  # the rhythm of the losses, not a wait for something
        program.wait_for("end", *sent(program, "reset", 100))
        wire.strand()
        silent = sent(program, "silent", 100)
        program.wait_for("end", *(name for name in silent if name.split("-")[1] in noticed))
        program.wait(lambda: all(ended(program, pool) for pool in POOLS), "all work")

        assert [each.process.poll() for each in fleet] == [None] * len(fleet)
        assert [each.stop() for each in fleet] == [0] * len(fleet)
    for each in fleet:
        each.wait_for("ERROR.*Lost the broker")
        assert "Traceback" not in each.text
    assert set(program.counts("start").values()) == {1}


def one(program: Program, wire: Proxy, pool: str) -> AbstractContextManager[WorkerProcess]:
    """Start a worker that has a queue to itself."""
    return program.worker("-P", pool, "-c", "1", "-Q", pool, "-n", pool, through=wire, ready=False)


def sent(program: Program, called: str, count: int) -> list[str]:
    """Send so many tasks to each worker."""
    names = [f"{called}-{pool}-{number}" for pool in POOLS for number in range(count)]
    for name in names:
        program.module.work.apply_async((name,), queue=name.split("-")[1])
    return names


def ended(program: Program, pool: str) -> bool:
    """Whether its worker has done anything after the wire fell silent."""
    return any(line.name.startswith(f"silent-{pool}-") for line in program.lines("end"))
