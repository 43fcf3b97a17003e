"""How events are printed: for people as Celery prints them, for machines as JSON."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from taskq.cli import event_dump
from taskq.cli.event_dump import Dumper, JsonDumper, humanize_type

BASE: dict[str, Any] = {"hostname": "w1@h", "timestamp": 1795181409.551436}


def dumped(*events: dict[str, Any]) -> list[str]:
    out = io.StringIO()
    dumper = Dumper(out)
    for event in events:
        dumper.on_event({**BASE, **event})
    return out.getvalue().splitlines()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("worker-online", "started"),
        ("worker-offline", "shutdown"),
        ("worker-heartbeat", "heartbeat"),
        ("task-received", "task received"),
        ("my-event", "my event"),
    ],
)
def test_a_type_is_worded(kind: str, words: str) -> None:
    """Workers start and shut down; all else is what it is called."""
    assert humanize_type(kind) == words


def test_an_event_of_a_worker_is_a_line() -> None:
    """Who, when, what, and its fields in order."""
    assert dumped({"type": "worker-online", "freq": 2.0, "active": 0}) == [
        "w1@h [2026-11-20 13:30:09.551436+00:00] started: active=0, freq=2.0"
    ]


def test_an_event_of_a_task_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name and arguments are said by the first event alone, and remembered for a while."""
    monkeypatch.setattr(event_dump, "TASKS_LIMIT", 1)
    received = {"type": "task-received", "name": "add", "args": "(1,)", "kwargs": "{}"}
    succeeded = {"type": "task-succeeded", "result": "3", "runtime": 0.5}

    lines = dumped(
        {**received, "uuid": "1"},
        {**succeeded, "uuid": "1"},
        {**received, "uuid": "2"},
        {**succeeded, "uuid": "1"},
    )

    assert [line.partition("] ")[2] for line in lines] == [
        "task received: add(1) args=(1,) kwargs={} ",
        "task succeeded: add(1) args=(1,) kwargs={} result=3, runtime=0.5",
        "task received: add(2) args=(1,) kwargs={} ",
        "task succeeded:  result=3, runtime=0.5",
    ]


def test_no_event_can_write_lines_of_its_own() -> None:
    """Whoever sends events may say anything."""
    evil = "x\n\x1b[2Jy"

    lines = dumped(
        {"type": f"task-{evil}", "uuid": evil, "name": evil, "args": evil, "exception": evil},
        {"type": evil, "hostname": evil, "field": evil},
        {"field": 1},
    )

    assert len(lines) == 3
    assert "\x1b" not in "".join(lines)


def test_an_event_without_a_time_is_no_error() -> None:
    """A monitor does not end because somebody sends half an event."""
    out = io.StringIO()

    Dumper(out).on_event({})

    assert out.getvalue() == "? [1970-01-01 00:00:00+00:00] : \n"


def test_a_machine_gets_an_object_for_each_event() -> None:
    """One line of JSON, with all that the event has."""
    out = io.StringIO()

    JsonDumper(out).on_event({**BASE, "type": "worker-online", "odd": {1}})

    assert json.loads(out.getvalue()) == {**BASE, "type": "worker-online", "odd": "{1}"}


def test_events_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """Unless another file is given."""
    Dumper().say("hello")

    assert capsys.readouterr().out == "hello\n"
