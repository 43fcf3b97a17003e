"""Who waits for whom: short tasks beside a long one, and others beside those with a rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest

from tests.real.failures.conftest import Line, Load, Program, names
from tests.real.workers import WorkerProcess

SHORT = 9
RATE = 10  # of the task ``seldom``, in a second
MEASURED_S = 8.0
THREADS = ("-c", "2", "-P", "threads")


@pytest.mark.parametrize(
    ("workers", "options"),
    [(2, ("-c", "1", "-O", "fair")), (2, ("-c", "1", "--disable-prefetch")), (1, ("-c", "2"))],
    ids=["fair", "without prefetch", "in one worker"],
)
def test_short_tasks_do_not_wait_behind_a_long_one(
    load: Load, workers: int, options: tuple[str, ...]
) -> None:
    """On two slots the long one ends only when all short ones have: the other slot does them."""
    program = load()
    short = names("short", SHORT)
    with fleet(program, workers, *options) as running:
        program.module.outlasts.delay("long", SHORT)
        for name in short:
            program.module.work.delay(name, 0.05)
        program.wait_for("end", "long", *short)
        assert [each.stop() for each in running] == [0] * workers

    assert program.lines("end")[-1].name == "long"
    assert program.counts("start") == dict.fromkeys(["long", *short], 1)


def test_a_rate_of_the_cluster_is_kept_by_four_workers(load: Load) -> None:
    """Together, and to the full; what has no rate passes by."""
    program = load(taskq_rate_limit_scope="cluster")
    limited, free = names("limited", int(RATE * MEASURED_S * 1.5)), names("free", 40)
    with fleet(program, 4, *THREADS, "-l", "DEBUG", sociable=True) as running:
        program.wait(
            lambda: all(one.text.count("joined the party") >= 3 for one in running), "they have met"
        )
        for name in limited:
            program.module.seldom.delay(name)
        program.wait_for("start", limited[0])
        for name in free:
            program.module.work.delay(name)
        program.wait_for("end", *free)
        program.wait(lambda: len(begun(program, limited)) >= RATE * MEASURED_S * 1.2, "work")
    starts = begun(program, limited)
    in_time = within(starts, MEASURED_S)

    assert len(in_time) == pytest.approx(RATE * MEASURED_S, rel=0.15)
    assert len({line.pid for line in in_time}) == 4
    assert program.lines("end")[-1].at_s < starts[len(starts) // 2].at_s
    assert set(program.counts("start").values()) == {1}


@pytest.mark.parametrize("servers", ["redis"], indirect=True)
def test_a_rate_of_each_worker_is_its_own(load: Load) -> None:
    """As long as nobody says otherwise, two workers do twice as many."""
    program = load()
    limited = names("limited", 300)  # a worker keeps a line of a hundred
    with fleet(program, 2, *THREADS) as running:
        for name in limited:
            program.module.seldom.delay(name)
        program.wait(lambda: len(program.lines("start")) >= 2 * RATE * 6, "six seconds of work")
    starts = program.lines("start")
    own = [[line for line in starts if line.pid == one.process.pid] for one in running]

    assert [len(within(each, 5.0)) for each in own] == pytest.approx([RATE * 5.0] * 2, rel=0.2)


@contextmanager
def fleet(
    program: Program, count: int, *options: str, sociable: bool = False
) -> Iterator[Sequence[WorkerProcess]]:
    """Run so many workers at once until the block ends."""
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                program.worker("-n", name, *options, sociable=sociable, ready=False)
            )
            for name in names("w", count)
        ]
        for one in running:
            one.wait_for("is ready", 40)
        yield running


def begun(program: Program, called: Sequence[str]) -> list[Line]:
    """Return when these began."""
    return [line for line in program.lines("start") if line.name in set(called)]


def within(lines: Sequence[Line], seconds: float) -> list[Line]:
    """Return those of the first so many seconds."""
    return [line for line in lines if line.at_s < lines[0].at_s + seconds]
