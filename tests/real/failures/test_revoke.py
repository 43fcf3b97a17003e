"""What was revoked does not run, whichever workers begin or end meanwhile."""

from __future__ import annotations

from tests.real.failures.conftest import Load

LEASE_S = 1


def test_what_was_revoked_before_any_worker_never_runs(load: Load) -> None:
    """It is REVOKED at once, not when its time comes or somebody takes it."""
    program = load()
    module = program.module
    revoked = [module.late.delay("now"), module.late.apply_async(("later",), countdown=1)]
    module.app.control.revoke([result.id for result in revoked])
    at_once = [result.state for result in revoked]
    with program.worker("-c", "1"):
        module.late.apply_async(("after",), countdown=2)
        program.wait_for("end", "after")

    assert at_once == ["REVOKED", "REVOKED"]
    assert [result.state for result in revoked] == ["REVOKED", "REVOKED"]
    assert set(program.counts("start")) == {"after"}


def test_what_was_revoked_never_runs_after_all_workers_have_died(load: Load) -> None:
    """Whether it waits for a slot, for its time, or runs when the machine goes."""
    program = load(taskq_lease_s=LEASE_S)
    module = program.module
    with program.worker("-c", "1") as victim:
        runs = module.late.delay("runs", 60.0)
        program.wait_for("start", "runs")
        waits, later = module.late.delay("waits"), module.late.apply_async(("later",), countdown=4)
        program.wait(lambda: "waits with the broker" in victim.text, "all have arrived")
        module.app.control.revoke([runs.id, waits.id, later.id])
        victim.wait_for("revoked")
        victim.kill_tree()
    revoked = [runs, waits, later]
    with program.worker("-c", "1"):
        module.late.apply_async(("after",), countdown=5)
        program.wait_for("end", "after")
        program.wait(lambda: all(each.state == "REVOKED" for each in revoked), "they say so")

    assert program.counts("start") == {"runs": 1, "after": 1}


def test_a_worker_remembers_in_its_file_what_it_alone_was_told(load: Load) -> None:
    """A command to one worker is no revocation for all, so only its file can keep it."""
    program = load()
    module = program.module
    options = ("-c", "1", "-n", "w1@here", "-S", str(program.tmp_path / "state"))
    with program.worker(*options) as first:
        told = module.app.control.revoke("the-id", destination=["w1@here"], reply=True, timeout=20)
        assert first.stop() == 0
    result = module.late.apply_async(("revoked",), task_id="the-id")
    with program.worker(*options):
        program.wait(lambda: result.state == "REVOKED", "it is not run")
        module.late.delay("after")
        program.wait_for("end", "after")

    assert list(told[0]) == ["w1@here"]
    assert set(program.counts("start")) == {"after"}
