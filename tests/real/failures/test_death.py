"""Tasks that kill the process they run in, once or always."""

from __future__ import annotations

from tests.real.failures.conftest import Load, names

LIMIT = 4


def test_a_late_task_whose_process_dies_once_succeeds(load: Load) -> None:
    """It is run again, knows that it was given out before, and that run counts."""
    program = load()
    with program.worker("-c", "2"):
        result = program.module.dies.delay("once", 1)
        redelivered = result.get(timeout=60)

    assert result.state == "SUCCESS"
    assert program.counts("start") == {"once": 2}
    assert redelivered is True


def test_a_late_task_that_always_kills_is_given_up(load: Load) -> None:
    """After as many starts as the limit says; a hundred others end meanwhile, once each."""
    program = load(taskq_delivery_limit=LIMIT)
    good = names("good", 100)
    with program.worker("-c", "2") as running:
        poison = [program.module.dies.delay(name, 1000) for name in ("p1", "p2")]
        for name in good:
            program.module.late.delay(name, 0.01)
        program.wait_for("end", *good)
        errors = [result.get(timeout=60, propagate=False) for result in poison]
        assert running.stop() == 0
    letters = program.module.app.dead_letters.list()

    assert [result.state for result in poison] == ["FAILURE", "FAILURE"]
    assert {type(error).__name__ for error in errors} == {"WorkerLostError"}
    assert program.counts("start") == dict.fromkeys(good, 1) | {"p1": LIMIT, "p2": LIMIT}
    assert {letter.message.headers["id"] for letter in letters} == {each.id for each in poison}
    assert all(str(LIMIT) in letter.reason for letter in letters)
