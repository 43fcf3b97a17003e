"""Prints events as they come: ``taskq events --dump``."""

from __future__ import annotations

import json
import sys
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TextIO

import click

from taskq.app.log_lines import escape
from taskq.cli.watching import Watch
from taskq.current import app_or_default

# How many tasks are remembered by name and arguments: only their first event says these.
TASKS_LIMIT: Final = 4096

HUMAN_TYPES: Final[Mapping[str, str]] = {
    "worker-offline": "shutdown",
    "worker-online": "started",
    "worker-heartbeat": "heartbeat",
}
TASK: Final = "task-"


def humanize_type(type: str) -> str:  # noqa: A002 - Celery's name
    """Return the type of an event for people: ``task-received`` is ``task received``."""
    return HUMAN_TYPES.get(type, type.replace("-", " "))


class Dumper:
    """Writes a line for each event."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = sys.stdout if out is None else out
        self._tasks: OrderedDict[str, str] = OrderedDict()

    def say(self, msg: str) -> None:
        """Write a line now, whoever reads it by a pipe."""
        print(msg, file=self.out, flush=True)

    def note(self, msg: str) -> None:
        """Write a line that is no event."""
        self.say(msg)

    def on_event(self, ev: Mapping[str, Any]) -> None:
        """Write what has happened."""
        event = dict(ev)
        moment = datetime.fromtimestamp(float(event.pop("timestamp", 0.0)), UTC)
        kind = str(event.pop("type", "")).lower()
        hostname = event.pop("hostname", "?")
        if kind.startswith(TASK):
            task = self._task(event.pop("uuid", None), event)
            self.format_task_event(hostname, moment, kind, task, event)
        else:
            self.say(f"{_head(hostname, moment, kind)}: {_fields(event)}")

    def format_task_event(
        self,
        hostname: str,
        timestamp: datetime,
        type: str,  # noqa: A002 - Celery's name
        task: str,
        event: Mapping[str, Any],
    ) -> None:
        """Write what has happened to a task."""
        self.say(f"{_head(hostname, timestamp, type)}: {task} {_fields(event)}")

    def _task(self, uuid: Any, event: dict[str, Any]) -> str:
        if "name" in event:
            named = f"{event.pop('name')}({uuid})"
            given = f"args={event.pop('args', '()')} kwargs={event.pop('kwargs', '{}')}"
            self._tasks[str(uuid)] = escape(f"{named} {given}")
            if len(self._tasks) > TASKS_LIMIT:
                self._tasks.popitem(last=False)
        return self._tasks.get(str(uuid), "")


class JsonDumper(Dumper):
    """Writes each event as a line of JSON, and nothing else."""

    def note(self, msg: str) -> None:
        """Write it where nobody takes it for an event."""
        click.echo(msg, err=True)

    def on_event(self, ev: Mapping[str, Any]) -> None:
        """Write what has happened."""
        self.say(json.dumps(dict(ev), default=str, sort_keys=True))


def _head(hostname: str, moment: datetime, kind: str) -> str:
    return f"{escape(hostname)} [{moment}] {escape(humanize_type(kind))}"


def _fields(event: Mapping[str, Any]) -> str:
    # Whoever sends events may say anything: a value fills no more than its line.
    return ", ".join(f"{name}={_value(event[name])}" for name in sorted(event))


def _value(value: Any) -> str:
    return str(value) if isinstance(value, int | float) else escape(value)


def evdump(app: Any = None, out: TextIO | None = None, *, dumper: Dumper | None = None) -> None:
    """Print events until somebody interrupts."""
    dumper = dumper or Dumper(out)
    begin = partial(dumper.note, "-> evdump: starting capture...")
    Watch(app_or_default(app), dumper.on_event, say=dumper.note, begin=begin).run()
