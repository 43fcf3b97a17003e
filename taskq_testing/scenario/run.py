"""A scenario and a seed -> what happened, and whether it was right.

The application is built (or imported), its workers are started, the steps are sent at their
times, the faults come; then all links heal, the world runs until it is quiet, and the standing
checks and the file's own expectations are held against what happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from traceback import format_exception
from typing import Any

from taskq_testing.checks.finding import Finding
from taskq_testing.checks.registry import CHECKS, run_checks
from taskq_testing.faults.inject import FaultRefused, Planned, inject
from taskq_testing.scenario import schema
from taskq_testing.scenario.behaviour import add_task
from taskq_testing.scenario.expectations import check_expectations
from taskq_testing.scenario.positions import ScenarioError
from taskq_testing.sim.scheduler import Stuck
from taskq_testing.sim.trace import Record, Trace
from taskq_testing.sim.world import NotQuiet
from taskq_testing.world import World

DEFAULT_START = "2030-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of one file."""

    scenario: schema.Scenario
    seed: int
    trace: Trace
    findings: tuple[Finding, ...]
    sim_s: float
    tasks: int

    @property
    def passed(self) -> bool:
        """Everything that was promised held."""
        return not self.findings


@dataclass(slots=True)
class Run:
    """What a run knows while it runs."""

    scenario: schema.Scenario
    app: Any
    world: World
    results: dict[str, list[Any]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)  # of the first task of each step

    def resolve(self, value: Any, record: Record | None) -> Any:
        """Read ``$event.node``, ``$event.id``, and the names of steps."""
        if not isinstance(value, str):
            return value
        if value.startswith("$event.") and record is not None:
            name = value.removeprefix("$event.")
            return record.node if name == "node" else record.facts.get(name)
        return self.ids.get(value, value)


def run_scenario(
    scenario: schema.Scenario,
    seed: int | None = None,
    choices: list[int] | None = None,
    app: Any = None,
) -> Outcome:
    """Run one file once; ``app`` is what ``make_app`` made of it, to be used for many runs."""
    seed = scenario.seed if seed is None else seed
    app = app or make_app(scenario)
    start = scenario.clock.start or DEFAULT_START
    profile = scenario.broker.profile
    with World(app, seed=seed, start=start, broker=profile, choices=choices) as world:
        run = Run(scenario, app, world)
        findings = list(_play(run))
        tasks = world.trace.count("task.start")
        return Outcome(scenario, seed, world.trace, tuple(findings), world.now_s, tasks)


def _play(run: Run) -> Iterator[Finding]:
    world, scenario = run.world, run.scenario
    for name, clock in scenario.clock.nodes.items():
        world.add_node(name)
        world.jump_clock(name, clock.skew)
    for worker in scenario.workers:
        _start_worker(world, worker)
    for number, step in enumerate(scenario.steps):
        _plan_step(run, step, step.id or f"step {number}")
    for fault in scenario.faults:
        planned = Planned(
            fault.when,
            fault.do["fault"],
            fault.do["given"],
            fault.id or f"{scenario.file}:{fault.line}: {fault.key}",
        )
        inject(world, planned, run.resolve)
    try:
        world.run_until_quiet(scenario.limits.sim_time)
    except (Stuck, NotQuiet) as error:
        yield Finding("comes-to-rest", str(error))
        return
    except FaultRefused as error:
        yield Finding(error.name, str(error.problem))
        return
    # The boundary of a run: an error of the worker, the client or the harness breaks the scenario
    # and is told with its seed, as any other finding.
    except Exception as error:  # noqa: BLE001
        yield Finding("no-crash", "".join(format_exception(error)))
        return
    yield from run_checks(world, [name for name in CHECKS if name not in scenario.without])
    yield from check_expectations(scenario, world, run.results)


def make_app(scenario: schema.Scenario) -> Any:
    """Import the application, or build one of the scripted tasks."""
    if scenario.app.target:
        app = _imported(scenario, scenario.app.target)
    else:
        from taskq.wiring import TaskQ  # noqa: PLC0415 - reading a file needs no application

        app = TaskQ("scenario", set_as_current=False)
    app.conf.update(scenario.app.settings)
    for name, spec in scenario.tasks.items():
        add_task(app, name, spec)
    return app


def _imported(scenario: schema.Scenario, target: str) -> Any:
    module, _, name = target.partition(":")
    try:
        return getattr(import_module(module), name or "app")
    except (ImportError, AttributeError) as error:
        told = f"{target!r} cannot be imported: {error}"
        raise ScenarioError(scenario.file, scenario.app.line, "app.target", told) from error


def _start_worker(world: World, worker: schema.WorkerSpec) -> None:
    options: dict[str, Any] = {}
    if worker.prefetch_multiplier is not None:
        options["prefetch_multiplier"] = worker.prefetch_multiplier

    def start() -> None:
        world.start_worker(worker.name, worker.slots, worker.queues, **options)

    if worker.at:
        world.at(worker.at, start)
    else:
        start()


def _plan_step(run: Run, step: schema.Step, name: str) -> None:
    def send() -> None:
        options = {}
        if isinstance(step.send, schema.Call):
            # Known before it is sent: a worker may begin before the sender has the id back.
            options["task_id"] = run.app.new_id()
            run.ids.setdefault(name, options["task_id"])
        result = signature(run.app, step.send).apply_async(**options)
        run.ids.setdefault(name, result.id)
        run.results.setdefault(name, []).append(result)

    for turn in range(step.times):
        run.world.at(step.at + turn * step.every, send)


def signature(app: Any, send: schema.Call | schema.Canvas) -> Any:
    """Build the signature that a file describes."""
    if isinstance(send, schema.Call):
        return app.signature(send.task, tuple(send.args), send.kwargs, **send.options)
    members = [signature(app, member) for member in send.members]
    make = getattr(import_module("taskq.canvas"), send.kind)
    if send.kind == "chord":
        return make(members, signature(app, send.body), app=app)
    return make(*members, app=app)
