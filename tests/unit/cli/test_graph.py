"""``taskq graph``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

from taskq import TaskQ
from taskq.canvas import Signature, chain, group
from taskq.cli.context import CLIContext
from taskq.cli.graph import command
from taskq.errors import OperationalError


@pytest.fixture
def app() -> Iterator[TaskQ]:
    made = TaskQ("drawn", broker="memory://", backend="cache+memory://", set_as_current=False)
    yield made
    made.close()


def graph(app: TaskQ, *argv: str, **options: Any) -> Result:
    context = CLIContext(app=app, no_color=True)
    return CliRunner().invoke(command, argv, obj=context, **options)


def labels(done: Result) -> list[str]:
    """The labels of the nodes, of a drawing in DOT."""
    assert done.exit_code == 0, done.output
    lines = (line.strip() for line in done.stdout.splitlines())
    return [line.split('label="')[1].split('"')[0] for line in lines if " [label=" in line]


# -- canvas --------------------------------------------------------------------------------------


def test_a_signature_as_json_is_drawn(app: TaskQ) -> None:
    """On the command line, or on standard input."""
    text = json.dumps(chain(Signature("a", (1,)), Signature("b")))

    done = graph(app, "canvas", text)
    piped = graph(app, "canvas", "-", "-F", "mermaid", input=text)

    assert done.stdout.splitlines()[2:] == [
        '  n0 [label="a(1)"];',
        '  n1 [label="b()"];',
        "  n0 -> n1;",
        "}",
    ]
    assert piped.stdout == 'flowchart TD\n  n0["a(1)"]\n  n1["b()"]\n  n0 --> n1\n'


def test_a_signature_of_a_module_is_shown(app: TaskQ, monkeypatch: pytest.MonkeyPatch) -> None:
    """Itself, or what a function returns."""
    flows: Any = ModuleType("drawn_flows")
    flows.night = Signature("a") | Signature("b")
    flows.make = lambda: group(Signature("a") for _ in range(100))
    monkeypatch.setitem(sys.modules, "drawn_flows", flows)

    assert graph(app, "canvas", "drawn_flows.night", "-F", "tree").stdout == (
        "chain of 2 steps\n├─ 1. a()\n└─ 2. b(<result>)\n"
    )
    assert labels(graph(app, "canvas", "drawn_flows:make", "--most", "1")) == [
        "a()",
        "… and 99 more",
    ]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("{", "this is no signature as JSON"),
        ('{"task": "a", "subtask_type": "odd"}', "no subtask_type is called 'odd'"),
        ("os.no_such", "there is no 'os.no_such'"),
        ("nowhere", "say it as package.module.name"),
        ("os.sep", "is str, and no signature; write task.s()"),
    ],
)
def test_what_is_no_signature_is_refused(app: TaskQ, said: str, answer: str) -> None:
    """With what to say instead."""
    done = graph(app, "canvas", said)

    assert done.exit_code == 2
    assert answer in done.output


# -- result --------------------------------------------------------------------------------------


def store(app: TaskQ, task_id: str, *children: Any, **facts: Any) -> None:
    meta = {**app.backend.meta(task_id, 1, "SUCCESS", None), "children": list(children), **facts}
    record = app.backend.record(task_id, 1, "SUCCESS")
    payload = app.backend.encode(meta)
    app.ports.store.store([type(record)(task_id, "SUCCESS", payload)])


def one(task_id: str) -> Any:
    return (task_id, None), None


def test_a_workflow_is_drawn_from_any_of_its_tasks(app: TaskQ) -> None:
    """From the root on, with names where they are stored; the body of a chord hangs on a member."""
    store(app, "root", (("g", None), [one("m1"), one("m2")]), name="proj.split")
    store(app, "m1", parent_id="root")
    store(app, "m2", parent_id="root")
    store(app, "body", one("last"), parent_id="m2")
    store(app, "last", parent_id="body")

    done = graph(app, "result", "last")

    assert labels(done) == [
        r"proj.split\nroot\nSUCCESS",
        r"group of 2\ng\n2 done",
        r"m1\nSUCCESS",
        r"m2\nSUCCESS",
        r"body\nSUCCESS",
        r"last\nSUCCESS",
    ]
    drawn = [line.strip() for line in done.stdout.splitlines() if "->" in line]
    assert drawn == ["n0 -> n1;", "n1 -> n2;", "n1 -> n3;", "n3 -> n4;", "n4 -> n5;"]


def test_a_saved_group_is_drawn(app: TaskQ) -> None:
    """Of many members the first few, with what is known of them."""
    found = app.GroupResult("saved", [app.AsyncResult(f"saved-{number}") for number in range(30)])
    found.save()
    store(app, "saved-0")

    assert labels(graph(app, "result", "saved", "--most", "2")) == [
        r"group of 30\nsaved\n1 done",
        r"saved-0\nSUCCESS",
        r"saved-1\nPENDING",
        "… and 28 more",
    ]


def test_an_id_that_nobody_knows_is_refused(app: TaskQ) -> None:
    """With where it was looked for."""
    done = graph(app, "result", "nobody")

    assert done.exit_code == 1
    assert "nothing is known of nobody in cache+memory://" in done.output


# -- workers, bootsteps --------------------------------------------------------------------------


STATS = {
    "w2@h": {"pool": {"max-concurrency": 6}},
    "w1@h": {"pool": {"processes": [11, 12]}},
}


def answered(monkeypatch: pytest.MonkeyPatch, app: TaskQ, stats: Any) -> None:
    inspect = type("Inspect", (), {"stats": lambda _self: stats})
    monkeypatch.setattr(type(app.control), "inspect", property(lambda _self: inspect))


def test_workers_are_drawn_with_what_they_use(app: TaskQ, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broker, result store, and the processes of each; of many the first few."""
    answered(monkeypatch, app, STATS)

    assert labels(graph(app, "workers")) == [
        r"broker\nmemory://localhost//",
        r"results\ncache+memory://",
        *("w1@h", "process 11", "process 12"),
        *("w2@h", "slot 0", "slot 1", "slot 2", "slot 3", "… and 2 more"),
    ]


def test_what_is_said_is_drawn_in_the_place_of_what_is_there(
    app: TaskQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes, threads, and the result store."""
    answered(monkeypatch, app, STATS)

    said = graph(app, "workers", "nodes:a,b", "threads:1", "backend:redis://")
    assert labels(said)[1:] == [r"results\nredis://", "a", "slot 0", "b", "slot 0"]
    assert labels(graph(app, "workers", "threads:1"))[2:] == ["w1@h", "slot 0", "w2@h", "slot 0"]


def test_no_worker_and_no_store_are_drawn_as_that(
    app: TaskQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker alone."""
    answered(monkeypatch, app, None)

    assert labels(graph(app, "workers", "backend:disabled")) == [r"broker\nmemory://localhost//"]


def test_a_broker_that_is_away_is_said_in_one_line(
    app: TaskQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the exit code for that."""

    def away(_self: Any) -> None:
        raise OperationalError("the broker is away")

    inspect = type("Inspect", (), {"stats": away})
    monkeypatch.setattr(type(app.control), "inspect", property(lambda _self: inspect))
    done = graph(app, "workers")

    assert (done.exit_code, "the broker is away" in done.output) == (69, True)


@pytest.mark.parametrize("said", ["a,b", "nodes", "colour:red", "threads:many"])
def test_what_cannot_be_said_of_workers_is_refused(app: TaskQ, said: str) -> None:
    """With what can be said."""
    done = graph(app, "workers", said)

    assert done.exit_code == 2
    assert "say" in done.output


def test_the_steps_of_a_worker_are_drawn(app: TaskQ) -> None:
    """Those of the worker, those of its consumer, or both, joined."""
    both, own, theirs = (
        graph(app, "bootsteps"),
        graph(app, "bootsteps", "worker"),
        graph(app, "bootsteps", "consumer", "-F", "mermaid"),
    )

    assert {"Pool", "Consumer", "Connection", "Gossip"} <= set(labels(both))
    assert "Connection" not in labels(own)
    assert "Gossip" in theirs.stdout
    assert "Pool" not in theirs.stdout
