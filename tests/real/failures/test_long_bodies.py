"""Bodies of many leases that let no other thread of their process do anything."""

from __future__ import annotations

from tests.real.failures.conftest import Load

LEASE_S = 3  # a busy machine may stand still for a second
BODY_S = 3 * LEASE_S


def test_they_run_once_in_a_child_and_count_once_in_a_thread(load: Load) -> None:
    """A parent shows that it lives, whatever its child does.

    A worker whose own thread it is stands still as a whole, which is the limit of that pool: the
    task is given to another one, and its late end is refused.  RabbitMQ has no leases: there the
    connection has to show that it lives.
    """
    program = load(taskq_lease_s=LEASE_S, broker_heartbeat=LEASE_S)
    body = program.module.keeps_the_interpreter
    with (
        program.worker("-c", "1", "-n", "parent", "-Q", "child") as parent,
        program.worker("-c", "1", "-n", "busy", "-Q", "thread", "-P", "threads") as busy,
    ):
        results = {
            queue: body.apply_async((queue, BODY_S), queue=queue) for queue in ("child", "thread")
        }
        program.wait_for("start", *results)
        with program.worker("-c", "2", "-n", "other", "-Q", "child,thread"):
            pids = {queue: result.get(timeout=60) for queue, result in results.items()}
        busy.wait_for("Task failing.keeps_the_interpreter.* this result is dropped")
        assert [parent.stop(), busy.stop()] == [0, 0]
    begun = program.lines("start")

    assert [line.pid for line in begun if line.name == "child"] == [pids["child"]]
    assert [line.pid for line in begun if line.name == "thread"] == [
        busy.process.pid,
        pids["thread"],
    ]
    assert results["thread"].get(timeout=10) == pids["thread"]
