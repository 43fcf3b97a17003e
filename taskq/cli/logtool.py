"""``taskq logtool``: what a worker's log says of its tasks."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TextIO

import click

from taskq.cli.context import CLIContext

# The beginning of a line, in the usual format of taskq's log and of Celery's.
HEAD: Final = re.compile(
    r"^\[(?P<at>[^\]]*?): (?P<level>[A-Z]+)/(?P<process>[^\]]+)\] (?P<text>.*)"
)
TASK: Final = re.compile(r"^Task (?P<name>\S+)\[(?P<id>[^\]]+)\]:? (?P<what>\w+)")
LIMIT: Final = re.compile(r"(?P<what>exceeded) for (?P<name>\S+)\[(?P<id>[^\]]+)\]")
# The first words of what a log says of a task: what has come, what is not over, and how it ended.
RECEIVED: Final = "received"
SUCCEEDED: Final = "succeeded"
AGAIN: Final = frozenset({"retry", "will"})
GOES_ON: Final = frozenset({"waits", "started", "accepted"})
FAILED: Final = frozenset({"raised", "failed", "exceeded", "is"})


@dataclass(slots=True)
class Entry:
    """One line, and those that belong to it."""

    level: str
    lines: list[str]
    task: re.Match[str] | None = None

    def __str__(self) -> str:
        return "\n".join(self.lines)


@dataclass(slots=True)
class Report:
    """What is known of the tasks of a log."""

    received: dict[str, str] = field(default_factory=dict)  # id -> name
    ended: set[str] = field(default_factory=set)
    names: Counter[str] = field(default_factory=Counter)
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    tracebacks: int = 0

    def see(self, entry: Entry) -> None:
        """Take one entry in."""
        self.tracebacks += any("Traceback (most recent" in line for line in entry.lines)
        if entry.task is None:
            return
        name, task_id = entry.task["name"], entry.task["id"]
        what = entry.task["what"]
        if what == RECEIVED:
            self.received.setdefault(task_id, name)
            self.names[name] += 1
            self.ended.discard(task_id)  # it comes again
        elif what not in GOES_ON:
            self.ended.add(task_id)
            self.succeeded += what == SUCCEEDED
            self.retried += what in AGAIN
            self.failed += what in FAILED

    @property
    def incomplete(self) -> dict[str, str]:
        """Return those whose end is not in the log: id -> name."""
        return {
            task_id: name for task_id, name in self.received.items() if task_id not in self.ended
        }


def entries(files: tuple[TextIO, ...]) -> Iterator[Entry]:
    """Return the entries of some logs, line after line."""
    for file in files:
        entry: Entry | None = None
        for line in file:
            text = line.rstrip("\n")
            head = HEAD.match(text)
            if head is None:
                if entry is not None:
                    entry.lines.append(text)
                continue
            if entry is not None:
                yield entry
            told = TASK.match(head["text"]) or LIMIT.search(head["text"])
            entry = Entry(head["level"], [text], told)
        if entry is not None:
            yield entry


def reported(files: tuple[TextIO, ...]) -> Report:
    """Return what some logs say."""
    report = Report()
    for entry in entries(files):
        report.see(entry)
    return report


@click.group("logtool")
def command() -> None:
    """Say what the logs of workers tell of their tasks.

    FILES are logs in the usual format, of taskq's workers or Celery's, at level INFO; standard
    input if none is named.
    """


# What all have in common.
with_files = click.argument("files", nargs=-1, type=click.File("r", errors="replace"))
json_option = click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")


def _given(files: tuple[TextIO, ...]) -> tuple[TextIO, ...]:
    return files or (sys.stdin,)


@command.command("stats")
@json_option
@with_files
@click.pass_obj
def stats(context: CLIContext, /, files: tuple[TextIO, ...], *, as_json: bool) -> None:
    """Count tasks: how many came, how they ended, and of which names they were."""
    report = reported(_given(files))
    facts = {
        "received": sum(report.names.values()),
        "succeeded": report.succeeded,
        "failed": report.failed,
        "retried": report.retried,
        "incomplete": len(report.incomplete),
        "tracebacks": report.tracebacks,
    }
    if as_json:
        context.echo_json({**facts, "tasks": dict(report.names.most_common())})
        return
    for name, count in facts.items():
        context.echo(f"{name:<11} {count}")
    if report.names:
        context.echo("tasks")
        for name, count in report.names.most_common():
            context.echo(f"  {count:>8}  {name}")


@command.command("traces")
@with_files
@click.pass_obj
def traces(context: CLIContext, /, files: tuple[TextIO, ...]) -> None:
    """Show all entries with a traceback."""
    for entry in entries(_given(files)):
        if any("Traceback (most recent" in line for line in entry.lines):
            context.echo(str(entry))


@command.command("errors")
@with_files
@click.pass_obj
def errors(context: CLIContext, /, files: tuple[TextIO, ...]) -> None:
    """Show all entries that are errors."""
    for entry in entries(_given(files)):
        if entry.level in {"ERROR", "CRITICAL"}:
            context.echo(str(entry))


@command.command("incomplete")
@json_option
@with_files
@click.pass_obj
def incomplete(context: CLIContext, /, files: tuple[TextIO, ...], *, as_json: bool) -> None:
    """Show tasks that came, and whose end is not in the log."""
    found = reported(_given(files)).incomplete
    if as_json:
        context.echo_json(found)
        return
    for task_id, name in found.items():
        context.echo(f"did not end: {name}[{task_id}]")


@command.command("debug")
@with_files
@click.pass_obj
def debug(context: CLIContext, /, files: tuple[TextIO, ...]) -> None:
    """Show all entries at level DEBUG."""
    for entry in entries(_given(files)):
        if entry.level == "DEBUG":
            context.echo(str(entry))
