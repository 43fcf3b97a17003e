"""``taskq-sim``: replay scenarios, look for schedules that break them, see if all is well here.

Exit codes: 0 everything held, 1 a promise was broken, 2 the command or a file makes no sense.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from taskq_testing.nearest import nearest
from taskq_testing.plugin import SCENARIO_SUFFIX

try:
    from taskq_testing.report.progress import with_bar
    from taskq_testing.report.text import PROGRAM, Table, Tally, failure_text
    from taskq_testing.scenario.load import ScenarioError, load
    from taskq_testing.scenario.run import Outcome, make_app, run_scenario
    from taskq_testing.scenario.schema import Scenario
    from taskq_testing.scenario.twice import run_twice
    from taskq_testing.stopwatch import Stopwatch
except ModuleNotFoundError as missing:  # taskq was installed without what its harness needs
    sys.stderr.write(f"taskq-sim needs {missing.name}: pip install 'taskq[testing]'\n")
    sys.exit(2)

BROKEN: Final = 1
NONSENSE: Final = 2


@click.group("taskq-sim", context_settings={"help_option_names": ["-h", "--help"]})
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
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--seed", type=int, metavar="N", help="Run with this seed.")
@click.option("--seeds", type=_Seeds(), metavar="A..B", help="Run with each of these seeds.")
@click.option("--once", is_flag=True, help="Run each seed once; do not compare histories.")
@click.option("-v", "--verbose", is_flag=True, help="Show the events of each run.")
def replay(
    paths: tuple[Path, ...], seed: int | None, seeds: range | None, once: bool, verbose: bool
) -> None:
    """Run scenario files, or all files below folders.

    Each seed is run twice: the same seed must give the same history.
    """
    if seed is not None and seeds is not None:
        raise click.UsageError("give --seed or --seeds, not both")
    chosen = seeds if seeds is not None else None if seed is None else [seed]
    how = _How(once=once, verbose=verbose, columns=_columns())
    sys.exit(_replay([_load(file) for file in _files(paths)], chosen, how))


@dataclass(frozen=True, slots=True)
class _How:
    """How a replay was asked for."""

    once: bool
    verbose: bool
    columns: int | None  # how wide the terminal is; None: what is written goes elsewhere

    def run(self, scenario: Scenario, seed: int, app: Any) -> Outcome:
        if self.once:
            return run_scenario(scenario, seed, app=app)
        return run_twice(scenario, seed, app)


def _columns() -> int | None:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _replay(scenarios: list[Scenario], seeds: Sequence[int] | None, how: _How) -> int:
    """Run them all; a line for each.  All files were read before the first one runs."""
    broken, runs, watch = 0, 0, Stopwatch()
    table = Table((scenario.name for scenario in scenarios), how.columns)
    click.secho(table.head(), dim=True)
    for scenario in scenarios:
        tally = _run_all(scenario, seeds or _own_seeds(scenario), how)
        runs += tally.runs
        broken += len(tally.broken)
        click.secho(table.line(tally), fg="red" if tally.broken else None)
        if tally.broken:
            click.echo(failure_text(tally.broken[0], _program(), how.columns))
            _say_more(tally.broken)
    click.echo(_summary(len(scenarios), runs, broken, watch.seconds, once=how.once))
    return BROKEN if broken else 0


def _run_all(scenario: Scenario, seeds: Sequence[int], how: _How) -> Tally:
    watch, tally, app = Stopwatch(), Tally(scenario.name), _make_app(scenario)
    shown = seeds if how.verbose else with_bar(seeds, scenario.name, how.columns or 80)
    for seed in shown:
        outcome = how.run(scenario, seed, app)
        tally.add(outcome)
        if how.verbose:
            click.echo(outcome.trace.text())
    tally.real_s = watch.seconds
    return tally


def _say_more(broken: list[Outcome]) -> None:
    if len(broken) > 1:
        seeds = ", ".join(str(outcome.seed) for outcome in broken[1:9])
        click.echo(f"also broken with seeds {seeds}{' ...' if len(broken) > 9 else ''}")  # noqa: PLR2004 - one line


def _summary(files: int, runs: int, failed: int, seconds: float, *, once: bool) -> str:
    told = "all promises held" if not failed else f"{failed} of them broke a promise"
    counts = f"{files} scenario{'s' * (files != 1)}, {runs} run{'s' * (runs != 1)}"
    twice = "" if once else ", each made twice and compared"
    return f"\n{counts}{twice}: {told} ({seconds:.1f} s)"


def _program() -> str:
    return click.get_current_context().find_root().info_name or PROGRAM


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--runs", type=int, default=200, show_default=True, help="How many seeds to try.")
@click.option("--from", "first", type=int, default=0, show_default=True, help="The first seed.")
def explore(path: Path, runs: int, first: int) -> None:
    """Try seeds until one breaks the scenario."""
    scenario, watch = _load(_there(path)), Stopwatch()
    histories: set[str] = set()
    broken = _first_broken(scenario, range(first, first + runs), histories)
    if broken is not None:
        tried = broken.seed - first + 1
        click.secho(
            f"seed {broken.seed} breaks it, after {tried} run{'s' * (tried != 1)}", fg="red"
        )
        click.echo(failure_text(broken, _program(), _columns()))
        sys.exit(BROKEN)
    rate = runs / max(watch.seconds, 1e-9)
    click.echo(
        f"{runs} seeds held, {len(histories)} different histories "
        f"({watch.seconds:.1f} s, {rate:.0f} seeds/s)"
    )


def _first_broken(scenario: Scenario, seeds: range, histories: set[str]) -> Outcome | None:
    app = _make_app(scenario)
    for seed in with_bar(seeds, scenario.name, _columns() or 80):
        outcome = run_scenario(scenario, seed, app=app)
        histories.add(outcome.trace.hash())
        if not outcome.passed:
            return outcome
    return None


@main.command()
@click.option("--json", "as_data", is_flag=True, help="For programs.")
def faults(as_data: bool) -> None:
    """List everything that can go wrong in a world, with values and their defaults."""
    from taskq_testing.report.faults import as_json, as_text  # noqa: PLC0415 - as below

    click.echo(as_json() if as_data else as_text(_columns() or 100))


@main.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
def doctor(path: Path | None) -> None:
    """Look whether the simulation is deterministic here: each run twice, the same trace."""
    from taskq_testing.doctor import examine  # noqa: PLC0415 - only this command needs it

    sound = True
    files = None if path is None else list(_files((path,)))
    for file in files or ():
        _load(file)  # what makes no sense is said before anything is run
    for line, good in examine(files):
        click.secho(f"{'ok  ' if good else 'FAIL'}  {line}", fg=None if good else "red")
        sound = sound and good
    sys.exit(0 if sound else BROKEN)


def _own_seeds(scenario: Scenario) -> Sequence[int]:
    if scenario.seeds is None:
        return [scenario.seed]
    return range(scenario.seeds.from_, scenario.seeds.from_ + scenario.seeds.count)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not _there(path).is_dir():
            yield path
            continue
        found = sorted(path.rglob(f"*{SCENARIO_SUFFIX}"))
        if not found:
            _refuse(f"{path}: this folder holds no *{SCENARIO_SUFFIX}")
        yield from found


def _there(path: Path) -> Path:
    if not path.exists():
        beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        _refuse(f"{path}: no such file or folder{nearest(path.name, beside, listed=False)}")
    return path


def _load(path: Path) -> Scenario:
    try:
        return load(path)
    except ScenarioError as error:
        _refuse(str(error))


def _make_app(scenario: Scenario) -> Any:
    try:
        return make_app(scenario)
    except ScenarioError as error:
        _refuse(str(error))


def _refuse(told: str) -> NoReturn:
    click.secho(told, fg="red", err=True)
    sys.exit(NONSENSE)


if __name__ == "__main__":
    main()
