"""What a file expects, held against what happened: one function for each kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from taskq_testing.checks.finding import Finding
from taskq_testing.scenario.schema import Expectation, Pattern, Scenario
from taskq_testing.sim.trace import Record
from taskq_testing.sim.world import SimWorld

Results: TypeAlias = Mapping[str, list[Any]]
Judge: TypeAlias = Callable[
    [Mapping[str, Any], SimWorld, Results], Iterator[tuple[str, list[Record]]]
]


def check_expectations(scenario: Scenario, world: SimWorld, results: Results) -> Iterator[Finding]:
    """Judge all of them."""
    for expected in scenario.expect:
        yield from _judge(scenario, expected, world, results)


def _judge(
    scenario: Scenario, expected: Expectation, world: SimWorld, results: Results
) -> Iterator[Finding]:
    for problem, records in JUDGES[expected.kind](expected.given, world, results):
        where = f"{scenario.file}:{expected.line}: {expected.key}"
        yield Finding(where, problem, tuple(records))


def _result(
    given: Mapping[str, Any], world: SimWorld, results: Results
) -> Iterator[tuple[str, list[Record]]]:
    name = given["result"]
    for result in results.get(name, []):
        records = world.trace.of_task(result.id)
        # Asked of the result as a client asks; so it is the truth of the store.
        state = _state(result)
        if state != given["state"]:
            yield f"{name} is {state}, not {given['state']}: {_value(result)!r}", records
        elif given["has_value"] and _value(result) != given["value"]:
            yield f"{name} returned {_value(result)!r}, not {given['value']!r}", records
        elif given["error"] and type(result.result).__name__ != given["error"]:
            yield f"{name} failed with {result.result!r}, not {given['error']}", records
    if name not in results:
        yield f"{name} was never sent", []


def _state(result: Any) -> str:
    members = getattr(result, "results", None)
    if members is None:
        return str(result.state)
    states = {str(member.state) for member in members}
    return states.pop() if len(states) == 1 else ", ".join(sorted(states))


def _value(result: Any) -> Any:
    members = getattr(result, "results", None)
    value = result.result if members is None else [member.result for member in members]
    # As JSON has it: a tuple that came back as a list is what was expected.
    return json.loads(json.dumps(value, default=repr))


def _found(pattern: Pattern, world: SimWorld, results: Results) -> list[Record]:
    facts = dict(pattern.facts)
    if facts.get("id") in results:
        facts["id"] = results[facts["id"]][0].id
    return world.trace.find(pattern.event, **facts)


def _worded(pattern: Pattern) -> str:
    facts = ", ".join(f"{name}: {value}" for name, value in pattern.facts.items())
    return f"{pattern.event} ({facts})" if facts else pattern.event


def _count(
    given: Mapping[str, Any], world: SimWorld, results: Results
) -> Iterator[tuple[str, list[Record]]]:
    found = _found(given["count"], world, results)
    least, most = given["between"] or (given["equals"], given["equals"])
    if not least <= len(found) <= most:
        wanted = f"{least}" if least == most else f"between {least} and {most}"
        told = f"{_worded(given['count'])} happened {len(found)} times, not {wanted}"
        # Where none was found, those of the same kind show which fact is another one.
        yield told, found or world.trace.find(given["count"].event)


def _spacing(
    given: Mapping[str, Any], world: SimWorld, results: Results
) -> Iterator[tuple[str, list[Record]]]:
    found = _found(given["spacing"], world, results)
    gaps = [after.at_s - before.at_s for before, after in pairwise(found)]
    for word, bounds, sign in (("only ", given["min"], 1), ("", given["max"], -1)):
        for place, bound in enumerate(bounds or ()):
            if place >= len(gaps):
                yield f"there are {len(gaps)} gaps, and {len(bounds)} bounds", found
                break
            if (bound - gaps[place]) * sign > _ROUNDING_S:
                told = f"gap {place + 1} was {word}{gaps[place]:g}s, with a bound of {bound:g}s"
                yield told, found


# Times in messages are text with microseconds.
_ROUNDING_S: Final = 1e-5


def _ends(
    given: Mapping[str, Any], world: SimWorld, results: Results
) -> Iterator[tuple[str, list[Record]]]:
    del results
    earliest, latest = given["ends"]
    if not earliest <= world.now_s <= latest:
        yield f"all was over after {world.now_s:g}s, not in {earliest:g}s to {latest:g}s", []


def _empty(
    given: Mapping[str, Any], world: SimWorld, results: Results
) -> Iterator[tuple[str, list[Record]]]:
    del results
    counts = {
        "queues": sum(queue.length for queue in world.broker.topology.queues.values()),
        "unacked": sum(len(session.out) for session in world.broker.sessions),
        "dead": len(world.broker.dead),
    }
    for place in given["empty"]:
        if counts[place]:
            yield f"{place}: {counts[place]} messages are left", []


JUDGES: Final[Mapping[str, Judge]] = MappingProxyType(
    {
        "result": _result,
        "count": _count,
        "spacing": _spacing,
        "ends": _ends,
        "empty": _empty,
    }
)
