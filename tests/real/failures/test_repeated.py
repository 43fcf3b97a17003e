"""A late task that has succeeded comes again with the messages of a worker that was killed."""

from __future__ import annotations

from tests.real.failures.conftest import Load

LEASE_S = 1


def test_what_has_succeeded_is_not_run_again(load: Load) -> None:
    """With worker_deduplicate_successful_tasks: it is acknowledged, and the log says so."""
    program = load(taskq_lease_s=LEASE_S, worker_deduplicate_successful_tasks=True)
    module = program.module
    with program.worker("-c", "1", "--prefetch-multiplier", "4") as victim:
        paid = module.late.delay("paid")
        paid.get(timeout=60)
        module.outlasts.delay("long", 2)
        program.wait_for("start", "long")
        module.late.apply_async(("paid",), task_id=paid.id)
        program.wait(lambda: victim.text.count(f"{paid.id}] received") == 2, "it is there again")
        victim.kill_tree()
    with program.worker("-c", "2") as other:
        other.wait_for(rf"{paid.id}\] was delivered again, and has succeeded before", 60.0)
        module.late.delay("after")
        program.wait_for("end", "after", "long")
        assert other.stop() == 0
    with program.worker("-c", "1") as last:
        module.late.delay("end")
        program.wait_for("end", "end")
        assert paid.id not in last.text, "its message is gone"

    assert paid.state == "SUCCESS"
    assert program.counts("start") == {"paid": 1, "long": 2, "after": 1, "end": 1}
