"""What only the whole file can tell: that what one place names, another place has.

A name with a slip of the pen would else be a fault that never comes, or a count that is always 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from taskq.conf import TABLE, canonical
from taskq.conf.loading import checked
from taskq.errors import ImproperlyConfigured
from taskq_testing.faults.kinds import FAULTS
from taskq_testing.scenario import schema
from taskq_testing.scenario.positions import Spot
from taskq_testing.sim.profiles import PROFILES
from taskq_testing.sim.world import CLIENT

# A reference to something that is known only while the scenario runs.
_LATER: Final = "$"


def cross_check(spot: Spot, scenario: schema.Scenario) -> None:
    """Raise ``ScenarioError`` for the first name that leads nowhere."""
    _settings(spot, scenario)
    _steps(spot, scenario)
    _nodes(spot, scenario)
    _expected(spot, scenario)


def _settings(spot: Spot, scenario: schema.Scenario) -> None:
    for name, value in scenario.app.settings.items():
        child = spot.at("app", "settings", name)
        # An application of the user's own may have settings of its own.
        if canonical(name) not in TABLE and not scenario.app.target:
            raise child.unknown("setting", name, TABLE, listed=False)
        try:
            checked(canonical(name), value, "settings")
        except ImproperlyConfigured as error:
            raise child.error(str(error)) from error


def _steps(spot: Spot, scenario: schema.Scenario) -> None:
    if scenario.app.target:
        return  # its tasks are known when it is imported
    for place, step in enumerate(scenario.steps):
        for name in called(step.send):
            if name not in scenario.tasks:
                raise spot.at("steps", place, "send").unknown("task", name, scenario.tasks)


def _nodes(spot: Spot, scenario: schema.Scenario) -> None:
    workers = worker_names(scenario)
    for name in scenario.clock.nodes:
        _known(spot.at("clock", "nodes", name), name, [*workers, CLIENT])
    for place, fault in enumerate(scenario.faults):
        what, given = fault.do["fault"], fault.do["given"]
        refusal = FAULTS[what].refusal(PROFILES[scenario.broker.profile])
        if refusal is not None:
            raise spot.at("faults", place, "do", what).error(refusal)
        for parameter in FAULTS[what].parameters:
            if parameter.kind in ("node", "place") and what != "worker.start":
                at = spot.at("faults", place, "do", what, parameter.name)
                allowed = [*workers, CLIENT] if parameter.kind == "place" else workers
                _known(at, given[parameter.name], allowed)
        _facts(spot.at("faults", place, "when"), fault.when.facts, scenario)


def _expected(spot: Spot, scenario: schema.Scenario) -> None:
    ids = [step.id for step in scenario.steps if step.id]
    for place, expected in enumerate(scenario.expect):
        child = spot.at("expect", place, expected.kind)
        if expected.kind == "result" and expected.given["result"] not in ids:
            raise child.unknown("step", expected.given["result"], ids)
        pattern = expected.given[expected.kind]
        if isinstance(pattern, schema.Pattern):
            _facts(child, pattern.facts, scenario)


def _facts(spot: Spot, facts: Mapping[str, Any], scenario: schema.Scenario) -> None:
    """Check the facts of an event that name a worker or a task."""
    if "node" in facts:
        _known(spot.at("node"), facts["node"], [*worker_names(scenario), CLIENT])
    task = facts.get("task")
    if task is None or scenario.app.target or str(task).startswith((_LATER, "celery.")):
        return
    if task not in scenario.tasks:
        raise spot.at("task").unknown("task", task, scenario.tasks)


def _known(spot: Spot, name: str, allowed: Iterable[str]) -> None:
    names = list(dict.fromkeys(allowed))
    if not str(name).startswith(_LATER) and name not in names:
        raise spot.unknown("node", name, names)


def worker_names(scenario: schema.Scenario) -> list[str]:
    """All workers that there ever are: those of ``workers``, and those that a fault starts."""
    started = (f.do["given"]["node"] for f in scenario.faults if f.do["fault"] == "worker.start")
    return [*(worker.name for worker in scenario.workers), *started]


def called(send: Any) -> Iterator[str]:
    """Yield the names of all tasks of a canvas."""
    if isinstance(send, schema.Call):
        yield send.task
        return
    for member in (*send.members, *(() if send.body is None else (send.body,))):
        yield from called(member)
