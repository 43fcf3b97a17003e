"""A file -> a ``Scenario``.  Strict: what is not in the schema is an error that says where.

Errors name the file, the line, the key, what came, what is allowed and the nearest word.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from taskq_testing.checks.registry import CHECKS
from taskq_testing.faults.inject import When
from taskq_testing.faults.kinds import FAULTS
from taskq_testing.faults.table import KINDS, Fault
from taskq_testing.scenario import schema
from taskq_testing.scenario.behaviour import check_template
from taskq_testing.scenario.crosscheck import cross_check
from taskq_testing.scenario.positions import ScenarioError, Spot, read
from taskq_testing.scenario.schema import Canvas, Field, Fields, list_of, record
from taskq_testing.sim.trace import EVENTS

VERSION: Final = 1
__all__ = ["ScenarioError", "load", "loads"]


def load(path: str | Path) -> schema.Scenario:
    """Read one file."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ScenarioError(
            str(path), 1, "", f"this is no text in UTF-8: {error.reason}"
        ) from error
    except OSError as error:
        told = f"this file cannot be read: {error.strerror}"
        raise ScenarioError(str(path), 1, "", told) from error
    return loads(text, str(path))


def loads(text: str, file: str) -> schema.Scenario:
    """Read the text of one file."""
    spot = read(text, file)
    scenario: schema.Scenario = record(_scenario_of(file), SCENARIO)(spot)
    cross_check(spot, scenario)
    return scenario


def _scenario_of(file: str) -> Any:
    def make(*, scenario: int, **given: Any) -> schema.Scenario:
        assert scenario == VERSION
        return schema.Scenario(file=file, **given)

    return make


# -- readers that are more than a table ----------------------------------------------------------


def _version(spot: Spot) -> int:
    if spot.value != VERSION:
        raise spot.error(f"this is version {spot.shown()} of the format; {VERSION} is known here")
    return VERSION


def _takes(spot: Spot) -> Any:
    """A duration, or ``{uniform: [1s, 20s]}``."""
    if not isinstance(spot.value, dict):
        return schema.duration(spot)
    if list(spot.value) != ["uniform"]:
        raise spot.error("expected a duration, or {uniform: [least, most]}")
    bounds = list_of(schema.duration)(spot.value["uniform"])
    if len(bounds) != 2 or bounds[0] > bounds[1]:  # noqa: PLR2004 - a least and a most
        raise spot.error("uniform wants two durations, the smaller one first")
    return bounds


def _returns(spot: Spot) -> Any:
    value = spot.plain()
    problem = check_template(value)
    if problem:
        raise spot.error(problem)
    return value


def _send(spot: Spot) -> Any:
    """A signature or a canvas."""
    if not isinstance(spot.value, dict) or not spot.value:
        raise spot.error(f"expected a task or a canvas, but got {spot.shown()}")
    if "task" in spot.value:
        return record(schema.Call, CALL)(spot)
    if len(spot.value) != 1:
        raise spot.error(
            "expected one task or one of chain, group, chord; to give options write "
            "{task: name, args: [...], options: {...}}"
        )
    [(name, child)] = spot.value.items()
    if name == "chord":
        return record(_chord, CHORD)(child)
    if name in ("chain", "group"):
        return Canvas(name, list_of(_send)(child))
    if not isinstance(child.value, list):
        raise child.error(f"expected the list of arguments of {name}, but got {child.shown()}")
    return schema.Call(name, child.plain(), {}, {})


def _chord(header: tuple[Any, ...], body: Any) -> Canvas:
    return Canvas("chord", header, body)


def _when(spot: Spot) -> When:
    """``{at: 5s}``, or ``{event: task.end, task: add, nth: 2, delay: 3s}``."""
    fields = schema.mapping(spot)
    children: Mapping[str, Spot] = spot.value
    if "at" in fields:
        if len(fields) > 1:
            raise spot.error("`at` stands alone; to wait after an event use `delay`")
        return When(at_s=schema.duration(children["at"]))
    if "event" not in fields:
        raise spot.error("say when: {at: 5s} or {event: task.start, nth: 2}")
    known = {"event": _event, "nth": schema.integer, "delay": schema.duration}
    read_values = {name: reader(children[name]) for name, reader in known.items() if name in fields}
    facts = {name: value for name, value in fields.items() if name not in known}
    return When(
        event=read_values["event"],
        nth=read_values.get("nth", 1),
        delay_s=read_values.get("delay", 0.0),
        facts=facts,
    )


_event = schema.one_of("event", EVENTS)


def _do(spot: Spot) -> dict[str, Any]:
    """``{worker.kill: {node: w1}}``."""
    if not isinstance(spot.value, dict) or len(spot.value) != 1:
        raise spot.error("expected one fault, such as {worker.kill: {node: w1}}")
    [(name, child)] = spot.value.items()
    fault = FAULTS.get(name)
    if fault is None:
        raise child.unknown("fault", name, FAULTS)
    given = record(dict, _fault_fields(fault))(child)
    return {"fault": name, "given": {key.removesuffix("_"): value for key, value in given.items()}}


def _fault_fields(fault: Fault) -> Fields:
    return {
        parameter.name: Field(
            _reference_or(_PARAMETER_READERS[parameter.kind]),
            f"{fault.name}: {fault.sentence}",
            default=None if parameter.required else parameter.default,
            required=parameter.required,
        )
        for parameter in fault.parameters
    }


def _reference_or(reader: schema.Reader) -> schema.Reader:
    def read_it(spot: Spot) -> Any:
        if isinstance(spot.value, str) and spot.value.startswith("$"):
            return spot.value
        return reader(spot)

    return read_it


_PARAMETER_READERS: Final[Mapping[str, schema.Reader]] = MappingProxyType(
    {
        "node": schema.text,
        "place": schema.text,
        "task": schema.text,
        "name": schema.text,
        "queue": schema.text,
        "ratio": schema.number,
        "word": schema.text,
        "number": schema.integer,
        "duration": schema.duration,
        "signed duration": schema.signed_duration,
    }
)
assert set(KINDS) == set(_PARAMETER_READERS)


def _app(spot: Spot) -> schema.AppSpec:
    app: schema.AppSpec = record(schema.AppSpec, schema.APP)(spot)
    return replace(app, line=spot.at("target").line)


def _fault(spot: Spot) -> schema.FaultSpec:
    fault: schema.FaultSpec = record(schema.FaultSpec, FAULT)(spot)
    return replace(fault, line=spot.line, key=spot.key)


def _pattern(spot: Spot) -> schema.Pattern:
    fields = schema.mapping(spot)
    if "event" not in fields:
        raise spot.error("say which event to count: {event: task.start, task: add}")
    event = _event(spot.value["event"])
    return schema.Pattern(event, {name: v for name, v in fields.items() if name != "event"})


def _between(spot: Spot) -> tuple[Any, Any]:
    bounds = list_of(schema.anything)(spot)
    if len(bounds) != 2:  # noqa: PLR2004 - a least and a most
        raise spot.error("expected two values: the least and the most")
    return bounds[0], bounds[1]


# What may be expected: the key that names the kind, and the keys beside it.
EXPECTATIONS: Final[Mapping[str, Fields]] = MappingProxyType(
    {
        "result": MappingProxyType(
            {
                "result": Field(schema.text, "the id of a step", required=True),
                "state": Field(schema.text, "the state that it ends in", default="SUCCESS"),
                "value": Field(schema.anything, "what it returned"),
                "error": Field(schema.text, "the name of the exception that it ended with"),
            }
        ),
        "count": MappingProxyType(
            {
                "count": Field(_pattern, "which events", required=True),
                "equals": Field(schema.integer, "exactly so many"),
                "between": Field(_between, "at least and at most so many"),
            }
        ),
        "spacing": MappingProxyType(
            {
                "spacing": Field(_pattern, "which events", required=True),
                "min": Field(list_of(schema.duration), "least time between one and the next"),
                "max": Field(list_of(schema.duration), "most time between one and the next"),
            }
        ),
        "ends": MappingProxyType(
            {"ends": Field(list_of(schema.duration), "when all is over: [earliest, latest]")}
        ),
        "empty": MappingProxyType(
            {
                "empty": Field(
                    list_of(schema.one_of("place", dict.fromkeys(("queues", "unacked", "dead")))),
                    "what holds no message at the end",
                )
            }
        ),
    }
)


def _expectation(spot: Spot) -> schema.Expectation:
    if not isinstance(spot.value, dict):
        raise spot.error(f"expected a mapping, but got {spot.shown()}")
    kinds = [kind for kind in EXPECTATIONS if kind in spot.value]
    if not kinds:
        first = next(iter(spot.value), "")
        raise spot.unknown("expectation", first, EXPECTATIONS)
    kind = kinds[0]
    given = record(dict, EXPECTATIONS[kind])(spot)
    given["has_value"] = "value" in spot.value
    return schema.Expectation(spot.line, spot.key, kind, given)


def _error_name(spot: Spot) -> str:
    name: str = schema.text(spot)
    found = getattr(builtins, name, None)
    if not (isinstance(found, type) and issubclass(found, Exception)):
        known = [n for n, c in vars(builtins).items() if _is_exception(c)]
        raise spot.unknown("built-in exception", name, known)
    return name


def _is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)


# -- the whole table -------------------------------------------------------------------------------

CALL: Final[Fields] = MappingProxyType(
    {
        "task": Field(schema.text, "the name of the task", required=True),
        "args": Field(schema.sequence, "its arguments", default=[]),
        "kwargs": Field(schema.mapping, "its arguments by name", default={}),
        "options": Field(schema.mapping, "options of apply_async, such as countdown", default={}),
    }
)
CHORD: Final[Fields] = MappingProxyType(
    {
        "header": Field(list_of(_send), "what runs side by side", required=True),
        "body": Field(_send, "what gets the list of their results", required=True),
    }
)
RAISES: Final[Fields] = MappingProxyType(
    {**schema.RAISES, "error": Field(_error_name, "a built-in exception", default="RuntimeError")}
)
RETRY: Final[Fields] = MappingProxyType(
    {
        **schema.RETRY,
        "on": Field(list_of(_error_name), "built-in exceptions", default=("Exception",)),
    }
)
TASK: Final[Fields] = MappingProxyType(
    {
        "takes": Field(_takes, "how long the body takes", default=0.0),
        "returns": Field(_returns, "a value, $args.0, $kwargs.name, sum($args.0), len(...)"),
        "raises": Field(record(schema.Raises, RAISES), "how the body fails"),
        "retry": Field(record(schema.RetrySpec, RETRY), "when it tries again"),
        "options": Field(schema.mapping, "options of the task, such as acks_late", default={}),
        "async": Field(schema.boolean, "the body is a coroutine", default=False),
    }
)
STEP: Final[Fields] = MappingProxyType(
    {
        "send": Field(_send, "what is sent", required=True),
        "at": Field(schema.duration, "when", default=0.0),
        "id": Field(schema.text, "a name for its result"),
        "times": Field(schema.integer, "how often", default=1),
        "every": Field(schema.duration, "how long after each other", default=0.0),
    }
)
FAULT: Final[Fields] = MappingProxyType(
    {
        "when": Field(_when, "a time or an event", required=True),
        "do": Field(_do, "a fault and its values", required=True),
        "id": Field(schema.text, "a name for it"),
    }
)
SCENARIO: Final[Fields] = MappingProxyType(
    {
        "scenario": Field(_version, "begin with `scenario: 1`", required=True),
        "name": Field(schema.text, "one line", required=True),
        "about": Field(schema.text, "what a user would fear; what holds", default=""),
        "seed": Field(schema.integer, "the seed of the run", default=0),
        "seeds": Field(record(schema.Seeds, schema.SEEDS), "many runs"),
        "limits": Field(
            record(schema.Limits, schema.LIMITS),
            "how long",
            default=schema.Limits(schema.DEFAULT_SIM_TIME_S),
        ),
        "clock": Field(
            record(schema.ClockSpec, schema.CLOCK), "when", default=schema.ClockSpec(None, {})
        ),
        "app": Field(_app, "whose tasks", default=schema.AppSpec(None, {})),
        "broker": Field(
            record(schema.BrokerSpec, schema.BROKER), "which", default=schema.BrokerSpec("redis")
        ),
        "workers": Field(
            list_of(record(schema.WorkerSpec, schema.WORKER)), "who works", required=True
        ),
        "tasks": Field(schema.by_name(record(schema.TaskSpec, TASK)), "inline tasks", default={}),
        "steps": Field(list_of(record(schema.Step, STEP)), "what is done", required=True),
        "faults": Field(list_of(_fault), "what goes wrong", default=()),
        "expect": Field(list_of(_expectation), "what must hold", required=True),
        "without": Field(
            list_of(schema.one_of("check", CHECKS)), "standing checks not made", default=()
        ),
    }
)  # fmt: skip
