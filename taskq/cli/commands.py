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
        "call": Row("taskq.cli.call", "Send a task by its name."),
        "purge": Row("taskq.cli.purge", "Throw away all messages that wait in queues."),
        "report": Row("taskq.cli.report", "Show versions and settings, for a bug report."),
        "result": Row("taskq.cli.result", "Show the result of a task."),
        "shell": Row("taskq.cli.shell", "Open a Python shell with the app and its tasks."),
        "worker": Row("taskq.cli.worker", "Start a worker."),
    }
)

# Installed packages add commands under these names.
ENTRY_POINTS: Final = ("taskq.commands", "celery.commands")
