"""``python -m taskq_testing.bench``: how fast the simulation is on this machine.

Each line is one world: no-op tasks that go from the client through the model of the broker, the
worker's core, a body and the result store, all in one thread.  Wall time; on a busy machine run it
again.  Nothing is compared here: the numbers are for people, and for the next change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import click

from taskq.wiring import TaskQ
from taskq_testing.scenario.load import loads
from taskq_testing.scenario.run import make_app, run_scenario
from taskq_testing.sim.profiles import PROFILES
from taskq_testing.stopwatch import Stopwatch
from taskq_testing.world import World

ROUNDS: Final = 3
SMALL_SCENARIO: Final = """
scenario: 1
name: ten tasks on two workers
workers: [{name: w1}, {name: w2}]
tasks: {nap: {takes: 5s, returns: $args.0}}
steps: [{send: {nap: [1]}, times: 10, id: naps}]
expect: [{result: naps, value: 1}]
"""


@dataclass(frozen=True, slots=True)
class Timing:
    """What one world took."""

    send_s: float
    run_s: float
    read_s: float
    events: int
    steps: int

    @property
    def whole_s(self) -> float:
        """Sending, running and reading."""
        return self.send_s + self.run_s + self.read_s


def no_ops(tasks: int, profile: str, slots: int, settings: dict[str, Any]) -> Timing:
    """Send no-op tasks, let a worker run them, read their results."""
    app = TaskQ("bench", set_as_current=False)
    app.conf.update(settings)
    no_op = app.task(name="no_op")(_no_op)
    with World(app, broker=profile) as world:
        world.start_worker("w1", slots=slots)
        world.run_until_quiet()
        watch = Stopwatch()
        results = [no_op.delay() for _ in range(tasks)]
        sent_s = watch.seconds
        world.run_until_quiet()
        run_s = watch.seconds
        if not app.conf.task_ignore_result:
            assert all(result.get() == 1 for result in results)
        return Timing(sent_s, run_s - sent_s, watch.seconds - run_s, len(world.trace), world.steps)


def _no_op() -> int:
    return 1


def scenario_s(runs: int) -> float:
    """Seconds for one run of a small scenario, its world and its checks included."""
    scenario = loads(SMALL_SCENARIO, "bench")
    app, watch = make_app(scenario), Stopwatch()
    for seed in range(runs):
        assert run_scenario(scenario, seed, app=app).passed
    return watch.seconds / runs


def _best(measure: Callable[[], Timing], rounds: int) -> Timing:
    return min((measure() for _ in range(rounds)), key=lambda timing: timing.whole_s)


def lines(tasks: int, rounds: int = ROUNDS) -> Iterator[str]:
    """Measure, and say it line by line."""
    yield f"{tasks} no-op tasks, best of {rounds}"
    yield (
        f"{'broker':<10} {'settings':<22} {'tasks/s':>8} {'us/task':>8} {'send':>6} {'run':>6} "
        f"{'read':>6} {'events':>7} {'steps':>6}"
    )
    kinds: dict[str, dict[str, Any]] = {
        "": {},
        "task_acks_late": {"task_acks_late": True},
        "task_ignore_result": {"task_ignore_result": True},
    }
    for profile in PROFILES:
        for name, settings in kinds.items():
            best = _best(lambda: no_ops(tasks, profile, 4, settings), rounds)  # noqa: B023 - called here
            yield _line(profile, name, tasks, best)
    yield f"a small scenario: {scenario_s(max(tasks // 40, 1)) * 1000:.2f} ms for each run"


def _line(profile: str, settings: str, tasks: int, timing: Timing) -> str:
    def each_us(seconds: float) -> str:
        return f"{seconds / tasks * 1e6:.1f}"

    return (
        f"{profile:<10} {settings:<22} {tasks / timing.whole_s:>8.0f} {each_us(timing.whole_s):>8} "
        f"{each_us(timing.send_s):>6} {each_us(timing.run_s):>6} {each_us(timing.read_s):>6} "
        f"{timing.events / tasks:>7.1f} {timing.steps / tasks:>6.1f}"
    )


@click.command("bench")
@click.option("--tasks", default=10_000, show_default=True, help="How many in each world.")
@click.option("--rounds", default=ROUNDS, show_default=True, help="The best of so many counts.")
def main(tasks: int, rounds: int) -> None:
    """Measure how fast the simulation is on this machine."""
    for line in lines(tasks, rounds):
        click.echo(line)


if __name__ == "__main__":
    main(prog_name="python3 -m taskq_testing.bench")
