"""All commands: where each lives, and the line that ``--help`` shows of it.

A new command is a file and a row.  Nothing is imported before it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class Row(NamedTuple):
    """One command."""

    module: str  # has a click command called ``command``
    help: str


COMMANDS: Final[Mapping[str, Row]] = MappingProxyType(
    {
        "amqp": Row("taskq.cli.amqp", "Talk to the broker by hand."),
        "beat": Row("taskq.cli.beat", "Send periodic tasks when they are due."),
        "call": Row("taskq.cli.call", "Send a task by its name."),
        "control": Row("taskq.cli.control", "Tell workers to do something."),
        "dlq": Row("taskq.cli.dlq", "Look at dead letters, send them again, or drop them."),
        "events": Row("taskq.cli.events", "Watch the events of workers and tasks."),
        "graph": Row("taskq.cli.graph", "Draw workers and workflows."),
        "inspect": Row("taskq.cli.inspect", "Ask workers what they know."),
        "logtool": Row("taskq.cli.logtool", "Say what the logs of workers tell of tasks."),
        "migrate": Row("taskq.cli.migrate", "Move tasks from one broker to another."),
        "multi": Row("taskq.cli.multi", "Start, stop and restart several workers."),
        "list": Row("taskq.cli.list", "Show what the broker knows, and what beat does when."),
        "purge": Row("taskq.cli.purge", "Throw away all messages that wait in queues."),
        "report": Row("taskq.cli.report", "Show versions and settings, for a bug report."),
        "result": Row("taskq.cli.result", "Show the result of a task."),
        "status": Row("taskq.cli.status", "Show which workers are there."),
        "shell": Row("taskq.cli.shell", "Open a Python shell with the app and its tasks."),
        "upgrade": Row("taskq.cli.upgrade", "Give old names of settings their new ones."),
        "worker": Row("taskq.cli.worker", "Start a worker."),
    }
)

# Commands that Celery's users know, and what to do as long as they are missing.
LATER: Final[Mapping[str, str]] = MappingProxyType({})

# Installed packages add commands under these names.
ENTRY_POINTS: Final = ("taskq.commands", "celery.commands")
