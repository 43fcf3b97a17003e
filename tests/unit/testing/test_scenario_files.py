"""The format of scenario files: strict, with errors that say where and what instead."""

# ruff: noqa: E501 - a row of the table is one line

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from taskq_testing.scenario import schema
from taskq_testing.scenario.behaviour import check_template, fill
from taskq_testing.scenario.load import ScenarioError, loads
from taskq_testing.scenario.positions import Spot, read
from taskq_testing.scenario.run import make_app, run_scenario

GOOD = """\
scenario: 1
name: small
workers: [{name: w1}]
tasks: {add: {takes: 1s, returns: sum($args)}}
steps:
  - {send: {add: [1, 2]}, id: three}
expect:
  - {result: three, value: 3}
"""


def test_a_small_file_is_read() -> None:
    """Everything that is not said has a default."""
    scenario = loads(GOOD, "small.yaml")

    assert scenario.name == "small"
    assert scenario.workers[0].slots == 2
    assert scenario.tasks["add"].takes == 1.0
    assert scenario.steps[0].send == schema.Call("add", [1, 2], {}, {})
    assert scenario.broker.profile == "redis"


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("workers:", "wrokers:", "f.yaml:3: wrokers: no key is called 'wrokers'; did you mean 'workers'?"),
        ("takes: 1s", "takes: soon", "f.yaml:4: tasks.add.takes: expected a duration such as 90s, 2h or 1h30m, but got 'soon'"),
        ("takes: 1s", "takes: -1s", "f.yaml:4: tasks.add.takes: a duration cannot be negative"),
        ("sum($args)", "summ($args)", "f.yaml:4: tasks.add.returns: no function is called 'summ'; did you mean 'sum'?"),
        ("{add: [1, 2]}", "{ad: [1, 2]}", "f.yaml:6: steps.0.send: no task is called 'ad'; did you mean 'add'?"),
        ("{add: [1, 2]}", "{add: 1}", "f.yaml:6: steps.0.send.add: expected the list of arguments of add, but got 1"),
        ("result: three", "result: tree", "f.yaml:8: expect.0.result: no step is called 'tree'; did you mean 'three'?"),
        ("result: three", "resulted: three", "f.yaml:8: expect.0: no expectation is called 'resulted'; did you mean 'result'?"),
        ("{name: w1}", "{slots: 2}", "f.yaml:3: workers.0: the key 'name' is missing: the name of the node"),
        ("{name: w1}", "{name: w1, slots: two}", "f.yaml:3: workers.0.slots: expected a whole number, but got 'two'"),
        ("scenario: 1", "scenario: 2", "f.yaml:1: scenario: this is version 2 of the format; 1 is known here"),
        ("name: small", "name: small\nname: big", "f.yaml:3: name: this key is here twice"),
        ("name: small", "name: [small", "f.yaml:3: this is no YAML"),
        ("name: small", "name: small\nbroker: {profile: rabbit}", "broker.profile: no broker is called 'rabbit'; did you mean 'rabbitmq'?"),
        ("name: small", "name: small\nfaults: [{when: {event: task.stat}, do: {}}]", "faults.0.when.event: no event is called 'task.stat'; did you mean 'task.start'?"),
        ("name: small", "name: small\nfaults: [{when: {at: 1s}, do: {worker.kil: {}}}]", "no fault is called 'worker.kil'; did you mean 'worker.kill'?"),
        ("name: small", "name: small\nfaults: [{when: {at: 1s}, do: {worker.kill: {}}}]", "faults.0.do.worker.kill: the key 'node' is missing: worker.kill: the whole machine dies"),
        ("name: small", "name: small\nfaults: [{when: {}, do: {}}]", "faults.0.when: say when: {at: 5s} or {event: task.start, nth: 2}"),
        ("takes: 1s", "raises: {error: TimeOutError}", "tasks.add.raises.error: no built-in exception is called 'TimeOutError'; did you mean 'TimeoutError'?"),
        ("name: small", "name: small\nclock: {start: '2030-01-01T00:00:00'}", "clock.start: 2030-01-01T00:00:00 names no zone; end it with Z"),
        ("name: small", "name: small\napp: {settings: {task_acks_lat: true}}", "f.yaml:3: app.settings.task_acks_lat: no setting is called 'task_acks_lat'; did you mean 'task_acks_late'?"),
        ("name: small", "name: small\napp: {settings: {task_acks_late: maybe}}", "f.yaml:3: app.settings.task_acks_late: settings: task_acks_late"),
        ("name: small", "name: small\nfaults: [{when: {at: 1s}, do: {worker.kill: {node: w2}}}]", "f.yaml:3: faults.0.do.worker.kill.node: no node is called 'w2'; did you mean 'w1'?"),
        ("name: small", "name: small\nfaults: [{when: {at: 1s}, do: {amqp.channel_close: {node: w1}}}]", "f.yaml:3: faults.0.do.amqp.channel_close: amqp.channel_close is a fault of AMQP (channels, confirms, consumers); the broker here is 'redis'"),
        ("name: small", "name: small\nfaults: [{when: {event: task.start, task: ad}, do: {worker.kill: {node: w1}}}]", "faults.0.when.task: no task is called 'ad'; did you mean 'add'?"),
        ("name: small", "name: small\nclock: {nodes: {w3: {skew: 1s}}}", "clock.nodes.w3: no node is called 'w3'; did you mean 'w1'?"),
        ("{result: three, value: 3}", "{count: {event: task.start, task: ad}, equals: 0}", "f.yaml:8: expect.0.count.task: no task is called 'ad'; did you mean 'add'?"),
        ("{result: three, value: 3}", "{count: {event: task.start, node: w9}, equals: 0}", "f.yaml:8: expect.0.count.node: no node is called 'w9'"),
        ("name: small", "name: &small small", "f.yaml:2: this is no YAML: anchors and aliases have no meaning in a scenario"),
        ("name: small", "name: !!python/name:os.system", "f.yaml:2: this is no YAML: tags and aliases have no meaning in a scenario"),
        ("name: small", "name: a\x07b", "f.yaml:2: this is no YAML: the character '\\x07' is not allowed"),
        ("name: small", "name: " + "[" * 2000, "f.yaml:2: this is no YAML: this is nested too deeply"),
        ("name: small", "name: small\nwithout: [draned]", "without.0: no check is called 'draned'; did you mean 'drained'?"),
    ],
)  # fmt: skip
def test_errors_say_where_and_what_instead(old: str, new: str, error: str) -> None:
    """File, line, key, what came, what is allowed, the nearest word."""
    with pytest.raises(ScenarioError) as caught:
        loads(GOOD.replace(old, new), "f.yaml")

    assert error in str(caught.value)


def test_an_empty_file_says_how_to_begin() -> None:
    """Not just that something is missing."""
    with pytest.raises(ScenarioError, match="begin with `scenario: 1`"):
        loads("", "f.yaml")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("90s", 90.0),
        ("2h", 7200.0),
        ("1h30m", 5400.0),
        ("500ms", 0.5),
        ("1.5d", 129600.0),
        (3, 3.0),
    ],
)
def test_durations(value: Any, seconds: float) -> None:
    """Numbers with units, put together as people write them."""
    assert schema.duration(Spot(value, "f", 1, "k")) == seconds


def test_words_stay_words() -> None:
    """``on`` and ``no`` are no booleans, ``true`` is one, and quotes make text of anything."""
    spot = read(
        textwrap.dedent("""
        on: [on, no, true, 'true', 1, '1', 1.5, null, 1e3]
        """),
        "f",
    )

    assert spot.plain() == {"on": ["on", "no", True, "true", 1, "1", 1.5, None, 1000.0]}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("$args", [[1, 2], 3]),
        ("$args.0", [1, 2]),
        ("$args.0.1", 2),
        ("$kwargs.name", "Ada"),
        ("sum($args.0)", 3),
        ("len($args)", 2),
        ("plain", "plain"),
        (7, 7),
        (None, None),
    ],
)
def test_templates_fill(template: Any, value: Any) -> None:
    """A template reads the arguments of the call; anything else is itself."""
    assert check_template(template) is None
    assert fill(template, ([1, 2], 3), {"name": "Ada"}) == value


def test_nested_canvases_are_read() -> None:
    """A chord whose header holds a chain."""
    send = "{chord: {header: [{chain: [{add: [1]}, {add: [2]}]}, {add: [3]}], body: {add: []}}}"
    scenario = loads(GOOD.replace("{add: [1, 2]}", send), "f.yaml")
    add = schema.Call("add", [], {}, {})

    assert scenario.steps[0].send == schema.Canvas(
        "chord",
        (
            schema.Canvas(
                "chain", (schema.Call("add", [1], {}, {}), schema.Call("add", [2], {}, {}))
            ),
            schema.Call("add", [3], {}, {}),
        ),
        add,
    )


def test_a_worker_that_a_fault_starts_is_known() -> None:
    """It can be killed later, and its events can be counted."""
    faults = """
faults:
  - {when: {at: 1s}, do: {worker.start: {node: w9}}}
  - {when: {at: 2s}, do: {worker.kill: {node: w9}}}
"""

    assert len(loads(GOOD + faults, "f.yaml").faults) == 2


def test_an_application_that_cannot_be_imported_is_named() -> None:
    """With the line of its name, and why."""
    scenario = loads(GOOD + "app: {target: 'no_such_module:app'}", "f.yaml")

    with pytest.raises(
        ScenarioError, match=r"f\.yaml:9: app\.target: 'no_such_module:app' cannot be"
    ):
        make_app(scenario)


def test_a_fault_that_cannot_be_done_breaks_the_scenario() -> None:
    """A worker that is dead already cannot be killed: the finding names the fault and its line."""
    faults = """
faults:
  - {when: {at: 1s}, do: {worker.kill: {node: w1}}}
  - {when: {at: 2s}, do: {worker.kill: {node: w1}}}
"""
    [finding] = run_scenario(loads(GOOD + faults, "f.yaml")).findings

    assert finding.check == "f.yaml:12: faults.1"
    assert "no worker called 'w1' runs" in finding.sentence


def test_what_the_client_is_refused_breaks_the_scenario() -> None:
    """An error outside of all bodies is a finding too, so that its seed is told."""
    faults = "faults: [{when: {at: 0}, do: {broker.lose_connection: {node: client, for: 9h}}}]"
    scenario = loads(GOOD.replace("id: three", "id: three, at: 1s") + faults, "f.yaml")
    [finding] = run_scenario(scenario).findings

    assert finding.check == "no-crash"
    assert "OperationalError" in finding.sentence
