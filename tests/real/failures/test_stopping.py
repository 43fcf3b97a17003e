"""A worker that is stopped with messages in its hands: others have them at once."""

from __future__ import annotations

import os
import signal

import pytest

from tests.real.failures.conftest import Load, names

LEASE_S = 600.0  # far longer than the test: whoever waits for its end fails


@pytest.mark.parametrize(
    ("servers", "how"),
    [("redis", "QUIT"), ("amqp", "QUIT"), ("redis", "TERM to all")],
    indirect=["servers"],
)
def test_what_a_worker_held_others_begin_at_once(load: Load, how: str) -> None:
    """What ran, what waited for a slot and what waits for its time."""
    program = load(taskq_lease_s=LEASE_S)
    running, waiting, later = names("running", 2), names("waiting", 6), names("later", 5)
    rest = len(waiting) + len(later)
    env = {"REMAP_SIGTERM": "SIGTERM" if how == "QUIT" else "SIGQUIT"}
    with program.worker("-c", "2", "--prefetch-multiplier", "10", env=env) as held:
        for name in running:
            program.module.outlasts.delay(name, rest)
        program.wait_for("start", *running)
        for name in waiting:
            program.module.late.delay(name)
        for name in later:
            program.module.late.apply_async((name,), countdown=5)
        program.wait(lambda: held.text.count("waits with the broker") == len(later), "it has all")
        if how == "QUIT":
            held.signal(signal.SIGQUIT)
        else:
            os.killpg(held.process.pid, signal.SIGTERM)
        held.process.wait(20)
    ended_by_then = program.lines("end")
    with program.worker("-c", "4"):
        program.wait_for("end", *running, *waiting, *later, timeout_s=30)

    assert ended_by_then == []
    assert program.counts("start") == dict.fromkeys(running, 2) | dict.fromkeys(
        [*waiting, *later], 1
    )
    assert "Traceback" not in held.text
