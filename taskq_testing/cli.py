"""``taskq-sim``: replay scenarios, look for schedules that break them, see if all is well here.

Exit codes: 0 everything held, 1 a promise was broken, 2 the command or a file makes no sense.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import click

from taskq_testing.plugin import SCENARIO_SUFFIX
from taskq_testing.report.text import Tally, failure_text, tally_line
from taskq_testing.scenario.load import ScenarioError, load
from taskq_testing.scenario.run import Outcome, make_app, run_scenario
from taskq_testing.scenario.schema import Scenario
from taskq_testing.stopwatch import Stopwatch

BROKEN: Final = 1
NONSENSE: Final = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="taskq", prog_name="taskq-sim")
def main() -> None:
    """Simulate a task queue: the same worker and client, on a clock that jumps."""
    # Applications are named as in `taskq -A`, seen from where the command is called.
    if "" not in sys.path:
        sys.path.insert(0, "")


class _Seeds(click.ParamType[range]):
    """``A..B``, both included."""

    name = "A..B"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> range:
        if isinstance(value, range):
            return value
        first, dots, last = str(value).partition("..")
        if not (dots and first.isdigit() and last.isdigit() and int(first) <= int(last)):
            self.fail(f"expected A..B, such as 0..99, but got {value!r}", param, ctx)
        return range(int(first), int(last) + 1)


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--seed", type=int, metavar="N", help="Run with this seed.")
@click.option("--seeds", type=_Seeds(), metavar="A..B", help="Run with each of these seeds.")
@click.option("-v", "--verbose", is_flag=True, help="Show the events of each run.")
def replay(paths: tuple[Path, ...], seed: int | None, seeds: range | None, verbose: bool) -> None:
    """Run scenario files, or all files below folders."""
    if seed is not None and seeds is not None:
        raise click.UsageError("give --seed or --seeds, not both")
    chosen = seeds if seeds is not None else None if seed is None else [seed]
    sys.exit(_replay(list(_files(paths)), chosen, verbose=verbose))


def _replay(files: list[Path], seeds: Iterable[int] | None, *, verbose: bool) -> int:
    failed: list[Outcome] = []
    runs, watch = 0, Stopwatch()
    for file in files:
        scenario = _load(file)
        tally = _run_all(scenario, seeds or _own_seeds(scenario), verbose=verbose)
        runs += tally.runs
        failed.extend(tally.broken)
        click.secho(tally_line(str(file), tally), fg="red" if tally.broken else None)
        if tally.broken:
            click.echo(failure_text(tally.broken[0]))
            _say_more(tally.broken)
    click.echo(_summary(len(files), runs, len(failed), watch.seconds))
    return BROKEN if failed else 0


def _run_all(scenario: Scenario, seeds: Iterable[int], *, verbose: bool) -> Tally:
    watch, tally, app = Stopwatch(), Tally(scenario.name), make_app(scenario)
    for seed in seeds:
        outcome = run_scenario(scenario, seed, app=app)
        tally.add(outcome)
        if verbose:
            click.echo(outcome.trace.text())
    tally.real_s = watch.seconds
    return tally


def _say_more(broken: list[Outcome]) -> None:
    if len(broken) > 1:
        seeds = ", ".join(str(outcome.seed) for outcome in broken[1:9])
        click.echo(f"also broken with seeds {seeds}{' ...' if len(broken) > 9 else ''}")  # noqa: PLR2004 - one line


def _summary(files: int, runs: int, failed: int, seconds: float) -> str:
    told = "all promises held" if not failed else f"{failed} of them broke a promise"
    counts = f"{files} scenario{'s' * (files != 1)}, {runs} run{'s' * (runs != 1)}"
    return f"\n{counts}: {told} ({seconds:.1f} s)"


@main.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--runs", type=int, default=200, show_default=True, help="How many seeds to try.")
@click.option("--from", "first", type=int, default=0, show_default=True, help="The first seed.")
def explore(path: Path, runs: int, first: int) -> None:
    """Try seeds until one breaks the scenario."""
    scenario, watch = _load(path), Stopwatch()
    app = make_app(scenario)
    histories: set[str] = set()
    for seed in range(first, first + runs):
        outcome = run_scenario(scenario, seed, app=app)
        histories.add(outcome.trace.hash())
        if not outcome.passed:
            click.secho(f"seed {seed} breaks it, after {seed - first + 1} runs", fg="red")
            click.echo(failure_text(outcome))
            sys.exit(BROKEN)
    rate = runs / max(watch.seconds, 1e-9)
    click.echo(
        f"{runs} seeds held, {len(histories)} different histories "
        f"({watch.seconds:.1f} s, {rate:.0f} seeds/s)"
    )


@main.command()
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
def doctor(path: Path | None) -> None:
    """Look whether the simulation is deterministic here: each run twice, the same trace."""
    from taskq_testing.doctor import examine  # noqa: PLC0415 - only this command needs it

    sound = True
    for line, good in examine(list(_files((path,))) if path else None):
        click.secho(f"{'ok  ' if good else 'FAIL'}  {line}", fg=None if good else "red")
        sound = sound and good
    sys.exit(0 if sound else BROKEN)


def _own_seeds(scenario: Scenario) -> Iterable[int]:
    if scenario.seeds is None:
        return [scenario.seed]
    return range(scenario.seeds.from_, scenario.seeds.from_ + scenario.seeds.count)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(path.rglob(f"*{SCENARIO_SUFFIX}"))
        if not found:
            raise click.UsageError(f"{path}{os.sep} holds no *{SCENARIO_SUFFIX}")
        yield from found


def _load(path: Path) -> Scenario:
    try:
        return load(path)
    except ScenarioError as error:
        click.secho(str(error), fg="red", err=True)
        sys.exit(NONSENSE)


if __name__ == "__main__":
    main()
